"""One request and its whole answer over HTTP, bounded in time and size; without an answer, whether it was sent.

What was not sent cannot have been taken. So the very moment at which the first byte of a request is written is noted
(httpcore tells it): whatever fails before is proved not taken, whatever fails after is uncertain. Redirects are not
followed: a key is for one host. Nothing is read from the environment (proxies, .netrc).
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated, Any
from urllib.parse import urlsplit

import httpx
import orjson
from pydantic import AfterValidator, SecretStr

from taskflow import __version__
from taskflow.base.terminal import printable

MAX_BYTES = 64 * 1024
_LINE_CHARS = 500
_MOST_SECONDS = 86_400.0
_IDLE_SECONDS = 5.0  # a connection that was idle for longer may be closed on the other side just now
_SHORTEST = 8
_CONNECT_SHARE = 0.3  # of the time, for TCP and for TLS each: what does not answer there is given up in good order
_FIRST_BYTE = "send_request_headers.started"


class UnansweredError(Exception):
    """No complete answer was read."""

    def __init__(self, reason: str, *, was_sent: bool) -> None:
        """`was_sent`: at least one byte of the request was written, so that it may have been taken."""
        super().__init__(reason)
        self.was_sent = was_sent


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider answered: `Said` of `delivery.outcome`."""

    code: int
    body: bytes
    retry_after: float | None = None  # seconds

    def __str__(self) -> str:
        """Return it on one line, safe for a log."""
        text = " ".join(printable(self.body.decode(errors="replace"), keep="\r\n\t").split())
        return f"{self.code} {text[:_LINE_CHARS]}".rstrip()

    @property
    def json(self) -> Any:
        """Return what the body says; None when it is no JSON."""
        try:
            return orjson.loads(self.body)
        except ValueError:
            return None

    @property
    def members(self) -> Mapping[str, Any]:
        """Return the members of the body; none when it is no JSON object."""
        found = self.json
        return found if isinstance(found, dict) else {}


class Exchange:
    """Requests to one provider."""

    def __init__(
        self,
        base_url: str,
        *,
        seconds: float,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, SecretStr] | None = None,
    ) -> None:
        """Connect to nothing yet. `seconds`: for a request as a whole; `auth`: user and password (Basic).

        Values of `headers` and the password are taken out of answers that repeat them.
        """
        self._seconds = seconds
        self._hidden = [*(headers or {}).values(), *([auth[1].get_secret_value()] if auth is not None else [])]
        basic = httpx.BasicAuth(auth[0], auth[1].get_secret_value()) if auth is not None else None
        common = {"user-agent": f"TaskFlow/{__version__}", "accept": "application/json", "accept-encoding": "identity"}
        self._http = httpx.AsyncClient(
            base_url=base_url.rstrip("/") + "/",
            headers=common | dict(headers or {}),
            auth=basic,
            timeout=httpx.Timeout(seconds, connect=seconds * _CONNECT_SHARE),
            trust_env=False,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=10, keepalive_expiry=_IDLE_SECONDS),
        )

    async def request(self, method: str, path: str, **content: Any) -> Answer:
        """Send a request and return the whole answer; `content`: `params`, `json` or `data` of httpx.

        Raises:
            UnansweredError: there was none.
        """
        was_sent = False

        async def trace(event: str, _: Any) -> None:
            nonlocal was_sent
            was_sent = was_sent or event.endswith(_FIRST_BYTE)

        try:
            async with (
                asyncio.timeout(self._seconds),
                self._http.stream(method, path, extensions={"trace": trace}, **content) as response,
            ):
                body = bytearray()
                async for piece in response.aiter_raw():
                    body += piece
                    if len(body) > MAX_BYTES:
                        raise UnansweredError(f"The answer is longer than {MAX_BYTES:,} bytes.", was_sent=True)
                retry_after = _seconds(response.headers.get("retry-after"))
                return Answer(response.status_code, self._without_secrets(bytes(body)), retry_after)
        except (TimeoutError, httpx.TimeoutException) as error:
            what = "No complete answer" if was_sent else "No connection"
            raise UnansweredError(f"{what} within {self._seconds:g} s.", was_sent=was_sent) from error
        except httpx.HTTPError as error:
            what = "The connection broke" if was_sent else "No connection"
            raise UnansweredError(f"{what}: {type(error).__name__} {error}"[:200], was_sent=was_sent) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def _without_secrets(self, body: bytes) -> bytes:
        for secret in self._hidden:
            body = body.replace(secret.encode(), b"[hidden]")
        return body


def _seconds(text: str | None) -> float | None:
    if text is None or not (text.isascii() and text.isdecimal()):
        return None
    return min(float(text[:9]), _MOST_SECONDS)


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
