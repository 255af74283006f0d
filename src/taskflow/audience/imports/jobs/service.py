"""Decisions about imports: what a file would become, taking one in, cancelling it."""

from dataclasses import dataclass, replace
from typing import BinaryIO
from uuid import UUID

from taskflow.audience.contacts.phones import check_region
from taskflow.audience.contacts.repository import load_fields
from taskflow.audience.contacts.values import InvalidValueError, normalise_tags
from taskflow.audience.imports.jobs import columns
from taskflow.audience.imports.jobs.columns import Column
from taskflow.audience.imports.jobs.errors import ImportEndedError, ImportOptionError
from taskflow.audience.imports.jobs.models import ImportJob, ImportOptions, ImportStatus
from taskflow.audience.imports.jobs.repository import ImportRepository
from taskflow.audience.imports.jobs.run import end
from taskflow.audience.imports.jobs.staging import sql
from taskflow.audience.imports.jobs.tasks import import_contacts
from taskflow.audience.imports.jobs.upload import Upload, understood
from taskflow.audience.lists.repository import sql as lists_sql
from taskflow.base.ids import uuid7
from taskflow.db.pool import Database
from taskflow.engine.client import Engine
from taskflow.engine.requests import Request
from taskflow.engine.states import IllegalTransitionError, TaskStatus
from taskflow.engine.waiting import TaskNotFoundError
from taskflow.settings import ImportSettings


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a file looks like, and what its columns would become."""

    filename: str | None
    encoding: str
    delimiter: str
    rows: int
    columns: list[Column]
    types: dict[str, str]
    samples: list[list[str]]
    shared_titles: dict[str, list[int]]


class ImportService:
    """The imports of this installation."""

    def __init__(self, database: Database, engine: Engine, settings: ImportSettings) -> None:
        """Take the pools and the engine that runs the task."""
        self._database = database
        self._engine = engine
        self._settings = settings
        self.repository = ImportRepository(database.pool)

    async def inspect(self, file: BinaryIO, filename: str | None) -> Inspection:
        """Say what a file holds; nothing is kept.

        Raises:
            ImportFileError: the file as a whole cannot be used.
        """
        async with understood(file, filename, self._settings) as upload:
            header = upload.csv.header
            fields = await load_fields(self._database.pool)
            samples = [
                [row[place][:200] for row in header.sample[:5] if place < len(row)]
                for place in range(len(header.names))
            ]
            return Inspection(
                upload.filename,
                upload.csv.encoding.name,
                header.delimiter,
                upload.rows,
                columns.suggest(header),
                {name: field.type.value for name, field in fields.items()},
                samples,
                columns.shared_titles(header),
            )

    async def create(
        self,
        file: BinaryIO,
        filename: str | None,
        options: ImportOptions,
        *,
        created_by: UUID | None = None,
        actor: str | None = None,
        import_id: UUID | None = None,
    ) -> ImportJob:
        """Take a file in and let a worker import it. An `import_id` that exists is the answer: a repeated request.

        Raises:
            ImportFileError: the file as a whole cannot be used.
            MappingError: what its columns shall become does not fit.
            ImportOptionError: a list, a tag or a region cannot be used.
        """
        if import_id is not None and (known := await self.repository.find(import_id)) is not None:
            return known
        options = await self._checked(options)
        import_id = import_id or uuid7()
        async with understood(file, filename, self._settings) as upload:
            mapping = columns.resolve(upload.csv.header, options.mapping, ignore_others=options.ignore_others)
            async with self._database.pool.acquire() as connection, connection.transaction():
                await connection.execute(
                    sql.insert_import, import_id, *_values(upload, mapping, options, actor), created_by
                )
                await upload.store(connection, import_id)
                request = Request(
                    import_contacts.name, kwargs={"import_id": str(import_id)}, task_id=import_id, created_by=created_by
                )
                handle = await self._engine.submit_in(connection, request)
        await self._engine.dispatch([handle])
        return await self.repository.get(import_id)

    async def cancel(self, import_id: UUID) -> ImportJob:
        """End an import: who is merged by now stays, nobody else comes.

        Raises:
            ImportNotFoundError: there is none.
            ImportEndedError: it has ended already.
        """
        if await self._database.pool.fetchval(sql.request_cancel, import_id) is None:
            job = await self.repository.get(import_id)
            raise ImportEndedError(f"The import is {job.status} already.")
        try:
            status = await self._engine.cancel(import_id)
        except (IllegalTransitionError, TaskNotFoundError):
            status = TaskStatus.CANCELLED  # its task has ended without it
        if status is not TaskStatus.RUNNING:
            async with self._database.pool.acquire() as connection, connection.transaction():
                await end(connection, import_id, ImportStatus.CANCELLED)
        return await self.repository.get(import_id)

    async def _checked(self, options: ImportOptions) -> ImportOptions:
        """Refuse options that would fail every row, or that name lists that are not there."""
        try:
            tags = tuple(normalise_tags(options.tags))
            region = check_region(options.region) if options.region else None
        except InvalidValueError as error:
            raise ImportOptionError(str(error)) from error
        wanted = list(dict.fromkeys(options.lists))
        known = {row["list_id"] for row in await self._database.pool.fetch(lists_sql.open_lists, wanted)}
        if missing := [str(list_id) for list_id in wanted if list_id not in known]:
            raise ImportOptionError(f"There is no list {missing[0]}, or it is archived.", lists=missing)
        return replace(options, lists=tuple(wanted), tags=tags, region=region)


def _values(upload: Upload, mapping: list[Column], options: ImportOptions, actor: str | None) -> tuple[object, ...]:
    header = upload.csv.header
    return (
        options.mode,
        options.dry_run,
        upload.filename,
        upload.size,
        upload.csv.encoding.name,
        header.delimiter,
        [{"title": column.title, "name": column.name, "target": column.target} for column in mapping],
        options.stored() | {"actor": actor},
        upload.rows,
    )
