"""The one way in which providers speak HTTP: guarded, bounded, and exact about what was handed over.

A name is looked up for each connection, and the connection goes to an address that the guard has passed
(`base.outbound`). Redirects are not followed. One call has one time limit, an answer's body is read up to
64 KiB, whatever it says about its length, and is never decompressed.

A call that fails says whether its request may have been heard: `handed_over` is false only while nothing of the request
had been written. Connections are kept for a few seconds; one that broke while it was idle is noticed before it is used.
"""

import asyncio
import base64
import re
import ssl
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import httpcore
import orjson

from taskflow.base.errors import InvalidInputError, UnavailableError
from taskflow.base.guarded_http import NOT_ANSWERED, USER_AGENT, GuardedNetwork, system_trust, url_of
from taskflow.base.outbound import AddressGuard, RefusedUrlError, Target
from taskflow.base.terminal import printable

_MOST_BODY = 64 * 1024
_MOST_TEXT = 500
_MOST_WAIT = 86_400.0
_IDLE_SECONDS = 5.0
_CONNECT_SHARE = 0.3  # of the time, for TCP and for TLS each
_HIDDEN = b"[redacted]"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SHORTEST_SECRET = 6  # shorter ones would tear words apart


class CallFailedError(UnavailableError):
    """The provider did not answer."""

    code = "provider_call_failed"

    def __init__(self, reason: str, *, handed_over: bool) -> None:
        """Keep whether the provider may have heard the request."""
        super().__init__(reason)
        self.handed_over = handed_over


