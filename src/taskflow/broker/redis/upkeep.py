"""Upkeep of the dispatch: what only the coordinator does. Lives of the dispatch, ends of windows, lists of keys.

The relay builds a new life (`generation.py`) in steps: `begin`, `hold` what runs, the windows, then `publish`. Between
the first and the last nobody but it hands out ids, so what it counts as handed out stays true.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from redis.asyncio import Redis

from taskflow.broker.keys import Keys
from taskflow.broker.redis.dispatch import PRIORITY_SPAN, Place
from taskflow.broker.redis.generation import is_intact, run_id
from taskflow.broker.redis.scripts import script

_SCAN_COUNT = 1000


class Upkeep:
    """The coordinator's side of the dispatch."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        """Take the client and the names."""
        self._redis = redis
        self._keys = keys
        self._script = script(redis, "generation")

    async def is_intact(self) -> bool:
        """Tell whether the dispatch is open, and built on the server that now answers."""
        return await is_intact(self._redis, self._keys)

    async def begin(self, name: str) -> None:
        """Close the dispatch and empty it. Ids pushed from here on stay: whoever pushes has committed before."""
        await self._script(args=[self._keys.prefix, "begin", name])
        lines = (self._keys.queue, self._keys.running, self._keys.ready_keys, self._keys.parked_keys, self._keys.tokens)
        for pattern in (line("*") for line in lines):
            keys = await self._scan(pattern)
            for start in range(0, len(keys), _SCAN_COUNT):
                await self._redis.unlink(*keys[start : start + _SCAN_COUNT])
        await self._script(args=[self._keys.prefix, "emptied", name])

    async def hold(self, name: str, running: Mapping[str, Sequence[str]], lease: float) -> bool:
        """Count ids as handed out, by dispatch key, for `lease` seconds; False when what `begin` made is gone."""
        arguments: list[Any] = [self._keys.prefix, "hold", name, int(lease * 1000)]
        for key, task_ids in running.items():
            arguments += (key, " ".join(task_ids))
        return bool(await self._script(args=arguments))

    async def publish(self, name: str) -> bool:
        """Open the dispatch as generation `name`; False when what `begin` made is gone: then start over."""
        return bool(await self._script(args=[self._keys.prefix, "publish", name, await run_id(self._redis)]))

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

    async def _scan(self, pattern: str) -> list[str]:
        return [key async for key in self._redis.scan_iter(pattern, count=_SCAN_COUNT)]

    @staticmethod
    def _names(keys: list[str], prefix: str) -> list[str]:
        return sorted({key.removeprefix(prefix) for key in keys})
