"""Names each request, and finds out where it comes from.

The id of a caller is kept when it looks like one, so that a proxy's logs and ours can be joined. The address is the
peer's unless the peer is a trusted proxy; then `X-Forwarded-For` is read from its right end up to the first address
that no trusted proxy has, because everything left of that was written by the caller.
"""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taskflow.base.ids import uuid7

_SAFE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_UNKNOWN = "127.0.0.1"  # a Unix socket has no peer address


class RequestIdMiddleware:
    """Sets `state.request_id`, `state.address` and `state.principal` (None), and the header `X-Request-ID`."""

    def __init__(self, app: ASGIApp, trusted_proxies: Sequence[IPv4Network | IPv6Network] = ()) -> None:
        """Believe forwarded addresses from `trusted_proxies` only."""
        self.app = app
        self._trusted = tuple(trusted_proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Name the request and hand it on."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _SAFE_ID.fullmatch(given) else str(uuid7())
        peer = scope["client"][0] if scope.get("client") else _UNKNOWN
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        state["principal"] = None
        state["address"] = self._address(peer, headers)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        await self.app(scope, receive, send_named)

    def _address(self, peer: str, headers: Headers) -> str:
        address = _parse(peer)
        if address is None:
            return _UNKNOWN
        if not self._trusted or not self._trusts(address):
            return str(address)
        hops = [hop.strip() for line in headers.getlist("x-forwarded-for") for hop in line.split(",")]
        for hop in reversed(hops):
            found = _parse(hop)
            if found is None:
                break  # not an address: believe nothing further left
            address = found
            if not self._trusts(found):
                break
        return str(address)

    def _trusts(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address.version == network.version and address in network for network in self._trusted)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
