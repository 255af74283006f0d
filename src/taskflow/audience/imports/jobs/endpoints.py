"""Routes of imports of contacts."""

import csv
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, BinaryIO
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException

from taskflow.audience.exports import csv_chunks
from taskflow.audience.imports.jobs.columns import REJECTION_COLUMNS
from taskflow.audience.imports.jobs.errors import ImportBodyError, NoImportFileError
from taskflow.audience.imports.jobs.models import ImportJob, ImportStatus
from taskflow.audience.imports.jobs.repository import ImportRepository
from taskflow.audience.imports.jobs.schemas import ImportFields, ImportReportOut, InspectionOut
from taskflow.audience.imports.jobs.service import ImportService
from taskflow.audience.imports.rows import MAX_RAW
from taskflow.base.pagination import Page, decode_cursor, encode_cursor
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine.client import Engine
from taskflow.engine.queues.terms import QueueBook
from taskflow.identity.access import (
    DEFAULT_PAGE,
    Caller,
    Cursor,
    Limit,
    ReservedId,
    Trail,
    audited,
    content_type,
    csv_download,
    misfits,
    require,
    service,
)
from taskflow.identity.models import Role
from taskflow.settings import Settings

_MAX_FIELD_BYTES = 256 * 1024
_MAX_FIELDS = 20
_EXPORT_PAGE = 5_000
_JSON_FIELDS = ("mapping", "lists", "tags", "consent")
_FILE = {"type": "string", "format": "binary", "description": "CSV with a header row, or a ZIP archive of one."}


def _form(properties: dict[str, Any]) -> dict[str, Any]:
    """Return what OpenAPI says of a form with a file."""
    schema = {"type": "object", "required": ["file"], "properties": {"file": _FILE, **properties}}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def _fields() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, field in ImportFields.model_fields.items():
        said = field.description or ("JSON: wording, channels, confirmed." if name == "consent" else "")
        found[name] = {"type": "string", "description": f"{said} As JSON." if name in _JSON_FIELDS else said}
    return found


async def _service(
    database: Annotated[Database, service(Database)],
    broker: Annotated[RedisBroker, service(RedisBroker)],
    book: Annotated[QueueBook, service(QueueBook)],
    settings: Annotated[Settings, service(Settings)],
) -> ImportService:
    return ImportService(database, Engine(database, broker, book), settings.imports)


Imports = Annotated[ImportService, Depends(_service)]
router = APIRouter(prefix="/contacts/imports", tags=["contacts"], dependencies=[require(Role.MARKETER)])


@router.post("", status_code=201, dependencies=[audited("contact_import.create")], openapi_extra=_form(_fields()))
async def create_import(
    request: Request, imports: Imports, caller: Caller, reserved: ReservedId, trail: Trail
) -> ImportReportOut:
    """Import contacts from a CSV file; a worker does it, and this says how it goes."""
    async with _upload(request) as (fields, file, filename):
        job = await imports.create(
            file,
            filename,
            fields.options(),
            created_by=caller.user_id,
            actor=caller.actor,
            import_id=reserved,
        )
    trail.target(job.import_id, filename=job.filename, mode=job.mode, dry_run=job.dry_run)
    return ImportReportOut.of(job)


@router.post("/inspect", dependencies=[audited("contact_import.inspect")], openapi_extra=_form({}))
async def inspect_import(request: Request, imports: Imports, trail: Trail) -> InspectionOut:
    """Say what a file holds and what its columns would become; nothing is kept."""
    trail.nothing_changed()
    async with _upload(request) as (_, file, filename):
        return InspectionOut.of(await imports.inspect(file, filename))


@router.get("")
async def list_imports(
    imports: Imports, status: ImportStatus | None = None, limit: Limit = DEFAULT_PAGE, cursor: Cursor = None
) -> Page[ImportReportOut]:
    """List imports, newest first."""
    before = decode_cursor(cursor, UUID)[0] if cursor else None
    found = await imports.repository.page(status, before, limit + 1)
    more = encode_cursor(str(found[limit - 1].import_id)) if len(found) > limit else None
    return Page(items=[ImportReportOut.of(job) for job in found[:limit]], next_cursor=more)


