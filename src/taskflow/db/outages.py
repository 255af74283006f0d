"""What "PostgreSQL is away" looks like from asyncpg: one list for whoever waits, repeats, or answers 503.

A statement that ends in one of these may have been carried out or not.
"""

import asyncpg

from taskflow.base.errors import ConfigurationError, TaskFlowError, UnavailableError

DATABASE_AWAY = (
    OSError,  # refused, reset, timed out; the socket of a server that is down does not even exist
    asyncpg.InternalClientError,  # the server's last words came on an idle connection
    asyncpg.InterfaceError,  # the connection was closed under us
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutting down, starting up, recovering after a crash
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,  # a failover: the old primary, or a standby that is not promoted yet
)

# What opening a connection may end in.
NOT_CONNECTED = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)


def not_connected(error: Exception) -> TaskFlowError:
    """Return the domain error of a connection that could not be opened (one of `NOT_CONNECTED`)."""
    if isinstance(error, asyncpg.ClientConfigurationError):
        return ConfigurationError(f"TASKFLOW_DATABASE_URL cannot be used: {error}")
    return UnavailableError(f"PostgreSQL does not answer: {error}")
