"""What a queue or a dispatch key may do: paused or not, limited or not; and a look at its line."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from redis.asyncio import Redis

from taskflow.broker.keys import Keys
from taskflow.broker.limits import Limit, subject_of
from taskflow.broker.redis.scripts import script


class Control:
    """Steers the dispatch."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        """Take the client and the names."""
        self._redis = redis
        self._keys = keys
        self._control = script(redis, "control")

    async def pause(self, dispatch_key: str) -> None:
        """Hand out nothing more of a key; of a queue: of all its keys."""
        await self._control(args=[self._keys.prefix, "pause", dispatch_key, ""])

    async def resume(self, dispatch_key: str) -> None:
        """Hand out a key or a queue again."""
        await self._control(args=[self._keys.prefix, "resume", dispatch_key, ""])

    async def clear(self, dispatch_key: str) -> None:
        """Forget the waiting ids of one key. Those in flight settle as usual."""
        await self._control(args=[self._keys.prefix, "clear", dispatch_key, ""])

    async def drop(self, dispatch_key: str) -> None:
        """Forget a key: its waiting ids, its pause, and the limit of its part."""
        await self._control(args=[self._keys.prefix, "drop", dispatch_key, ""])

    async def set_limit(self, dispatch_key: str, limit: Limit) -> None:
        """Limit a queue, or that part of queues which a dispatch key names; an empty limit lifts it."""
        await self.set_limits({subject_of(dispatch_key): limit})

    async def set_limits(self, limits: Mapping[str, Limit]) -> None:
        """Limit subjects."""
        for subject, limit in limits.items():
            await self._control(args=[self._keys.prefix, "limit", subject, limit.pack()])

    async def limits(self) -> dict[str, Limit]:
        """Return every limit by its subject."""
        packed = await cast("Any", self._redis.hgetall(self._keys.limits))
        return {subject: Limit.unpack(text) for subject, text in packed.items()}

    async def paused(self) -> set[str]:
        """Return the queues and keys that are paused."""
        return set(await cast("Any", self._redis.smembers(self._keys.paused)))

    async def held(self, subjects: Sequence[str]) -> list[int]:
        """Return how many ids of each subject are handed out."""
        if not subjects:
            return []
        counts = await cast("Any", self._redis.hmget(self._keys.held, list(subjects)))
        return [int(count or 0) for count in counts]

    async def peek(self, dispatch_key: str, count: int) -> list[str]:
        """Return the next ids of a key's line, without taking them."""
        return cast("list[str]", await self._redis.zrange(self._keys.queue(dispatch_key), 0, count - 1))

    async def remove(self, dispatch_key: str, task_ids: Sequence[str]) -> int:
        """Take ids out of a key's line that need not be handed out any more; return how many stood there."""
        return int(await cast("Any", self._redis.zrem(self._keys.queue(dispatch_key), *task_ids))) if task_ids else 0
