"""The hub: reads the event stream once for the whole process and hands batches to its subscriptions.

The reader waits for an event, lets others gather for about 50 ms, and hands the batch on; each subscription has a
bounded queue. A slow client does not slow the reader: what it cannot take is dropped and it is told to `resync`,
which means: your cursor cannot be continued, look at the REST API again and go on from here.

The same word is used when the stream itself cannot be continued: another generation (Redis was flushed), or an end
that lies before what was read already (Redis came back from an older snapshot).
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from redis.exceptions import RedisError

from taskflow.api.websocket.topics import topics_of
from taskflow.base.ending import end_tasks
from taskflow.base.errors import RateLimitedError
from taskflow.base.logging import get_logger
from taskflow.broker.redis.broker import RedisBroker
from taskflow.broker.redis.events import Cursor, Event

log = get_logger(__name__)

GATHER_SECONDS = 0.05
DEAF_SECONDS = 10.0
_BLOCK_SECONDS = 2.0
_RETRY_SECONDS = 0.25
_MOST_PER_READ = 1_000  # keeps a message far below the megabyte that clients take
_MOST_QUEUED = 20_000  # events a socket may be behind

MOST_SOCKETS = 50  # of one user in one process; each asks for its owner's rights and may replay the stream

NOWHERE = Cursor("", "0-0")


class TooManySocketsError(RateLimitedError):
    """You have too many sockets open: close one."""

    code = "too_many_sockets"


@dataclass(frozen=True, slots=True)
class Entry:
    """An event with its place and its topics."""

    position: str
    event: Event
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """Events that were read together, and the cursor after the last."""

    cursor: Cursor
    entries: tuple[Entry, ...]

    def chosen(self, topics: frozenset[str]) -> Iterator[tuple[Cursor, dict[str, Any]]]:
        """Yield the events of `topics` as they go over the wire, each with its cursor and the narrowest topic."""
        for entry in self.entries:
            topic = next((name for name in entry.topics if name in topics), None)
            if topic is not None:
                event = {"topic": topic, "type": entry.event.type, "data": entry.event.data}
                yield Cursor(self.cursor.generation, entry.position), event

    def payload(self, topics: frozenset[str]) -> list[dict[str, Any]]:
        """Return the events of `topics`."""
        return [event for _, event in self.chosen(topics)]


@dataclass(slots=True, eq=False)
class Subscription:
    """One socket's queue."""

    start: Cursor
    batches: deque[Batch] = field(default_factory=deque)
    queued: int = 0
    must_resync: bool = False
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, batch: Batch) -> None:
        """Queue a batch, or give up when the socket is too far behind."""
        self.queued += len(batch.entries)
        if self.queued > _MOST_QUEUED:
            self.resync()
        else:
            self.batches.append(batch)
            self.wake.set()

    def resync(self) -> None:
        """Drop what is queued; the socket has to look at the whole again."""
        self.batches.clear()
        self.queued = 0
        self.must_resync = True
        self.wake.set()

    def take(self) -> Batch | None:
        """Return the next batch."""
        if not self.batches:
            return None
        batch = self.batches.popleft()
        self.queued -= len(batch.entries)
        return batch


class EventHub:
    """Reads the stream and feeds subscriptions."""

    def __init__(self, broker: RedisBroker) -> None:
        """Take the broker; `running` starts the reader."""
        self._broker = broker
        self._subscriptions: set[Subscription] = set()
        self._sockets: Counter[UUID] = Counter()
        self._heard_at = time.monotonic()
        self._moved_at = time.monotonic()
        self.cursor = NOWHERE

    @classmethod
    @asynccontextmanager
    async def running(cls, broker: RedisBroker) -> AsyncIterator["EventHub"]:
        """Run the reader as long as the context lasts."""
        hub = cls(broker)
        reader = asyncio.create_task(hub._read_for_ever(), name="event-hub")
        try:
            yield hub
        finally:
            await end_tasks([reader])

    @property
    def is_deaf(self) -> bool:
        """Tell whether the reader has not heard from Redis for a while, or has died."""
        return time.monotonic() - self._heard_at > DEAF_SECONDS

    @property
    def quiet_seconds(self) -> float:
        """How long ago the stream last brought something, or began anew: nothing has happened since."""
        return time.monotonic() - self._moved_at

    @contextmanager
    def seat(self, user_id: UUID) -> Iterator[None]:
        """Count a socket of a user as long as the context lasts.

        Raises:
            TooManySocketsError: they have as many as they may.
        """
        if self._sockets[user_id] >= MOST_SOCKETS:
            raise TooManySocketsError(f"At most {MOST_SOCKETS} sockets a user.", retry_after=60)
        self._sockets[user_id] += 1
        try:
            yield
        finally:
            self._sockets[user_id] -= 1
            if not self._sockets[user_id]:
                del self._sockets[user_id]

    @asynccontextmanager
    async def subscription(self) -> AsyncIterator[Subscription]:
        """Feed a subscription from now on, as long as the context lasts."""
        subscription = Subscription(self.cursor)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    async def replay(self, after: Cursor, until: Cursor) -> AsyncIterator[Batch]:
        """Yield what lies between two cursors of one generation."""
        position = after.position
        while order(position) < order(until.position):
            found = await self._broker.events.read(position, count=_MOST_PER_READ)
            wanted = [item for item in found if order(item[0]) <= order(until.position)]
            if not wanted:
                return
            position = wanted[-1][0]
            yield _batch(Cursor(until.generation, position), wanted)

    async def can_continue(self, cursor: Cursor, until: Cursor) -> bool:
        """Tell whether nothing is missing between a client's cursor and `until`."""
        return (
            cursor.generation == until.generation != ""
            and order(cursor.position) <= order(until.position)
            and await self._broker.events.continues(cursor)
        )

    async def _read_for_ever(self) -> None:
        while True:
            try:
                await self._read_once()
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("event_stream_away", why=type(error).__name__)
                await asyncio.sleep(_RETRY_SECONDS)
            except Exception:
                log.exception("event_batch_failed")
                await asyncio.sleep(_RETRY_SECONDS)

    async def _read_once(self) -> None:
        present = await self._broker.events.position()
        self._heard_at = time.monotonic()
        if present is None:  # the dispatch is being rebuilt; its new generation ends every cursor
            await asyncio.sleep(_RETRY_SECONDS)
            return
        if present.generation != self.cursor.generation or order(present.position) < order(self.cursor.position):
            self.cursor = present
            self._moved_at = time.monotonic()
            for subscription in self._subscriptions:
                subscription.resync()
        found = await self._broker.listening.read(self.cursor.position, block=_BLOCK_SECONDS, count=_MOST_PER_READ)
        if not found:
            return
        batch = _batch(Cursor(self.cursor.generation, found[-1][0]), found)
        self.cursor = batch.cursor
        self._moved_at = time.monotonic()
        for subscription in self._subscriptions:
            subscription.put(batch)
        if len(found) < _MOST_PER_READ:
            await asyncio.sleep(GATHER_SECONDS)


def order(position: str) -> tuple[int, int]:
    """Return what stream ids sort by."""
    head, _, tail = position.partition("-")
    return int(head), int(tail or 0)


def _batch(cursor: Cursor, found: list[tuple[str, Event]]) -> Batch:
    return Batch(cursor, tuple(Entry(position, event, topics_of(event)) for position, event in found))
