"""Who is connected to the relay: so many in all, and so many from one address.

Some of them wait for a commit. At the end those hear what became of their mail before they are hung up: who does not
hear sends it again.
"""

import asyncio
from asyncio import BaseProtocol
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from taskflow.base.networks import subscriber
from taskflow.delivery.submission.metrics import CONNECTIONS


def address_of(peer: Any) -> str | None:
    """Return the address of a peer as the transport names it, without the zone of a link-local one."""
    return str(peer[0]).partition("%")[0] or None if peer else None


class Connections:
    """The open connections of a process; an IPv6 address counts as its /64."""

    def __init__(self, most: int, most_per_address: int) -> None:
        """Start with none."""
        self._most = most
        self._most_per_address = most_per_address
        self._open: dict[BaseProtocol, str] = {}
        self._by_address: Counter[str] = Counter()
        self._waiting: set[BaseProtocol] = set()
        self._nobody_waits = asyncio.Event()
        self._nobody_waits.set()
        self.is_closing = False

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, connection: BaseProtocol, peer: Any) -> bool:
        """Note a connection, `peer` as the transport names it; tell whether it may stay. It leaves in either case."""
        address = subscriber(address_of(peer) or "::")
        has_room = len(self._open) < self._most and self._by_address[address] < self._most_per_address
        self._open[connection] = address
        CONNECTIONS.inc()
        self._by_address[address] += 1
        return has_room

    def leave(self, connection: BaseProtocol) -> None:
        """Forget a connection that is gone."""
        self.answered(connection)
        address = self._open.pop(connection, None)
        if address is not None:
            CONNECTIONS.dec()
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

    def waits(self, connection: BaseProtocol) -> None:
        """Note that a connection's mail is being committed."""
        self._waiting.add(connection)
        self._nobody_waits.clear()

    def answered(self, connection: BaseProtocol) -> None:
        """Note that it is, or is not, and that its client was told."""
        self._waiting.discard(connection)
        if not self._waiting:
            self._nobody_waits.set()

    async def close(self, hang_up: Callable[[Any], None], seconds: float) -> None:
        """Hang up on those that wait for nothing, and after some seconds on all."""
        self.is_closing = True
        for connection in self._open.keys() - self._waiting:
            hang_up(connection)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._nobody_waits.wait()
        for connection in list(self._open):
            hang_up(connection)
        await asyncio.sleep(0)  # their tasks end with the transports
