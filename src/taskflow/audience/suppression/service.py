"""Suppressions: added, found, lifted, taken in from a file."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import BinaryIO
from uuid import UUID

import asyncpg

from taskflow.audience.channels import Channel
from taskflow.audience.suppression.addresses import normalise_target, targets_of
from taskflow.audience.suppression.erasure import ErasureKey
from taskflow.audience.suppression.reader import Rejection, batches_of
from taskflow.base.errors import ConflictError, InvalidInputError, NotFoundError
from taskflow.base.ids import uuid7
from taskflow.db.pool import Pool
from taskflow.db.queries import load
from taskflow.engine.repository import Rows, before, page

sql = load(__file__)

_NIL = UUID(int=0)
_EXPORT_PAGE = 5_000
_SECONDS = 300.0
MOST_SHOWN = 100
EXPORT_COLUMNS = ("channel", "address", "list_id", "reason", "source", "note", "created_at")


class SuppressionNotFoundError(NotFoundError):
    """There is no such suppression."""

    code = "suppression_not_found"


class ErasedSuppressionError(ConflictError):
    """An erasure has left this: it cannot be lifted, because nobody can tell whom that would let in."""

    code = "suppression_of_erased"


class UnknownListError(InvalidInputError):
    """There is no such list."""

    code = "unknown_list"


@dataclass(slots=True)
class ImportReport:
    """What became of the rows of a file: `rows` = added + known + rejected. `rejections`: the first of them."""

    rows: int = 0
    added: int = 0
    known: int = 0
    rejected: int = 0
    rejections: list[Rejection] = field(default_factory=list)


class SuppressionService:
    """Suppressions for code that shares the database."""

    def __init__(self, pool: Pool, erasure: ErasureKey) -> None:
        """Use the ordinary pool; `erasure` recognises who was erased."""
        self._pool = pool
        self._erasure = erasure

    async def add(
        self,
        channel: Channel,
        address: str,
        *,
        list_id: UUID | None = None,
        reason: str = "manual",
        source: str = "api",
        note: str | None = None,
        created_by: UUID | None = None,
        suppression_id: UUID | None = None,
    ) -> tuple[asyncpg.Record, bool]:
        """Write to an address, `@domain` or number no more; return the row, and whether it is new.

        From the next window of messages on, also of campaigns that run. `list_id`: only to those whom this list brings.

        Raises:
            InvalidSuppressionError: it is no address, domain or number.
            UnknownListError: there is no such list.
        """
        target = normalise_target(channel, address)
        await self._require_list(list_id)
        values = (suppression_id or uuid7(), channel, target, list_id, reason, source, note, created_by)
        row = await self._pool.fetchrow(sql.insert_suppression, *values)
        if row is not None:
            return row, True
        return _found(await self._pool.fetchrow(sql.find_suppression, channel, target, list_id, reason), target), False

    async def get(self, suppression_id: UUID) -> asyncpg.Record:
        """Return a suppression's row, or raise SuppressionNotFoundError."""
        return _found(await self._pool.fetchrow(sql.get_suppression, suppression_id), suppression_id)

    async def page(
        self,
        cursor: str | None,
        limit: int,
        *,
        channel: str | None = None,
        list_id: UUID | None = None,
        only_global: bool = False,
        reason: str | None = None,
        search: str | None = None,
    ) -> tuple[Rows, str | None]:
        """Return a page of suppressions, newest first."""
        rows = await self._pool.fetch(
            sql.list_suppressions, before(cursor), channel, list_id, only_global, reason, search, limit + 1
        )
        return page(rows, limit, "suppression_id")

    async def of(self, channel: Channel, address: str) -> Rows:
        """Return everything that keeps an address or number from being written to.

        Raises:
            InvalidSuppressionError: it is none.
        """
        targets = targets_of(channel, address)
        return await self._pool.fetch(sql.suppressions_of, channel, [*targets, self._erasure.of(targets[0])])

    async def delete(self, suppression_id: UUID) -> asyncpg.Record:
        """Lift a suppression; return what it was.

        Raises:
            SuppressionNotFoundError: there is none.
            ErasedSuppressionError: an erasure has left it.
        """
        row = await self._pool.fetchrow(sql.delete_suppression, suppression_id)
        if row is None:
            await self.get(suppression_id)
            raise ErasedSuppressionError
        return row

    async def take_in(
        self,
        file: BinaryIO,
        *,
        channel: Channel,
        list_id: UUID | None = None,
        reason: str = "imported",
        source: str = "import",
        created_by: UUID | None = None,
    ) -> ImportReport:
        """Suppress every address of a file, all or nothing.

        Raises:
            ImportFileError: the file as a whole cannot be used.
            UnknownListError: there is no such list.
        """
        await self._require_list(list_id)
        report = ImportReport()
        async with self._pool.acquire() as connection, connection.transaction():
            async for batch in batches_of(file, channel):
                report.rows += batch.rows
                report.rejected += len(batch.rejected)
                report.rejections += batch.rejected[: MOST_SHOWN - len(report.rejections)]
                report.added += await connection.fetchval(
                    sql.insert_many, channel, batch.targets, list_id, reason, source, created_by, timeout=_SECONDS
                )
        report.known = report.rows - report.added - report.rejected
        return report

    async def export(self, channel: str | None, list_id: UUID | None) -> AsyncIterator[list[object]]:
        """Yield suppressions as rows of `EXPORT_COLUMNS`, oldest first."""
        after = _NIL
        while rows := await self._pool.fetch(sql.export_suppressions, after, channel, list_id, _EXPORT_PAGE):
            for row in rows:
                yield [row[name] for name in EXPORT_COLUMNS[:-1]] + [row["created_at"].isoformat()]
            after = rows[-1]["suppression_id"]

    async def _require_list(self, list_id: UUID | None) -> None:
        if list_id is not None and not await self._pool.fetchval(sql.list_exists, list_id):
            raise UnknownListError(f"There is no list {list_id}.", list_id=str(list_id))


def _found(row: asyncpg.Record | None, what: UUID | str) -> asyncpg.Record:
    if row is None:
        raise SuppressionNotFoundError(f"There is no suppression {what}.")
    return row