class InvalidProviderUrlError(InvalidInputError):
    """A provider cannot be at this address."""

    code = "invalid_provider_url"


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    # Secrets in it: an answer may repeat them, and answers are kept.
    hide: Sequence[str] = field(default=(), repr=False)
    seconds: float | None = None  # of the call as a whole, instead of the client's


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `is_whole`: its body was read to the end."""

    code: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    is_whole: bool = True

    def __str__(self) -> str:
        """Return it on one line, for ledgers and logs."""
        text = " ".join(self.body[: 4 * _MOST_TEXT].decode("utf-8", "replace").split())
        return printable(f"HTTP {self.code}: {text}" if text else f"HTTP {self.code}")[:_MOST_TEXT]

    @property
    def data(self) -> Any:
        """Return what the body says; None when it is no JSON."""
        try:
            return orjson.loads(self.body)
        except ValueError:
            return None

    @property
    def json(self) -> dict[str, Any]:
        """Return the object in the body; an empty one when there is none."""
        found = self.data
        return found if isinstance(found, dict) else {}

    @property
    def retry_after(self) -> float | None:
        """Return the seconds that it asks to wait, at most a day (RFC 9110, section 10.2.3)."""
        text = self.headers.get("retry-after", "").strip()
        if text.isascii() and text.isdecimal():
            return min(float(text[:9]), _MOST_WAIT)
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, OverflowError):
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return min(max((moment - datetime.now(UTC)).total_seconds(), 0.0), _MOST_WAIT)


class HttpClient:
    """Connections of one process and event loop to providers."""

    def __init__(
        self, guard: AddressGuard, *, seconds: float = 30.0, connections: int = 10, tls: ssl.SSLContext | None = None
    ) -> None:
        """Open nothing yet.

        Args:
            guard: which addresses may be reached.
            seconds: of a call as a whole.
            connections: most to one host.
            tls: whom to trust, the system's authorities by default.
        """
        self._guard = guard
        self.seconds = seconds
        self.connections = connections
        self._tls = tls or system_trust()
        self._pools: dict[tuple[str, str, int], httpcore.AsyncConnectionPool] = {}

    async def call(self, request: Request) -> Answer:
        """Ask once.

        Raises:
            CallFailedError: there was no answer; its `handed_over` tells whether the request may have been heard.
        """
        stage = _Stage()
        seconds = request.seconds or self.seconds
        try:
            return await self._ask(target_of(request.url), request, stage)
        except TimeoutError as error:
            raise stage.failure(f"No complete answer within {seconds:g} s.") from error
        except (InvalidProviderUrlError, RefusedUrlError) as error:
            raise CallFailedError(str(error), handed_over=False) from error
        except NOT_ANSWERED as error:
            raise stage.failure(f"{type(error).__name__}: {printable(str(error))[:200]}".rstrip(": ")) from error

    async def close(self) -> None:
        """Hang up."""
        pools = list(self._pools.values())
        self._pools.clear()
        for pool in pools:
            await pool.aclose()

    async def _ask(self, target: Target, request: Request, stage: "_Stage") -> Answer:
        body = request.body or b""
        headers = {
            "host": target.host_header,
            "user-agent": USER_AGENT,
            "accept-encoding": "identity",
            "content-length": str(len(body)),
            **{name.lower(): value for name, value in request.headers.items()},
        }
        if request.body is None:
            del headers["content-length"]
        if any(_CONTROL.search(part) for line in headers.items() for part in line):
            raise CallFailedError("A header of the request holds a control character.", handed_over=False)
        lines = [(name.encode("ascii"), value.encode("utf-8")) for name, value in headers.items()]
        # httpcore closes what it gives up by itself, but not what is cancelled in the middle of a handshake.
        limits = {"connect": (request.seconds or self.seconds) * _CONNECT_SHARE}
        asked = self._pool(target).stream(
            request.method,
            url_of(target),
            headers=lines,
            content=body,
            extensions={"trace": stage.note, "timeout": limits},
        )
        ends = asyncio.get_running_loop().time() + (request.seconds or self.seconds)
        async with AsyncExitStack() as stack:
            async with asyncio.timeout_at(ends):
                answer = await stack.enter_async_context(asked)
            read, is_whole = await _read(answer, ends)
            found = {
                name.decode("latin-1").lower(): _without(value, request.hide).decode("latin-1")
                for name, value in answer.headers
            }
            return Answer(answer.status, found, _without(read, request.hide), is_whole)

    def _pool(self, target: Target) -> httpcore.AsyncConnectionPool:
        origin = (target.scheme, target.host, target.port)
        if origin not in self._pools:
            self._pools[origin] = httpcore.AsyncConnectionPool(
                ssl_context=self._tls,
                network_backend=GuardedNetwork(self._guard, target),
                max_connections=self.connections,
                keepalive_expiry=_IDLE_SECONDS,
            )
        return self._pools[origin]


class _Stage:
    """How far a call has come."""

    def __init__(self) -> None:
        self.handed_over = False

    async def note(self, event: str, _info: Mapping[str, Any]) -> None:
        if event.endswith("send_request_headers.started"):
            self.handed_over = True

    def failure(self, reason: str) -> CallFailedError:
        return CallFailedError(reason, handed_over=self.handed_over)


def target_of(url: str) -> Target:
    """Take a URL apart.

    Raises:
        InvalidProviderUrlError: it is no http address, or names a user or a fragment.
    """
    try:
        target = Target(url)
    except RefusedUrlError as error:
        raise InvalidProviderUrlError(str(error), field="url") from error
    if "#" in url:
        raise InvalidProviderUrlError("The address has no fragment.", field="url")
    return target


def basic(username: str, password: str) -> str:
    """Return the value of `Authorization` for a name and a password (RFC 7617)."""
    return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"


async def _read(answer: httpcore.Response, ends: float) -> tuple[bytes, bool]:
    """Return the body, at most 64 KiB of it, and whether that was all; of one that is cut or late, what had come."""
    found = bytearray()
    try:
        async with asyncio.timeout_at(ends):
            async for chunk in answer.aiter_stream():
                found += chunk
                if len(found) > _MOST_BODY:
                    return bytes(found[:_MOST_BODY]), False
    except NOT_ANSWERED:
        return bytes(found[:_MOST_BODY]), False
    return bytes(found), True


def _without(body: bytes, secrets: Iterable[str]) -> bytes:
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            body = body.replace(secret.encode(), _HIDDEN).replace(quote(secret, safe="").encode(), _HIDDEN)
    return body
