"""Which embedded servers run under a home now, as their guardian has written down (`embedded/home.py`)."""

import json
from pathlib import Path
from typing import NamedTuple


class ServerUrls(NamedTuple):
    """Where they are; None: not there, or not ours."""

    database: str | None = None
    redis: str | None = None


def servers_under(home: Path) -> ServerUrls:
    """Return the URLs of the servers that run under `home`."""
    try:
        written = json.loads((home / "servers.json").read_text(encoding="utf-8"))
        return ServerUrls(written["database_url"], written["redis_url"])
    except (OSError, ValueError, KeyError, TypeError):
        return ServerUrls()
