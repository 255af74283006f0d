"""The router's Lua scripts: each begins with `breaker.lua` and `budgets.lua`, which know where everything stands."""

from pathlib import Path
from typing import Any

import orjson
from redis.asyncio import Redis

from taskflow.broker.redis.dispatch import EVENT_STREAM_LENGTH

_FOLDER = Path(__file__).parent
_PARTS = ("breaker", "budgets")


class Script:
    """One script: a request as JSON, an answer as JSON."""

    def __init__(self, redis: Redis, name: str, prefix: str) -> None:
        """Register the script; it reaches the server with its first call."""
        texts = ((_FOLDER / f"{part}.lua").read_text(encoding="utf-8") for part in (*_PARTS, name))
        self._script = redis.register_script("".join(texts))
        self._prefix = prefix

    async def __call__(self, **request: Any) -> Any:
        """Run it.

        Raises:
            RedisError, OSError: Redis does not answer.
        """
        told = orjson.dumps(request | {"events": EVENT_STREAM_LENGTH})
        return orjson.loads(await self._script(args=[self._prefix, told]))


def listed(found: Any) -> list[Any]:
    """Return a list out of an answer: the scripts' JSON writes an empty one as an object."""
    return found or []
