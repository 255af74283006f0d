"""The staging table of one attempt, and the statements that fill it and merge it into the contacts."""

import io
import re
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg

from taskflow.audience.imports.jobs.lines import REJECTED_COLUMNS, STAGED_COLUMNS
from taskflow.audience.imports.jobs.models import Consent, ImportJob
from taskflow.audience.imports.rows import Rows
from taskflow.audience.lists.repository import sql as lists_sql
from taskflow.audience.lists.repository import wording_of
from taskflow.db.pool import Connection
from taskflow.db.queries import load

sql = load(__file__)

STATEMENT_SECONDS: Final = 900.0
_NAME = re.compile(r"contact_import_[0-9a-f]{32}_\d+")
_STANDS_FOR: Final = "contact_rows"


def name_of(import_id: UUID, epoch: int) -> str:
    """Return the table of an attempt."""
    return f"contact_import_{import_id.hex}_{epoch}"


class Staging:
    """One table; every method takes the connection it runs on."""

    def __init__(self, name: str) -> None:
        """Use the table called `name`, one of `name_of`."""
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no staging table")
        self.name = name

    def _of(self, statement: str) -> str:
        return statement.replace(_STANDS_FOR, self.name)

    async def create(self, connection: Connection, import_id: UUID) -> None:
        """Make it anew, and drop what earlier attempts have left."""
        await drop_all(connection, import_id)
        await connection.execute(self._of(sql.create_staging))

    async def copy(self, connection: Connection, batch: Rows[str]) -> None:
        """Add some rows, accepted and rejected."""
        await self._copy(connection, STAGED_COLUMNS, "".join(batch.rows))
        await self._copy(connection, REJECTED_COLUMNS, "".join(f"{found.copied()}\n" for found in batch.rejected))

    async def _copy(self, connection: Connection, columns: Sequence[str], lines: str) -> None:
        if lines:
            arguments: dict[str, Any] = {"source": io.BytesIO(lines.encode()), "columns": columns, "format": "text"}
            await connection.copy_to_table(self.name, timeout=STATEMENT_SECONDS, **arguments)

    async def sift(self, connection: Connection, job: ImportJob) -> int:
        """Take duplicates out, keep what was rejected, and open the way for the merge; return how many rows go on.

        Runs in the transaction that holds the import.
        """
        for statement in (sql.sift_memory, sql.sift_duplicates, sql.sift_phones, sql.index_staging):
            await connection.execute(self._of(statement), timeout=STATEMENT_SECONDS)
        arguments = (job.import_id, job.delimiter or ",", targets_of(job))
        await connection.execute(self._of(sql.reject_sifted), *arguments, timeout=STATEMENT_SECONDS)
        statement = self._of(sql.end_staging)
        staged: int = await connection.fetchval(statement, job.import_id, self.name, timeout=STATEMENT_SECONDS)
        return staged

    async def holds(self, connection: Connection, staged: int) -> bool:
        """Tell whether the table is there with all of its rows: a crash of the server empties it."""
        try:
            found = await connection.fetchval(self._of(sql.count_staged), timeout=STATEMENT_SECONDS)
        except asyncpg.UndefinedTableError:
            return False
        return bool(found == staged)

    async def merge(self, connection: Connection, job: ImportJob, lane: int, after: str, size: int) -> asyncpg.Record:
        """Merge the next slice of a lane. Runs in the transaction that says how far it has come."""
        consent = Consent(**job.options["consent"]) if job.options["consent"] else None
        lists = await connection.fetch(lists_sql.open_lists, [UUID(list_id) for list_id in job.options["lists"]])
        await connection.execute(sql.slice_memory)
        row = await connection.fetchrow(
            self._of(sql.merge_slice),
            job.import_id,
            job.delimiter or ",",
            targets_of(job),
            after,
            size,
            job.mode,
            job.dry_run,
            [row["list_id"] for row in lists],
            job.options["actor"],
            consent and consent.wording,
            list(consent.channels) if consent else [],
            bool(consent and consent.confirmed),
            lane,
            job.options.get("ask_to_confirm", False),
            [wording_of(row) for row in lists],
            timeout=STATEMENT_SECONDS,
        )
        assert row is not None  # noqa: S101 - an aggregate always has a row
        return row


async def drop_all(connection: Connection, import_id: UUID) -> None:
    """Drop the tables of every attempt of an import."""
    pattern = f"contact\\_import\\_{import_id.hex}\\_%"
    await _drop(connection, await connection.fetch(sql.staging_tables, pattern))


async def drop_orphans(connection: Connection) -> int:
    """Drop the tables that no open import needs; return how many."""
    return await _drop(connection, await connection.fetch(sql.orphaned_tables))


async def _drop(connection: Connection, rows: Sequence[asyncpg.Record]) -> int:
    names = [row["relname"] for row in rows if _NAME.fullmatch(row["relname"])]
    for name in names:
        await connection.execute(f"DROP TABLE IF EXISTS {name}")
    return len(names)


def targets_of(job: ImportJob) -> list[str]:
    """Return what the columns become, in the order of the file."""
    return [column["target"] for column in job.mapping]
