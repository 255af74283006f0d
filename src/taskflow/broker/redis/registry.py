"""Workers as Redis sees them: the registry, beats, commands; and long-running tasks.

The rows in `workers` and `tasks` are the truth. These keys are quick to read and go away by themselves.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, cast
from uuid import UUID

from redis.asyncio import Redis

from taskflow.broker.keys import Keys

_WORKER_TTL = 60
_TASK_META_TTL = 60


class WorkerRegistry:
    """Beats and commands of worker nodes."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        """Take the client and the names."""
        self._redis = redis
        self._keys = keys

    async def beat(self, worker_id: UUID, fields: Mapping[str, str | int]) -> None:
        """Write a node's hash (hostname, status, current_load, capacity, last_heartbeat) and register it."""
        key = self._keys.worker(worker_id)
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hset(key, mapping=cast("Any", dict(fields)))
            pipe.expire(key, _WORKER_TTL)
            pipe.sadd(self._keys.worker_registry, str(worker_id))
            await pipe.execute()

    async def forget(self, worker_id: UUID) -> None:
        """Take a node out: it has stopped or is dead."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.delete(self._keys.worker(worker_id))
            pipe.srem(self._keys.worker_registry, str(worker_id))
            await pipe.execute()

    async def live(self) -> set[str]:
        """Return the ids in the registry."""
        return set(await cast("Any", self._redis.smembers(self._keys.worker_registry)))

    async def command(self, worker_id: UUID, verb: str) -> None:
        """Tell a node to look at its row now (`pause`, `resume`, `drain`, `shutdown`, or `cancel:<task id>`)."""
        await self._redis.publish(self._keys.worker_commands(worker_id), verb)

    async def commands(self, worker_id: UUID) -> AsyncIterator[str]:
        """Yield the commands for a node as they come; ends with an error when the connection does."""
        async with self._redis.pubsub(ignore_subscribe_messages=True) as pubsub:
            await pubsub.subscribe(self._keys.worker_commands(worker_id))
            while True:
                message = await pubsub.get_message(timeout=5)
                if message is not None:
                    yield str(message["data"])

    async def note_running(self, tasks: Mapping[UUID, Mapping[str, str | int]]) -> None:
        """Write `task:meta` of tasks that have been running for a while."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for task_id, fields in tasks.items():
                key = self._keys.task_meta(task_id)
                pipe.hset(key, mapping=cast("Any", dict(fields)))
                pipe.expire(key, _TASK_META_TTL)
            await pipe.execute()
