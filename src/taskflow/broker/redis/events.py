"""The event stream `task:completed`: what happened, in order, for live views.

A cursor is `<generation>:<stream id>`. After a flush the generation differs, and after a long absence the stream no
longer reaches back: in both cases the reader is told to look at PostgreSQL again instead of being given a hole.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, cast

import orjson
from redis.asyncio import Redis

from taskflow.broker.keys import Keys
from taskflow.broker.redis.dispatch import EVENT_STREAM_LENGTH

_POSITION = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")


class Event(NamedTuple):
    """One thing that happened. Task events carry task_id and status; others a topic, a type and data."""

    topic: str
    type: str
    data: Mapping[str, Any]


class Cursor(NamedTuple):
    """A place in the stream."""

    generation: str
    position: str

    def __str__(self) -> str:
        return f"{self.generation}:{self.position}"

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Read a cursor that a client brings back; nonsense becomes one that no stream can continue."""
        generation, _, position = text.partition(":")
        head, _, tail = position.partition("-")
        if not _POSITION.fullmatch(position) or max(int(head), int(tail)) >= 2**64:
            return cls("", "0-0")
        return cls(generation, position)


class EventStream:
    """Writes and reads the stream."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        """Take the client and the names."""
        self._redis = redis
        self._keys = keys

    async def publish(self, events: Iterable[Event]) -> None:
        """Append events (not of task ends: `Dispatch.settle` writes those in its own step)."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for topic, kind, data in events:
                fields = {"topic": topic, "type": kind, "data": orjson.dumps(data).decode()}
                pipe.xadd(self._keys.events, cast("Any", fields), maxlen=EVENT_STREAM_LENGTH, approximate=True)
            await pipe.execute()

    async def position(self) -> Cursor | None:
        """Return the cursor of the present end, or None while the dispatch has no generation."""
        generation, last = await self._ends()
        return Cursor(generation, last) if generation else None

    async def continues(self, cursor: Cursor) -> bool:
        """Tell whether everything after `cursor` is still in the stream."""
        generation, _ = await self._ends()
        if not generation or generation != cursor.generation:
            return False
        oldest = await cast("Any", self._redis.xrange(self._keys.events, count=1))
        return not oldest or _order(oldest[0][0]) <= _order(cursor.position) or not await self._trimmed()

    async def read(self, after: str, *, block: float | None = None, count: int = 1000) -> list[tuple[str, Event]]:
        """Return (stream id, event) pairs after stream id `after`, waiting up to `block` seconds for the first."""
        reply = await self._redis.xread(
            {self._keys.events: after}, count=count, block=None if block is None else int(block * 1000)
        )
        entries = reply[0][1] if isinstance(reply, list) and reply else _entries(reply)
        return [(stream_id, _event(fields)) for stream_id, fields in entries]

    async def _ends(self) -> tuple[str, str]:
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.get(self._keys.generation)
            pipe.xrevrange(self._keys.events, count=1)
            generation, last = await pipe.execute()
        return generation or "", last[0][0] if last else "0-0"

    async def _trimmed(self) -> bool:
        """Tell whether anything has ever been cut off the stream's old end."""
        info = await cast("Any", self._redis.xinfo_stream(self._keys.events))
        return str(info.get("max-deleted-entry-id", "0-0")) != "0-0" or info["entries-added"] != info["length"]


def _entries(reply: Any) -> list[tuple[str, dict[str, str]]]:
    """Read XREAD's answer in its RESP3 form, a map."""
    return [entry for stream in (reply or {}).values() for part in stream for entry in part]


def _order(stream_id: str) -> tuple[int, int]:
    head, _, tail = stream_id.partition("-")
    return int(head), int(tail or 0)


def _event(fields: Mapping[str, str]) -> Event:
    if "task_id" in fields:
        return Event("task", "task.status", {"task_id": fields["task_id"], "status": fields["status"]})
    return Event(fields["topic"], fields["type"], orjson.loads(fields["data"]))
