"""The sliding window: in Redis for all API processes together, in this process's memory while Redis is away.

Redis being away must not stop the house (a task is accepted by PostgreSQL alone), nor may it lift the limits. So each
process then counts for itself: N processes admit at most N times the limit. After a failure Redis is left alone for a
second, and a slow answer counts as none, so that an outage costs no request more than a quarter of a second.
"""

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from importlib.resources import files

from redis.exceptions import RedisError

from taskflow.base.logging import get_logger
from taskflow.broker.redis.broker import RedisBroker

log = get_logger(__name__)

WINDOW_SECONDS = 60.0
RESOURCE = "api"
_ANSWER_SECONDS = 0.25
_LEAVE_ALONE_SECONDS = 1.0
_MOST_REMEMBERED = 10_000  # identities in memory while Redis is away
_SCRIPT = files("taskflow.broker.redis").joinpath("rate_limit.lua").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the window says about one request."""

    admitted: bool
    limit: int
    remaining: int
    reset: float  # seconds until the window has room (again)


class RateLimiter:
    """Counts requests of identities."""

    def __init__(self, broker: RedisBroker, *, window: float = WINDOW_SECONDS) -> None:
        """Count over `window` seconds."""
        self._keys = broker.keys
        self._script = broker.redis.register_script(_SCRIPT)
        self._window = window
        self._local: dict[str, deque[float]] = {}
        self._away_until = 0.0

    async def ask(self, identity: str, limit: int) -> Verdict:
        """Admit or refuse one request of `identity`, and count it when admitted."""
        if time.monotonic() >= self._away_until:
            try:
                return await self._ask_redis(identity, limit)
            except (RedisError, OSError, TimeoutError) as error:
                self._away_until = time.monotonic() + _LEAVE_ALONE_SECONDS
                log.warning("rate_limit_local", why=type(error).__name__)
        return self._ask_memory(identity, limit)

    async def _ask_redis(self, identity: str, limit: int) -> Verdict:
        key = self._keys.rate_limit(RESOURCE, identity)
        async with asyncio.timeout(_ANSWER_SECONDS):
            admitted, remaining, wait = await self._script(
                keys=[key, f"{key}:log"], args=[limit, int(self._window * 1_000_000)]
            )
        return Verdict(bool(admitted), limit, max(int(remaining), 0), int(wait) / 1_000_000)

    def _ask_memory(self, identity: str, limit: int) -> Verdict:
        now = time.monotonic()
        if len(self._local) >= _MOST_REMEMBERED and identity not in self._local:
            self._local.pop(next(iter(self._local)))
        times = self._local.setdefault(identity, deque())
        while times and times[0] <= now - self._window:
            times.popleft()
        admitted = len(times) < limit
        if admitted:
            times.append(now)
        return Verdict(admitted, limit, limit - len(times), times[0] + self._window - now if times else self._window)
