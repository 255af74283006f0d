"""Where clients find the API, and who they are."""

import json
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, Field, SecretStr

from taskflow.settings.http import HttpSettings

CLI_KEY_FILE = "cli-key"
"""Under `home`: the key of the command line. Named here, because whoever reads it needs nothing else of identity."""

_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not listened on


class ApiSettings(BaseModel):
    """`TASKFLOW_API_*`."""

    url: str | None = Field(
        None, description="Where clients find the API; by default the `taskflow up` of this home, else port 8000 here."
    )
    key: SecretStr | None = Field(
        None, description="The key of clients; by default the one that `taskflow up` keeps under home."
    )


class ApiAccess(NamedTuple):
    """An address and a key; the key is empty where there is none."""

    url: str
    key: str


def find_api(home: Path, api: ApiSettings, http: HttpSettings) -> ApiAccess:
    """Return what is set, else what the `taskflow up` of `home` has left there for its clients."""
    return ApiAccess(api.url or _url_under(home, http), api.key.get_secret_value() if api.key else _key_under(home))


def _key_under(home: Path) -> str:
    try:
        return (home / CLI_KEY_FILE).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _url_under(home: Path, http: HttpSettings) -> str:
    try:
        return str(json.loads((home / "processes.json").read_text(encoding="utf-8"))["url"])
    except (OSError, ValueError, KeyError):
        host = "127.0.0.1" if http.host in _EVERYWHERE else http.host
        return f"http://{f'[{host}]' if ':' in host else host}:{http.port}"
