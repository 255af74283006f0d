"""The work of an import, in a worker: read the file, check every row, merge the people slice by slice.

An import is written down twice, so that it may die at any moment.

1. **Reading** touches nobody. Rows go by COPY into a table of this attempt alone; a file that turns out to be unusable
   at its end, a cancel or a crash leave nothing behind, and the next attempt starts over.
2. **Merging** goes by slices of people in the order of their keys. The transaction that merges a slice also says that
   it is merged, so a repetition goes on behind it: nobody is merged twice, nobody left out.

Every transaction begins with `hold`: the import's row, under the epoch of this attempt. An attempt that was given up
while it still lives finds a higher epoch there and stops; so do those that somebody has cancelled.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, BinaryIO, Final, cast
from uuid import UUID

import asyncpg

from taskflow.audience.consent.service import ConsentService
from taskflow.audience.contacts.repository import load_fields
from taskflow.audience.contacts.values import ContactField
from taskflow.audience.imports.errors import ImportFileError
from taskflow.audience.imports.jobs import staging
from taskflow.audience.imports.jobs.columns import Column
from taskflow.audience.imports.jobs.lines import LineMaker
from taskflow.audience.imports.jobs.models import READING_SHARE, ImportJob, ImportStatus
from taskflow.audience.imports.jobs.repository import job_of
from taskflow.audience.imports.jobs.staging import Staging, sql
from taskflow.audience.imports.reader import Limits
from taskflow.audience.imports.source import CsvFile
from taskflow.audience.suppression.erasure import ErasureKey
from taskflow.base.failpoints import failpoint
from taskflow.base.logging import get_logger
from taskflow.db.pool import Connection, Database
from taskflow.engine.context import TaskContext
from taskflow.settings import ImportSettings

log = get_logger(__name__)

_READ_ROWS: Final = 10_000
_ATTEMPTS: Final = 5


class _CancelledError(Exception):
    """Somebody has cancelled the import."""


class _LostError(Exception):
    """Another attempt has the import, or it has ended."""


class ImportStoppedError(Exception):
    """The worker drains: the import goes on elsewhere."""


class ImportRun:
    """One attempt at one import."""

    def __init__(
        self,
        database: Database,
        settings: ImportSettings,
        erasure: ErasureKey,
        consents: ConsentService,
        context: TaskContext,
    ) -> None:
        """Work under the epoch of `context`; `consents` asks for confirmations."""
        self._database = database
        self._settings = settings
        self._erasure = erasure
        self._consents = consents
        self._context = context
        self._merged = 0

    async def run(self, import_id: UUID) -> dict[str, Any]:
        """Do what is left to do, and return how it ended.

        Raises:
            ImportStoppedError: the worker drains.
        """
        row = await self._database.pool.fetchrow(sql.begin, import_id, self._context.lease_epoch)
        if row is None:
            return {"status": "ENDED"}
        job = job_of(row)
        try:
            job = await self._ready(job)
            await self._merge(job)
        except _LostError:
            return {"status": "TAKEN_OVER"}
        except _CancelledError:
            return await self._end(job, ImportStatus.CANCELLED)
        except ImportFileError as error:
            return await self._end(job, ImportStatus.FAILED, error.code, str(error))
        return await self._end(job, ImportStatus.COMPLETED)

    async def _ready(self, job: ImportJob) -> ImportJob:
        """Return the job with its rows staged: those of an attempt before, or read now."""
        if job.staging is not None and job.staged is not None:
            async with self._database.pool.acquire() as connection:
                if await Staging(job.staging).holds(connection, job.staged):
                    return job
        table = Staging(staging.name_of(job.import_id, self._context.lease_epoch))
        with cast("BinaryIO", tempfile.TemporaryFile()) as file:
            async with self._database.pool.acquire() as connection:
                await self._fetch(connection, job, file)
                await table.create(connection, job.import_id)
                await self._read(connection, job, file, table)
        async with self._holding(job) as connection:
            staged = await table.sift(connection, job)
        failpoint("import_staged")
        return replace(job, staging=table.name, staged=staged)

    async def _fetch(self, connection: Connection, job: ImportJob, file: BinaryIO) -> None:
        """Put the upload together again."""
        position = 0
        while (data := await connection.fetchval(sql.chunk, job.import_id, position)) is not None:
            await asyncio.to_thread(file.write, data)
            position += 1

    async def _read(self, connection: Connection, job: ImportJob, file: BinaryIO, table: Staging) -> None:
        limits = Limits(self._settings.max_columns, self._settings.max_field_chars, self._settings.max_rows)
        source = await asyncio.to_thread(CsvFile, file, limits)
        fields = await load_fields(connection)
        rows = rejected = 0
        async for batch in source.batches(self._maker(job, fields), _READ_ROWS):
            await table.copy(connection, batch)
            rows += len(batch.rows) + len(batch.rejected)
            rejected += len(batch.rejected)
            found = await connection.fetchrow(sql.note_read, job.import_id, self._context.lease_epoch, rows, rejected)
            self._check(found)
            self._progress(replace(job, rows=rows))
            failpoint("import_batch_read")

    def _maker(self, job: ImportJob, fields: dict[str, ContactField]) -> LineMaker:
        columns = [Column(place, **column) for place, column in enumerate(job.mapping)]
        options = job.options
        return LineMaker(columns, fields, self._erasure, tags=options["tags"], region=options["region"])

    async def _merge(self, job: ImportJob) -> None:
        """Merge what is left, in two lanes: PostgreSQL is the one that works, and has more than one processor."""
        self._merged = job.merged
        lanes = [asyncio.create_task(self._merge_lane(job, lane, after)) for lane, after in enumerate(job.merged_keys)]
        try:
            await asyncio.gather(*lanes)
        finally:
            for task in lanes:
                task.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)

    async def _merge_lane(self, job: ImportJob, lane: int, after: str) -> None:
        assert job.staging is not None  # noqa: S101 - `_ready` has seen to it
        table = Staging(job.staging)
        while True:
            after, seen = await self._merge_slice(job, table, lane, after)
            if not seen:
                return
            self._merged += seen
            self._progress(replace(job, merged=self._merged))
            failpoint("import_slice_merged")

    async def _merge_slice(self, job: ImportJob, table: Staging, lane: int, after: str) -> tuple[str, int]:
        """Merge one slice in a transaction, again when somebody else has made one of its contacts meanwhile."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                async with self._database.hot.acquire() as connection, connection.transaction():
                    self._check(await connection.fetchrow(sql.look, job.import_id, self._context.lease_epoch))
                    row = await table.merge(connection, job, lane, after, self._settings.slice)
                    mails = await self._consents.ask(connection, row["asked"] or ())
                    failpoint("import_slice_before_commit")
                    if row["seen"]:
                        await self._advance(connection, job, lane, row)
                await self._consents.dispatch(mails)
                return row["through"], row["seen"]
            except (asyncpg.UniqueViolationError, asyncpg.DeadlockDetectedError, asyncpg.ForeignKeyViolationError):
                if attempt == _ATTEMPTS:
                    raise
                log.info("import_slice_repeated", import_id=str(job.import_id))
        raise AssertionError  # the last attempt has returned or raised

    async def _advance(self, connection: Connection, job: ImportJob, lane: int, row: asyncpg.Record) -> None:
        counts = (row["created"], row["updated"], row["skipped"], row["rejected"], row["pending"])
        advanced = await connection.fetchval(
            sql.advance, job.import_id, self._context.lease_epoch, lane, row["seen"], row["through"], *counts
        )
        if advanced is None:
            raise _LostError

    @asynccontextmanager
    async def _holding(self, job: ImportJob) -> AsyncIterator[Connection]:
        """Open a transaction in which this attempt has the import."""
        async with self._database.pool.acquire() as connection, connection.transaction():
            self._check(await connection.fetchrow(sql.hold, job.import_id, self._context.lease_epoch))
            yield connection

    def _check(self, found: asyncpg.Record | None) -> None:
        if found is None:
            raise _LostError
        if found["cancelled"]:
            raise _CancelledError
        if self._context.cancelled:
            raise ImportStoppedError

    def _progress(self, job: ImportJob) -> None:
        percent = replace(job, status=ImportStatus.RUNNING).percent
        self._context.progress(percent, "reading" if percent < 100 * READING_SHARE else "merging")

    async def _end(
        self, job: ImportJob, status: ImportStatus, code: str | None = None, message: str | None = None
    ) -> dict[str, Any]:
        """End it, and forget the file."""
        async with self._database.pool.acquire() as connection, connection.transaction():
            if await connection.fetchrow(sql.hold, job.import_id, self._context.lease_epoch) is None:
                return {"status": "TAKEN_OVER"}
            await end(connection, job.import_id, status, code, message)
        return {"status": status.value, "error_code": code}


async def end(
    connection: Connection, import_id: UUID, status: ImportStatus, code: str | None = None, message: str | None = None
) -> None:
    """Write how an import ended; its file and what was read of it go. Runs in a transaction."""
    await connection.execute(sql.end_import, import_id, status, code, message)
    await connection.execute(sql.drop_chunks, import_id)
    await staging.drop_all(connection, import_id)
