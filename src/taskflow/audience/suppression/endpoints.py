"""Routes of suppressions."""

from typing import Annotated, Any, get_args
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException

from taskflow.audience.channels import Channel
from taskflow.audience.exports import csv_chunks
from taskflow.audience.suppression.erasure import ErasureKey
from taskflow.audience.suppression.schemas import (
    GivenReason,
    NewSuppression,
    Reason,
    SuppressionCheck,
    SuppressionForm,
    SuppressionImport,
    SuppressionOut,
    Target,
)
from taskflow.audience.suppression.service import EXPORT_COLUMNS, SuppressionService
from taskflow.base.errors import InvalidInputError
from taskflow.base.pagination import Page
from taskflow.db.pool import Database
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
from taskflow.identity.secret_key import signing_key
from taskflow.settings import Settings

_MARKETER = require(Role.MARKETER)
_FORM: dict[str, Any] = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {
            "type": "string",
            "format": "binary",
            "description": "CSV with a column of addresses, @domains or numbers; or one a line.",
        },
        "channel": {"type": "string", "enum": ["email", "sms"], "default": "email"},
        "list_id": {"type": "string", "format": "uuid", "description": "Only what this list brings."},
        "reason": {"type": "string", "enum": list(get_args(GivenReason)), "default": "imported"},
    },
}

router = APIRouter(prefix="/suppressions", tags=["suppressions"], dependencies=[require(Role.VIEWER)])


class NoSuppressionFileError(InvalidInputError):
    """Send a form (multipart/form-data) with the file as the part `file`."""

    code = "no_file"


async def _suppressions(
    database: Annotated[Database, service(Database)], settings: Annotated[Settings, service(Settings)]
) -> SuppressionService:
    return SuppressionService(database.pool, ErasureKey(signing_key(settings)))


Suppressions = Annotated[SuppressionService, Depends(_suppressions)]
ChannelFilter = Annotated[Channel | None, Query(alias="channel")]
ListFilter = Annotated[UUID | None, Query(alias="list_id", description="Only those of this list.")]


@router.post("", status_code=201, dependencies=[_MARKETER, audited("suppression.create")])
async def create_suppression(
    body: NewSuppression, caller: Caller, suppressions: Suppressions, reserved: ReservedId, trail: Trail
) -> SuppressionOut:
    """Write to an address or a domain no more, from the next messages on. One that is there already is the answer."""
    row, is_new = await suppressions.add(
        body.channel,
        body.address,
        list_id=body.list_id,
        reason=body.reason,
        note=body.note,
        created_by=caller.user_id,
        suppression_id=reserved,
    )
    trail.target(row["suppression_id"], channel=row["channel"], reason=row["reason"])
    if not is_new:
        trail.nothing_changed()
    return SuppressionOut.of(row)


@router.get("")
async def list_suppressions(
    suppressions: Suppressions,
    channel: ChannelFilter = None,
    list_id: ListFilter = None,
    only_global: Annotated[bool, Query(alias="global", description="Only those that hold everywhere.")] = False,
    reason: Reason | None = None,
    search: Annotated[str | None, Query(max_length=255, pattern=r"^[^\x00]*$", description="Part of it.")] = None,
    limit: Limit = DEFAULT_PAGE,
    cursor: Cursor = None,
) -> Page[SuppressionOut]:
    """List who is not written to, newest first."""
    rows, following = await suppressions.page(
        cursor, limit, channel=channel, list_id=list_id, only_global=only_global, reason=reason, search=search
    )
    return Page(items=[SuppressionOut.of(row) for row in rows], next_cursor=following)


@router.get("/check")
async def check_address(
    suppressions: Suppressions, address: Target, channel: Channel = Channel.EMAIL
) -> SuppressionCheck:
    """Say what keeps an address or number from being written to: itself, its domain, an erasure."""
    found = [SuppressionOut.of(row) for row in await suppressions.of(channel, address)]
    return SuppressionCheck(suppressed=any(one.list_id is None for one in found), suppressions=found)


@router.post(
    "/import",
    dependencies=[_MARKETER, audited("suppression.import")],
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}},
)
async def import_suppressions(
    request: Request, suppressions: Suppressions, caller: Caller, trail: Trail
) -> SuppressionImport:
    """Suppress every address of a file, all or nothing; rows that hold none are reported."""
    if content_type(request) != "multipart/form-data":
        raise NoSuppressionFileError
    try:
        with misfits():
            async with request.form(max_files=1, max_fields=10, max_part_size=1024) as form:
                file = form.get("file")
                if not isinstance(file, UploadFile):
                    raise NoSuppressionFileError
                fields = SuppressionForm.model_validate(
                    {name: value for name, value in form.multi_items() if name != "file" and value != ""}
                )
                report = await suppressions.take_in(
                    file.file,
                    channel=fields.channel,
                    list_id=fields.list_id,
                    reason=fields.reason,
                    created_by=caller.user_id,
                )
    except MultiPartException as error:
        raise NoSuppressionFileError(error.message) from error
    trail.target(fields.list_id or "all", channel=fields.channel, added=report.added, rows=report.rows)
    return SuppressionImport.of(report)


@router.get("/export.csv", dependencies=[_MARKETER, audited("suppression.export")], response_class=StreamingResponse)
async def export_suppressions(
    suppressions: Suppressions, trail: Trail, channel: ChannelFilter = None, list_id: ListFilter = None
) -> StreamingResponse:
    """Download suppressions as CSV, oldest first; what erasures have left is not in it."""
    trail.target(list_id or "all", channel=channel)
    chunks = csv_chunks(EXPORT_COLUMNS, suppressions.export(channel, list_id))
    return csv_download(chunks, "suppressions.csv")


@router.get("/{suppression_id}")
async def get_suppression(suppression_id: UUID, suppressions: Suppressions) -> SuppressionOut:
    """Get a suppression."""
    return SuppressionOut.of(await suppressions.get(suppression_id))


@router.delete(
    "/{suppression_id}",
    status_code=204,
    dependencies=[_MARKETER, audited("suppression.delete", target="suppression_id")],
)
async def delete_suppression(suppression_id: UUID, suppressions: Suppressions, trail: Trail) -> Response:
    """Lift a suppression: they are written to again. 409 `suppression_of_erased` for what an erasure has left."""
    row = await suppressions.delete(suppression_id)
    trail.target(suppression_id, channel=row["channel"], reason=row["reason"])
    return Response(status_code=204)
