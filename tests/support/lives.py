"""Lives of the dispatch, as the relay publishes them; without the relay."""

from redis.asyncio import Redis

from taskflow.broker.keys import Keys
from taskflow.broker.redis.broker import RedisBroker
from taskflow.broker.redis.generation import run_id


async def publish_generation(broker: RedisBroker, name: str = "test") -> None:
    """Open the dispatch for claims under a name that PostgreSQL need not know."""
    await open_generation(broker.redis, broker.keys, name)


async def open_generation(redis: Redis, keys: Keys, name: str) -> None:
    """Do the same with the parts of a broker."""
    seconds, micros = await redis.time()
    opened = int(seconds * 1000 + micros / 1000)
    await redis.mset({keys.generation: name, keys.server: await run_id(redis), keys.opened: opened})
