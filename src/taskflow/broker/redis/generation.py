"""Lives of the dispatch: each has a name, and remembers which server it was built on.

A flush takes the name away. A server that was killed may come back with an old snapshot, name and all, but under
another run id. Either way the content is no longer what PostgreSQL says, and the relay builds a new life.
"""

from redis.asyncio import Redis

from taskflow.broker.keys import Keys


async def run_id(redis: Redis) -> str:
    """Return the id of the server's present run."""
    return str((await redis.info("server")).get("run_id", ""))


async def is_intact(redis: Redis, keys: Keys) -> bool:
    """Tell whether the dispatch is open, and built on the server that now answers."""
    generation, server = await redis.mget(keys.generation, keys.server)
    return generation is not None and server == await run_id(redis)
