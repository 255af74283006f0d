"""Deadlocks: of transactions that wait for each other PostgreSQL ends one, and that one only has to say it again."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg

from taskflow.base.logging import get_logger

T = TypeVar("T")

log = get_logger(__name__)

_ATTEMPTS = 5


async def repeat_when_deadlocked(work: Callable[[], Awaitable[T]]) -> T:
    """Await `work`, a whole transaction, and await it again when PostgreSQL has chosen it to end a deadlock."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return await work()
        except asyncpg.DeadlockDetectedError as error:
            log.info("deadlock_repeated", error=str(error))
    return await work()
