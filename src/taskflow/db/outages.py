"""What "PostgreSQL is away" looks like from asyncpg: one list for whoever waits, repeats, or answers 503.

A statement that ends in one of these may have been carried out or not.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg

from taskflow.base.errors import ConfigurationError, TaskFlowError, UnavailableError
from taskflow.base.logging import get_logger

log = get_logger(__name__)

T = TypeVar("T")

_PATIENCE_SECONDS = 60.0

DATABASE_AWAY = (
    OSError,  # refused, reset, timed out; the socket of a server that is down does not even exist
    asyncpg.InternalClientError,  # the server's last words came on an idle connection
    asyncpg.InterfaceError,  # the connection was closed under us
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutting down, starting up, recovering after a crash
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,  # a failover: the old primary, or a standby that is not promoted yet
)

TRANSIENT = (*DATABASE_AWAY, asyncpg.TransactionRollbackError)
"""What may be gone when the same is tried again: an outage, or a transaction that gave way to another."""

# What opening a connection may end in.
NOT_CONNECTED = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)


def not_connected(error: Exception) -> TaskFlowError:
    """Return the domain error of a connection that could not be opened (one of `NOT_CONNECTED`)."""
    if isinstance(error, asyncpg.ClientConfigurationError):
        return ConfigurationError(f"TASKFLOW_DATABASE_URL cannot be used: {error}")
    return UnavailableError(f"PostgreSQL does not answer: {error}")


async def patiently(attempt: Callable[[], Awaitable[T]]) -> T:
    """Call `attempt` until the database answers, for a minute at most.

    It may be carried out twice: a lost reply is no answer.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    wait = 0.05
    while True:
        try:
            return await attempt()
        except TRANSIENT as error:
            if time.monotonic() > deadline:
                raise
            log.warning("database_waits", error=str(error) or type(error).__name__, wait=wait)
        await asyncio.sleep(wait)
        wait = min(2.0, wait * 2)
