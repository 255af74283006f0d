"""Requests to one SMS provider over the process's HTTP client (`delivery.providers.http`), with whole answers or none.

What was not sent cannot have been taken: whatever fails before the first byte of a request is proved not taken,
whatever fails after it is uncertain, and so is an answer that is cut or too long.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

import orjson
from pydantic import AfterValidator, SecretStr

from taskflow.delivery.providers.http import Answer, CallFailedError, HttpClient, Request, basic

_SHORTEST = 8


class UnansweredError(Exception):
    """No complete answer was read."""

    def __init__(self, reason: str, *, was_sent: bool) -> None:
        """`was_sent`: at least one byte of the request was written, so that it may have been taken."""
        super().__init__(reason)
        self.was_sent = was_sent


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
        """Send a request, with a body of `json` or a form of `data`, and return the whole answer.

        Raises:
            UnansweredError: there was none.
        """
        url = self._base + path + (f"?{urlencode(params)}" if params else "")
        body, kind = None, {}
        if json is not None:
            body, kind = orjson.dumps(json), {"content-type": "application/json"}
        elif data is not None:
            body, kind = urlencode(data).encode(), {"content-type": "application/x-www-form-urlencoded"}
        asked = Request(method, url, {**self._headers, **kind}, body, self._hidden, self.seconds)
        try:
            answer = await self._client.call(asked)
        except CallFailedError as error:
            raise UnansweredError(str(error), was_sent=error.handed_over) from error
        if not answer.is_whole:
            raise UnansweredError("The answer was cut, or is longer than 64 KiB.", was_sent=True)
        return answer


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
