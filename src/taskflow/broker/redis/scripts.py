"""The Lua scripts: each begins with `dispatch.lua`, which knows where everything stands."""

from pathlib import Path
from typing import Any

from redis.asyncio import Redis

_FOLDER = Path(__file__).parent


def script(redis: Redis, name: str) -> Any:
    """Register a script of the dispatch."""
    parts = (_FOLDER / f"{part}.lua" for part in ("dispatch", name))
    return redis.register_script("".join(part.read_text(encoding="utf-8") for part in parts))
