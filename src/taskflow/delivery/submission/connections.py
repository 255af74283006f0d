"""Who is connected to the relay: so many in all, and so many from one address."""

from asyncio import BaseProtocol
from collections import Counter
from collections.abc import Iterator
from typing import Any

from taskflow.base.networks import subscriber


class Connections:
    """The open connections of a process; an IPv6 address counts as its /64."""

    def __init__(self, most: int, most_per_address: int) -> None:
        """Start with none."""
        self._most = most
        self._most_per_address = most_per_address
        self._open: dict[BaseProtocol, str] = {}
        self._by_address: Counter[str] = Counter()

    def enter(self, connection: BaseProtocol, peer: Any) -> bool:
        """Note a connection, `peer` as the transport names it; tell whether it may stay. It leaves in either case."""
        address = subscriber(peer[0].partition("%")[0]) if peer else ""
        has_room = len(self._open) < self._most and self._by_address[address] < self._most_per_address
        self._open[connection] = address
        self._by_address[address] += 1
        return has_room

    def leave(self, connection: BaseProtocol) -> None:
        """Forget a connection that is gone."""
        address = self._open.pop(connection, None)
        if address is not None:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

    def __iter__(self) -> Iterator[Any]:
        """Yield those that are open now."""
        return iter(list(self._open))