@router.get("/{import_id}")
async def get_import(import_id: UUID, imports: Imports) -> ImportReportOut:
    """Get an import and how far it is."""
    return ImportReportOut.of(await imports.repository.get(import_id))


@router.post("/{import_id}/cancel", dependencies=[audited("contact_import.cancel", target="import_id")])
async def cancel_import(import_id: UUID, imports: Imports) -> ImportReportOut:
    """End an import. Before the merge nothing has changed; after, who is merged by now stays."""
    return ImportReportOut.of(await imports.cancel(import_id))


@router.get(
    "/{import_id}/rejected.csv",
    dependencies=[audited("contact_import.export", target="import_id")],
    response_class=StreamingResponse,
)
async def export_rejected_contacts(import_id: UUID, imports: Imports) -> StreamingResponse:
    """Download the rows that were not imported, with the reason, as CSV that can be mended and imported again."""
    job = await imports.repository.get(import_id)
    before, after = REJECTION_COLUMNS[:3], REJECTION_COLUMNS[3:]
    titles = [column["title"] or column["name"] for column in job.mapping]
    chunks = csv_chunks([*before, *titles, *after], _rejected_rows(imports.repository, job))
    return csv_download(chunks, f"rejected-{import_id}.csv")


@asynccontextmanager
async def _upload(request: Request) -> AsyncIterator[tuple[ImportFields, BinaryIO, str | None]]:
    """Read a form with a file, after the caller's role has been checked."""
    kind = content_type(request)
    if kind != "multipart/form-data":
        raise ImportBodyError(f"Send multipart/form-data with the part `file`, not {kind or 'a body without a type'}.")
    try:
        with misfits():
            async with request.form(max_files=1, max_fields=_MAX_FIELDS, max_part_size=_MAX_FIELD_BYTES) as form:
                file = form.get("file")
                if not isinstance(file, UploadFile):
                    raise NoImportFileError("Send the CSV file as the part `file`.")
                texts = {name: value for name, value in form.multi_items() if isinstance(value, str)}
                yield ImportFields.model_validate(_values(texts)), file.file, _file_name(file.filename)
    except MultiPartException as error:
        raise ImportBodyError(error.message) from error


def _values(texts: dict[str, str]) -> dict[str, Any]:
    """Turn form fields, which are all text, into what the model takes; an empty field is one that was not given."""
    values: dict[str, Any] = {name: text for name, text in texts.items() if text != ""}
    for name in _JSON_FIELDS:
        if name in values:
            try:
                values[name] = orjson.loads(values[name])
            except orjson.JSONDecodeError as error:
                raise ImportBodyError(f"The field {name} is no JSON: {error}.") from error
    return values


def _file_name(name: str | None) -> str | None:
    """Return the last part of a client's file name without what a terminal would choke on."""
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    return "".join(character for character in last if character.isprintable())[:255] or None


async def _rejected_rows(repository: ImportRepository, job: ImportJob) -> AsyncIterator[list[object]]:
    after = -1
    while page := await repository.rejections(job.import_id, after, _EXPORT_PAGE):
        for number, code, reason, raw in page:
            cells = _cells(raw, job.delimiter or ",", len(job.mapping))
            if cells is None:
                yield [number, code, reason, *[""] * len(job.mapping), raw]
            else:
                yield [number, code, reason, *cells, ""]
        after = page[-1][0]


def _cells(raw: str, delimiter: str, width: int) -> list[str] | None:
    """Return the cells of a rejected row, or None when it is not whole."""
    if len(raw) >= MAX_RAW:
        return None
    try:
        rows = list(csv.reader(raw.splitlines(keepends=True), delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 and len(rows[0]) == width else None
