"""What the ledgers of campaigns (`campaigns.ledger`) and of single messages (`messages.ledger`) do alike."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from taskflow.db.columns import columns_of
from taskflow.db.outages import patiently
from taskflow.db.pool import Pool
from taskflow.db.queries import load

sql = load(__file__, "ledgers.sql")


class End(NamedTuple):
    """What became of a message that was SENDING.

    `counts`: whether its attempt was one; `provider`: who had it last; `cause`: of a refusal (`Cause`); `doubtful`:
    nobody knows whether it was delivered; `suppresses`: the reason for which nobody writes there again.
    """

    message_id: UUID
    epoch: int
    status: str
    reply: str | None = None
    error: str | None = None
    counts: bool = True
    provider: str | None = None
    provider_id: str | None = None
    cause: str | None = None
    doubtful: bool = False
    suppresses: str | None = None


class Settlement(NamedTuple):
    """A row that ends without a network."""

    message_id: UUID
    epoch: int
    was: str
    was_epoch: int
    status: str
    error: str


def outcomes(ends: Sequence[End]) -> list[list[Any]]:
    """Return the columns of what is written to the rows."""
    return columns_of([end[:-1] for end in ends], End._fields[:-1])


def refused(ends: Sequence[End]) -> list[list[Any]]:
    """Return the ids and epochs of those whose addresses are to be suppressed, and the reasons."""
    those = [(end.message_id, end.epoch, end.suppresses) for end in ends if end.suppresses]
    return columns_of(those, ("id", "epoch", "reason"))


async def with_suppressions(pool: Pool, statement: tuple[Any, ...], suppress: tuple[Any, ...]) -> list[asyncpg.Record]:
    """Run a statement that ends messages; where a refusal holds for good, suppress its person in the same transaction.

    Each a query and its arguments, `suppress` with ids, epochs and reasons last: without any it costs nothing.
    """
    if not suppress[-1]:
        return await pool.fetch(*statement)
    async with pool.acquire() as connection, connection.transaction():
        rows = await connection.fetch(*statement)
        await connection.execute(*suppress)
    return rows


async def requeued(pool: Pool, failed: Sequence[tuple[UUID, int]]) -> set[UUID]:
    """Return those failed messages (id, epoch) whose task somebody has put back by hand since."""
    identifiers, epochs = columns_of(sorted(failed), ("id", "epoch"))
    return {row[0] for row in await patiently(lambda: pool.fetch(sql.requeued, identifiers, epochs))}
