"""The sliding window: in Redis for all API processes together, in this process's memory while Redis is away.

Requests that arrive together are asked about in one round trip. Redis being away must not stop the house (a task is
accepted by PostgreSQL alone), nor may it lift the limits: each process then counts for itself, so that N processes
admit at most N times the limit. After a failure Redis is left alone for a while, and a second without an answer is a
failure: an outage delays a request by a second at most, and few of them.
"""

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from redis.exceptions import NoScriptError, RedisError

from taskflow.base.logging import get_logger
from taskflow.broker.redis.broker import RedisBroker

log = get_logger(__name__)

WINDOW_SECONDS = 60.0
RESOURCE = "api"
_ANSWER_SECONDS = 1.0
_LEAVE_ALONE_SECONDS = 3.0
_MOST_PER_TRIP = 500
_MOST_REMEMBERED = 10_000  # identities in memory while Redis is away
_SCRIPT = files("taskflow.broker.redis").joinpath("rate_limit.lua").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the window says about one request."""

    admitted: bool
    limit: int
    remaining: int
    reset: float  # seconds until the window has room (again)


@dataclass(frozen=True, slots=True)
class _Question:
    identity: str
    limit: int
    answer: asyncio.Future[Verdict]


class RateLimiter:
    """Counts requests of identities."""

    def __init__(self, broker: RedisBroker, *, window: float = WINDOW_SECONDS) -> None:
        """Count over `window` seconds."""
        self._keys = broker.keys
        self._redis = broker.redis
        self._window = window
        self._digest: str | None = None
        self._waiting: deque[_Question] = deque()
        self._asker: asyncio.Task[None] | None = None
        self._local: dict[str, deque[float]] = {}
        self._away_until = 0.0

    async def ask(self, identity: str, limit: int) -> Verdict:
        """Admit or refuse one request of `identity`, and count it when admitted."""
        if time.monotonic() < self._away_until:
            return self._ask_memory(identity, limit)
        question = _Question(identity, limit, asyncio.get_running_loop().create_future())
        self._waiting.append(question)
        if self._asker is None or self._asker.done():
            self._asker = asyncio.create_task(self._ask_all(), name="rate-limiter")
        return await question.answer

    async def _ask_all(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _MOST_PER_TRIP))]
            verdicts: list[Verdict] | None = None
            if time.monotonic() >= self._away_until:
                try:
                    async with asyncio.timeout(_ANSWER_SECONDS):
                        verdicts = await self._ask_redis(batch)
                except (RedisError, OSError) as error:
                    self._away_until = time.monotonic() + _LEAVE_ALONE_SECONDS
                    log.warning("rate_limit_local", why=type(error).__name__)
            if verdicts is None:
                verdicts = [self._ask_memory(question.identity, question.limit) for question in batch]
            for question, verdict in zip(batch, verdicts, strict=True):
                if not question.answer.done():
                    question.answer.set_result(verdict)

    async def _ask_redis(self, batch: list[_Question]) -> list[Verdict]:
        if self._digest is None:
            self._digest = await self._redis.script_load(_SCRIPT)
        try:
            answers = await self._run(batch)
        except NoScriptError:  # another server answers than the one that was told the script
            self._digest = await self._redis.script_load(_SCRIPT)
            answers = await self._run(batch)
        return [
            Verdict(bool(admitted), question.limit, max(int(remaining), 0), int(wait) / 1_000_000)
            for question, (admitted, remaining, wait) in zip(batch, answers, strict=True)
        ]

    async def _run(self, batch: list[_Question]) -> list[Any]:
        window = int(self._window * 1_000_000)
        async with self._redis.pipeline(transaction=False) as pipe:
            for question in batch:
                key = self._keys.rate_limit(RESOURCE, question.identity)
                pipe.evalsha(self._digest or "", 2, key, f"{key}:log", question.limit, window)
            answers: list[Any] = await pipe.execute()
            return answers

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
