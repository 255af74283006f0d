"""`RedisBroker`: the parts that speak to Redis, over two clients.

Commands that may block (BLPOP, XREAD, pub/sub) have a client of their own, so that a short timeout guards every
other command and a waiting one never holds up the rest.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import UUID

from redis.asyncio import BlockingConnectionPool, Redis

from taskflow.base.errors import ConfigurationError
from taskflow.broker.keys import Keys
from taskflow.broker.redis.dispatch import Dispatch
from taskflow.broker.redis.events import EventStream
from taskflow.broker.redis.registry import WorkerRegistry
from taskflow.broker.redis.survey import Survey
from taskflow.broker.redis.upkeep import Upkeep
from taskflow.settings.redis import RedisSettings

_BLOCKING_TIMEOUT = 30.0  # above the longest block that anything asks for


class RedisBroker:
    """Dispatch, events, worker registry, campaign progress and wake-ups of one process."""

    def __init__(self, redis: Redis, blocking: Redis, keys: Keys, *, window: int = 50_000) -> None:
        """Build the parts over an ordinary and a blocking client."""
        self.redis = redis
        self.keys = keys
        self.dispatch = Dispatch(redis, keys, window=window)
        self.upkeep = Upkeep(redis, keys)
        self.survey = Survey(redis, keys)
        self.waiting = Dispatch(blocking, keys, window=window)
        self.events = EventStream(redis, keys)
        self.listening = EventStream(blocking, keys)
        self.workers = WorkerRegistry(redis, keys)
        self.worker_commands = WorkerRegistry(blocking, keys)
        self._blocking = blocking

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: RedisSettings, *, window: int = 50_000) -> AsyncIterator["RedisBroker"]:
        """Make the clients (they connect with the first command) and close them at the end.

        Raises:
            ConfigurationError: no URL is set.
        """
        if settings.url is None:
            raise ConfigurationError("No Redis: set TASKFLOW_REDIS_URL, or run `taskflow up`.")
        url = settings.url.get_secret_value()
        common: dict[str, Any] = {"decode_responses": True, "protocol": 2}
        pool = BlockingConnectionPool.from_url(  # a burst waits for a connection; the plain pool would refuse it
            url,
            max_connections=settings.pool_size,
            timeout=settings.timeout,
            socket_timeout=settings.timeout,
            socket_connect_timeout=settings.timeout,
            **common,
        )
        redis = Redis.from_pool(pool)
        blocking = Redis.from_url(
            url, socket_timeout=_BLOCKING_TIMEOUT, socket_connect_timeout=settings.timeout, **common
        )
        try:
            yield cls(redis, blocking, Keys(settings.key_prefix), window=window)
        finally:
            await blocking.aclose()
            await redis.aclose()

    async def wake_coordinator(self, duty: str) -> None:
        """Tell the coordinator that a duty has something to do now; it would find out by itself a little later."""
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.lpush(self.keys.coordinator_wake, duty)
            pipe.ltrim(self.keys.coordinator_wake, 0, 99)
            await pipe.execute()

    async def coordinator_call(self, timeout: float) -> str | None:  # noqa: ASYNC109 - BRPOP's own
        """Wait up to `timeout` seconds for a duty's name."""
        reply = await cast("Any", self._blocking.brpop([self.keys.coordinator_wake], timeout=timeout))
        return reply[1] if reply else None

    async def write_progress(self, campaign_id: UUID, sums: dict[str, int]) -> None:
        """Write a campaign's absolute sums."""
        await cast("Any", self.redis.hset(self.keys.campaign_progress(campaign_id), mapping=cast("Any", sums)))

    async def read_progress(self, campaign_id: UUID) -> dict[str, int]:
        """Read a campaign's sums; empty when Redis has none."""
        raw = await cast("Any", self.redis.hgetall(self.keys.campaign_progress(campaign_id)))
        return {key: int(value) for key, value in raw.items()}
