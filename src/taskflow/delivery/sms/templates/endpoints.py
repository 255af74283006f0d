"""Routes of DLT templates."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from taskflow.base.pagination import Page, decode_cursor, encode_cursor
from taskflow.content.fields import Line
from taskflow.db.pool import Database
from taskflow.delivery.sms.templates.repository import NewTemplate, SmsTemplates
from taskflow.delivery.sms.templates.schemas import NewSmsTemplate, SmsTemplateOut
from taskflow.identity.access import (
    DEFAULT_PAGE,
    Caller,
    Cursor,
    Limit,
    ReservedId,
    Trail,
    audited,
    require,
    service,
)
from taskflow.identity.models import Role

_MARKETER = require(Role.MARKETER)


async def _templates(database: Annotated[Database, service(Database)]) -> SmsTemplates:
    return SmsTemplates(database.pool)


Templates = Annotated[SmsTemplates, Depends(_templates)]
router = APIRouter(prefix="/sms/templates", tags=["sms"], dependencies=[require(Role.VIEWER)])


@router.post("", status_code=201, dependencies=[_MARKETER, audited("sms_template.create")])
async def create_sms_template(
    body: NewSmsTemplate, caller: Caller, templates: Templates, reserved: ReservedId, trail: Trail
) -> SmsTemplateOut:
    """Keep a template that is registered on DLT."""
    row = await templates.add(NewTemplate(**body.model_dump()), caller.user_id, reserved)
    trail.target(row["sms_template_id"], name=row["name"], template_id=row["template_id"])
    return SmsTemplateOut.of(row)


@router.get("")
async def list_sms_templates(
    templates: Templates,
    search: Annotated[Line | None, Query(description="In the name or the text.")] = None,
    limit: Limit = DEFAULT_PAGE,
    cursor: Cursor = None,
) -> Page[SmsTemplateOut]:
    """List templates by name."""
    after = decode_cursor(cursor, str)[0] if cursor else None
    found = await templates.page(search, after, limit + 1)
    more = encode_cursor(found[limit - 1]["name"]) if len(found) > limit else None
    return Page(items=[SmsTemplateOut.of(row) for row in found[:limit]], next_cursor=more)


@router.get("/{sms_template_id}")
async def get_sms_template(sms_template_id: UUID, templates: Templates) -> SmsTemplateOut:
    """Get a template."""
    return SmsTemplateOut.of(await templates.get(sms_template_id))


@router.delete(
    "/{sms_template_id}",
    status_code=204,
    dependencies=[_MARKETER, audited("sms_template.delete", target="sms_template_id")],
)
async def delete_sms_template(sms_template_id: UUID, templates: Templates, trail: Trail) -> Response:
    """Forget a template; what was sent under it keeps what it needs."""
    trail.target(sms_template_id, name=await templates.remove(sms_template_id))
    return Response(status_code=204)
