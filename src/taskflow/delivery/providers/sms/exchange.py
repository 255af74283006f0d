"""Requests to one SMS provider over the process's HTTP client: where it is, and what signs all of them in."""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

import orjson
from pydantic import AfterValidator, SecretStr

from taskflow.delivery.providers.http import Answer, HttpClient, Request, basic

_SHORTEST = 8


class Exchange:
    """Requests to one provider."""

    def __init__(
        self,
        client: HttpClient,
        base_url: str,
        *,
        seconds: float,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, SecretStr] | None = None,
    ) -> None:
        """Connect to nothing yet. `seconds`: for a request as a whole; `auth`: user and password (Basic).

        Values of `headers` and the password are taken out of answers that repeat them.
        """
        self.seconds = seconds
        self.connections = client.connections
        self._client = client
        self._base = base_url.rstrip("/") + "/"
        self._hidden = [*(headers or {}).values(), *([auth[1].get_secret_value()] if auth is not None else [])]
        signed = {"authorization": basic(auth[0], auth[1].get_secret_value())} if auth is not None else {}
        self._headers = {"accept": "application/json", **signed, **(headers or {})}

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        data: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request, with a body of `json` or a form of `data`, and return the answer.

        Raises:
            CallFailedError: there was none.
        """
        url = self._base + path + (f"?{urlencode(params)}" if params else "")
        body, kind = None, {}
        if json is not None:
            body, kind = orjson.dumps(json), {"content-type": "application/json"}
        elif data is not None:
            body, kind = urlencode(data).encode(), {"content-type": "application/x-www-form-urlencoded"}
        return await self.call(Request(method, url, {**self._headers, **kind}, body, self._hidden, self.seconds))

    async def call(self, request: Request) -> Answer:
        """Send a request that is finished, and return the answer.

        Raises:
            CallFailedError: there was none.
        """
        return await self._client.call(request)


def _check_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return url
    if parts.scheme == "http" and parts.hostname and _is_this_machine(parts.hostname):
        return url
    raise ValueError("write an address that begins with https://; http:// only of this machine, for tests")


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _check_header(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not (text.isascii() and text.isprintable() and text.strip() == text and len(text) >= _SHORTEST):
        raise ValueError(f"write at least {_SHORTEST} plain characters on one line")
    return value


HeaderKey = Annotated[SecretStr, AfterValidator(_check_header)]
"""A key that travels in a header as it is."""
ApiUrl = Annotated[str, AfterValidator(_check_url)]
"""Where a provider's API is: keys go over TLS only, but to this machine."""
