"""Upkeep of the dispatch: what only the coordinator does. Lives of the dispatch, ends of windows, lists of keys.

A life has a name, the generation, and remembers which server it was built on. A flush takes the name away. A server
that was killed may come back with an old snapshot, name and all, but under another run id. Either way the content is
no longer what PostgreSQL says, and the relay builds a new life: `begin`, the windows, then `publish`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from redis.asyncio import Redis

from taskflow.broker.keys import Keys
from taskflow.broker.redis.dispatch import PRIORITY_SPAN, Place

_SCRIPT = Path(__file__).with_name("generation.lua")
_SCAN_COUNT = 1000


class Upkeep:
    """The coordinator's side of the dispatch."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        """Take the client and the names."""
        self._redis = redis
        self._keys = keys
        self._script: Any = redis.register_script(_SCRIPT.read_text(encoding="utf-8"))

    async def is_intact(self) -> bool:
        """Tell whether the dispatch is open, and built on the server that now answers."""
        generation, server = await self._redis.mget(self._keys.generation, self._keys.server)
        return generation is not None and server == await self._run_id()

    async def begin(self, name: str) -> None:
        """Close the dispatch and empty it. Ids pushed from here on stay: whoever pushes has committed before."""
        await self._script(args=[self._keys.prefix, "begin", name])
        for pattern in (self._keys.queue("*"), self._keys.running("*")):
            keys = await self._scan(pattern)
            for start in range(0, len(keys), _SCAN_COUNT):
                await self._redis.unlink(*keys[start : start + _SCAN_COUNT])

    async def publish(self, name: str) -> bool:
        """Open the dispatch as generation `name`; False when what `begin` made is gone: then start over."""
        return bool(await self._script(args=[self._keys.prefix, "publish", name, await self._run_id()]))

    async def window_end(self, dispatch_key: str) -> Place | None:
        """Return the last place in a key's window, None when it is empty."""
        last = cast("Any", await self._redis.zrange(self._keys.queue(dispatch_key), -1, -1, withscores=True))
        return Place(10 - int(last[0][1]) // PRIORITY_SPAN, last[0][0]) if last else None

    async def mark_overflowing(self, dispatch_keys: Sequence[str]) -> None:
        """Say that the backlogs of keys may be longer than their windows: only a refill appends to them now."""
        if dispatch_keys:
            await cast("Any", self._redis.sadd(self._keys.overflow, *dispatch_keys))

    async def cut_behind(self, dispatch_key: str, place: Place) -> None:
        """Leave to PostgreSQL what came into a window behind `place`, before the key was marked as overflowing."""
        rank = await self._redis.zrank(self._keys.queue(dispatch_key), place.task_id)
        if rank is not None:
            await self._redis.zremrangebyrank(self._keys.queue(dispatch_key), cast("int", rank) + 1, -1)

    async def head(self, dispatch_key: str, count: int) -> list[str]:
        """Return the first ids of a key's window."""
        return cast("list[str]", await self._redis.zrange(self._keys.queue(dispatch_key), 0, count - 1))

    async def waits(self, dispatch_key: str, task_ids: Sequence[str]) -> list[bool]:
        """Tell for each id whether it is in a key's window."""
        scores = await self._redis.zmscore(self._keys.queue(dispatch_key), list(task_ids))
        return [score is not None for score in cast("Any", scores)]

    async def queue_keys(self) -> list[str]:
        """Return the dispatch keys that have ids waiting."""
        return self._names(await self._scan(self._keys.queue("*")), self._keys.queue(""))

    async def running_keys(self) -> list[str]:
        """Return the dispatch keys that have ids handed out."""
        return self._names(await self._scan(self._keys.running("*")), self._keys.running(""))

    async def rules(self, dispatch_keys: Sequence[str]) -> list[tuple[bool, int | None]]:
        """Return (paused, dispatches per minute or None) for each key."""
        if not dispatch_keys:
            return []
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.smismember(self._keys.paused, list(dispatch_keys))
            pipe.hmget(self._keys.rates, list(dispatch_keys))
            paused, rates = await pipe.execute()
        return [(bool(p), None if r is None else int(r)) for p, r in zip(paused, rates, strict=True)]

    async def _run_id(self) -> str:
        return str((await self._redis.info("server")).get("run_id", ""))

    async def _scan(self, pattern: str) -> list[str]:
        return [key async for key in self._redis.scan_iter(pattern, count=_SCAN_COUNT)]

    @staticmethod
    def _names(keys: list[str], prefix: str) -> list[str]:
        return sorted({key.removeprefix(prefix) for key in keys})
