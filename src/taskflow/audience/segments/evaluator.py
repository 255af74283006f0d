"""Reads contacts by compiled conditions: in transactions that may only read, for a few seconds, a few at a time."""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from taskflow.audience.segments.compiler import Query
from taskflow.audience.segments.conditions import Definition
from taskflow.base.errors import UnavailableError
from taskflow.db.pool import Connection, Pool
from taskflow.db.queries import load

sql = load(__file__)

SECONDS = 10.0
_AT_ONCE = 2  # each takes every core of the database for a moment
_WORKERS = 1  # on two cores a second one makes it slower: what is read is shared through a table that all three build


class SegmentTooSlowError(UnavailableError):
    """Evaluating these conditions takes too long: ask for less, or try again when the database has less to do."""

    code = "segment_too_slow"


class Counted(NamedTuple):
    """How many contacts fulfil conditions, and how many of those are ACTIVE and have an e-mail address."""

    contacts: int
    reachable: int


class Evaluator:
    """Evaluates conditions for one process."""

    def __init__(self, pool: Pool, *, seconds: float = SECONDS) -> None:
        """Use the ordinary pool; a statement is given up after `seconds`."""
        self._pool = pool
        self._seconds = seconds
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def count(self, definition: Definition) -> Counted:
        """Count the contacts that fulfil conditions, now.

        Raises:
            SegmentTooSlowError: it takes too long.
        """
        query = Query()
        where = query.where(definition)
        [row] = await self.fetch(_counting(query, where), query.arguments)
        return Counted(*row)

    async def page(self, definition: Definition, after: UUID, limit: int) -> list[asyncpg.Record]:
        """Return the first contacts behind `after` that fulfil conditions, by id; raises as `count` does."""
        query = Query()
        where = query.where(definition)
        text = _listing(query, where, query.bind(after), query.bind(limit))
        return await self.fetch(text, query.arguments)

    async def fetch(self, text: str, arguments: Sequence[Any]) -> list[asyncpg.Record]:
        """Run one compiled statement in a transaction that may only read.

        Raises:
            SegmentTooSlowError: it takes too long.
        """
        try:
            async with self._turns, self._pool.acquire() as connection:
                try:
                    return await self._read(connection, text, arguments, workers=_WORKERS)
                except asyncpg.DiskFullError:  # a container whose /dev/shm is too small for workers that share a table
                    return await self._read(connection, text, arguments, workers=0)
        except asyncpg.QueryCanceledError as error:
            raise SegmentTooSlowError(f"Stopped after {self._seconds:g} s.") from error

    async def _read(
        self, connection: Connection, text: str, arguments: Sequence[Any], *, workers: int
    ) -> list[asyncpg.Record]:
        async with connection.transaction(readonly=True):
            await prepare(connection, self._seconds, workers=workers)
            return await connection.fetch(text, *arguments)


async def prepare(connection: Connection, seconds: float, *, workers: int = 0) -> None:
    """Give a transaction room for hash tables of a million contacts, plans without loops over them, and a time limit.

    `workers`: processes of PostgreSQL that may help.
    """
    await connection.execute(sql.read_many, str(round(seconds * 1000)), str(workers))


def _counting(query: Query, where: str) -> str:
    return f"""SELECT count(*) AS contacts,
  count(*) FILTER (WHERE s.status = 'ACTIVE' AND s.email IS NOT NULL) AS reachable
{query.source}
WHERE {where}"""


def _listing(query: Query, where: str, after: str, limit: str) -> str:
    return f"""SELECT s.contact_id, s.email, s.phone, s.status, s.locale, s.time_zone, s.attributes, s.tags,
  s.created_at, s.updated_at
{query.source}
WHERE s.contact_id > {after}::uuid AND {where}
ORDER BY s.contact_id LIMIT {limit}::int"""
