"""One attempt: a POST to an address that the guard has passed. Nothing of the answer is kept but its status.

The connection goes to the address, while certificate, SNI and Host are those of the name. Redirects are not followed,
the body of the answer is not read (so neither its size nor its compression matters), and the attempt as a whole has a
time limit.
"""

import asyncio
import ssl
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple

import httpcore

from taskflow import __version__
from taskflow.engine.webhooks.addresses import AddressGuard, InvalidWebhookUrlError, Target

_MOST_SECONDS = 86_400.0


class Answer(NamedTuple):
    """What came of an attempt: the status when somebody answered, and why it failed when it did.

    Attributes:
        after: seconds that the receiver asks to wait.
        is_gone: the receiver wants nothing more, ever (410).
    """

    status: int | None
    error: str | None
    after: float | None = None
    is_gone: bool = False


class PinnedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to addresses that were looked up before, whatever name is asked for."""

    def __init__(self, addresses: Iterable[str]) -> None:
        self._addresses = list(addresses)
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,  # noqa: ARG002 - httpcore's signature; the addresses stand for it
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        for address in self._addresses[:-1]:
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore.ConnectError:
                continue
        return await self._network.connect_tcp(self._addresses[-1], port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)


@cache
def system_trust() -> ssl.SSLContext:
    """Return what trusts the system's authorities; reading them takes 30 ms, so a process does it once."""
    return ssl.create_default_context()


class Sender:
    """Posts messages."""

    def __init__(self, guard: AddressGuard, seconds: float, *, tls: ssl.SSLContext | None = None) -> None:
        """`seconds`: of an attempt as a whole; `tls`: whom to trust, the system's authorities by default."""
        self._guard = guard
        self._seconds = seconds
        self._tls = tls or system_trust()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a message once."""
        try:
            async with asyncio.timeout(self._seconds):
                target = Target(url)
                return await self._post(target, await self._guard.find(target), headers, body)
        except TimeoutError:
            return Answer(None, f"No answer within {self._seconds:g} s.")
        except InvalidWebhookUrlError as error:
            return Answer(None, str(error))
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError) as error:
            return Answer(None, f"{type(error).__name__}: {str(error)[:200]}")

    async def _post(self, target: Target, addresses: list[str], headers: Mapping[str, str], body: bytes) -> Answer:
        sent = {
            "host": target.host_header,
            "content-type": "application/json",
            "content-length": str(len(body)),
            "user-agent": f"TaskFlow/{__version__}",
            "accept-encoding": "identity",
            "connection": "close",
            **headers,
        }
        url = httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
        network = PinnedNetwork(addresses)
        async with (
            httpcore.AsyncConnectionPool(ssl_context=self._tls, network_backend=network, max_connections=1) as pool,
            pool.stream("POST", url, headers=list(sent.items()), content=body) as answer,
        ):
            return judge(answer.status, dict(answer.headers).get(b"retry-after"))


def judge(status: int, retry_after: bytes | None = None) -> Answer:
    """Return what a status means."""
    if 200 <= status < 300:
        return Answer(status, None)
    if 300 <= status < 400:
        return Answer(status, f"It answered {status}: redirects are not followed.")
    after = min(float(retry_after), _MOST_SECONDS) if retry_after is not None and retry_after.isdigit() else None
    return Answer(status, f"It answered {status}.", after, is_gone=status == 410)
