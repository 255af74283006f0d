"""What "PostgreSQL is away" looks like from asyncpg: one list for whoever waits, repeats, or answers 503.

A statement that ends in one of these may have been carried out or not.
"""

import asyncpg

DATABASE_AWAY = (
    OSError,  # refused, reset, timed out; the socket of a server that is down does not even exist
    asyncpg.InternalClientError,  # the server's last words came on an idle connection
    asyncpg.InterfaceError,  # the connection was closed under us
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutting down, starting up, recovering after a crash
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,  # a failover: the old primary, or a standby that is not promoted yet
)
