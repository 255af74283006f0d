"""HTTP to hosts that somebody else named: connections go only to addresses that the guard has passed.

A name is looked up for each connection and never again on it; certificate, SNI and Host are those of the name.
"""

import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import httpcore

from taskflow import __version__
from taskflow.base.outbound import AddressGuard, Target

USER_AGENT = f"TaskFlow/{__version__}"
NOT_ANSWERED = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError)


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Looks a host up for each connection, and connects to the first of its addresses that answers.

    A host that may not be reached ends the request with `RefusedUrlError`.
    """

    def __init__(self, guard: AddressGuard, target: Target) -> None:
        """Connect to the host of `target`, whatever name is asked for."""
        self._guard, self._target = guard, target
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,  # noqa: ARG002 - httpcore's signature; its addresses stand for it
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect."""
        *others, last = await self._guard.find(self._target)
        for address in others:
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore.ConnectError:
                continue
        return await self._network.connect_tcp(last, port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._network.sleep(seconds)


def url_of(target: Target) -> httpcore.URL:
    """Return a target as httpcore takes it."""
    return httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)


@cache
def system_trust() -> ssl.SSLContext:
    """Return what trusts the system's authorities; reading them takes 30 ms, so a process does it once."""
    return ssl.create_default_context()


@asynccontextmanager
async def ask_once(
    guard: AddressGuard,
    method: str,
    target: Target,
    headers: Mapping[str, str],
    body: bytes | None = None,
    *,
    tls: ssl.SSLContext,
) -> AsyncIterator[httpcore.Response]:
    """Ask on a connection of its own; the body of the answer is not read, and redirects are not followed.

    Raises:
        RefusedUrlError: the target may not be reached.
        NOT_ANSWERED: nobody answered there.
    """
    lines = {"host": target.host_header, "user-agent": USER_AGENT, "connection": "close", **headers}
    network = GuardedNetwork(guard, target)
    async with (
        httpcore.AsyncConnectionPool(ssl_context=tls, network_backend=network, max_connections=1) as pool,
        pool.stream(method, url_of(target), headers=list(lines.items()), content=body) as answer,
    ):
        yield answer
