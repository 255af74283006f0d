"""A look at queues from above: what waits, since when, what is under way, how fast it goes."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from redis.asyncio import Redis

from taskflow.broker.keys import Keys
from taskflow.broker.limits import queue_subject
from taskflow.broker.redis.scripts import script

_AT_ONCE = 100  # a script holds up everybody else


@dataclass(slots=True)
class QueueLook:
    """A queue as Redis sees it.

    Attributes:
        waiting: ids in line; when `is_window`, more wait in PostgreSQL.
        oldest_seconds: age of the oldest of them; None when nothing waits.
        running: ids handed out to workers.
        per_minute: ends of the last minute.
    """

    waiting: int = 0
    is_window: bool = False
    oldest_seconds: float | None = None
    running: int = 0
    per_minute: float = 0.0


class Survey:
    """Looks at queues."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        """Take the client and the names."""
        self._redis = redis
        self._keys = keys
        self._script = script(redis, "survey")

    async def look(self, queues: Sequence[str], dispatch_keys: Iterable[str]) -> dict[str, QueueLook]:
        """Return each queue as it is now; `dispatch_keys` are all that may have something in line."""
        seconds, micros = await self._redis.time()
        now = seconds + micros / 1e6
        minute = int(now // 60)
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.smembers(self._keys.overflow)
            for queue in queues:
                pipe.hget(self._keys.held, queue_subject(queue))
                pipe.mget(self._keys.ended(queue, minute), self._keys.ended(queue, minute - 1))
            overflowing, *answers = await pipe.execute()
        looks: defaultdict[str, QueueLook] = defaultdict(QueueLook)
        for queue, held, (this, last) in zip(queues, answers[::2], answers[1::2], strict=True):
            looks[queue].running = int(held or 0)
            looks[queue].per_minute = int(this or 0) + int(last or 0) * (1 - now / 60 % 1)
        wanted = set(queues)
        keys = [key for key in dispatch_keys if key.partition("/")[0] in wanted]
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            found = await self._script(args=[self._keys.prefix, *some])
            for key, waiting, birth in zip(some, found[::2], found[1::2], strict=True):
                look = looks[key.partition("/")[0]]
                look.waiting += int(waiting)
                look.is_window |= key in overflowing
                if int(birth) >= 0:
                    look.oldest_seconds = max(look.oldest_seconds or 0.0, now - int(birth) / 1000)
        return dict(looks)
