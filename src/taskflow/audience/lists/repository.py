"""Reads lists."""

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

import asyncpg

from taskflow.audience.lists.models import ListArchivedError, ListNotFoundError
from taskflow.db.pool import Connection, Pool
from taskflow.db.queries import load
from taskflow.engine.repository import Rows, before, page

sql = load(__file__)

Counts = dict[UUID, dict[str, int]]


class ListReader:
    """Reading statements over the ordinary pool."""

    def __init__(self, pool: Pool) -> None:
        """Take the pool."""
        self._pool = pool

    async def mailing_list(self, list_id: UUID) -> asyncpg.Record:
        """Return a list's row.

        Raises:
            ListNotFoundError: there is none.
        """
        return found(await self._pool.fetchrow(sql.get_list, list_id), list_id)

    async def list_lists(
        self, name: str | None, archived: bool | None, cursor: str | None, limit: int
    ) -> tuple[Rows, str | None]:
        """Return a page of lists, newest first."""
        rows = await self._pool.fetch(sql.list_lists, name, archived, before(cursor), limit + 1)
        return page(rows, limit, "list_id")

    async def counts(self, list_ids: Sequence[UUID]) -> Counts:
        """Return how many people stand how to lists."""
        counts: Counts = defaultdict(dict)
        for row in await self._pool.fetch(sql.counts, list_ids):
            counts[row["list_id"]][row["status"]] = row["people"]
        return counts


async def open_list(connection: Connection, list_id: UUID) -> asyncpg.Record:
    """Return a list that people may be added to, and keep it so until the transaction's end.

    Raises:
        ListNotFoundError: there is none.
        ListArchivedError: it is archived.
    """
    row = found(await connection.fetchrow(sql.share_list, list_id), list_id)
    if row["archived_at"] is not None:
        raise ListArchivedError(f"The list {row['name']!r} is archived.", list_id=str(list_id))
    return row


def wording_of(row: asyncpg.Record) -> str:
    """Return what somebody agrees to who asks to be on a list."""
    wording: str = row["confirm_wording"] or f"Yes, send me {row['name']} by e-mail."
    return wording


def found(row: asyncpg.Record | None, list_id: UUID) -> asyncpg.Record:
    """Return the row, or raise ListNotFoundError."""
    if row is None:
        raise ListNotFoundError(f"There is no list {list_id}.", list_id=str(list_id))
    return row
