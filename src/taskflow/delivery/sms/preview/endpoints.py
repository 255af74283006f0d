"""The route of previews."""

from datetime import UTC, datetime
from typing import Annotated

import asyncpg
from fastapi import APIRouter

from taskflow.audience.contacts.phones import normalise_phone
from taskflow.audience.contacts.values import InvalidValueError
from taskflow.base.errors import InvalidInputError
from taskflow.content.sms import plainer, sms_length
from taskflow.db.pool import Database
from taskflow.delivery.dlt import window_opens
from taskflow.delivery.providers.registry import Registry
from taskflow.delivery.sms.preview.costs import cost_of
from taskflow.delivery.sms.preview.schemas import (
    CostOut,
    DltOut,
    SmsPreviewIn,
    SmsPreviewOut,
    TextOut,
    WideCharacter,
)
from taskflow.delivery.sms.templates.repository import DltText, SmsTemplates, filled, id_or_name, matched
from taskflow.identity.access import Trail, audited, require, service
from taskflow.identity.models import Role
from taskflow.settings import Settings

router = APIRouter(prefix="/sms", tags=["sms"], dependencies=[require(Role.VIEWER)])


class NothingToPreviewError(InvalidInputError):
    """Give a text, or a template with its variables; not text and variables at once."""

    code = "nothing_to_preview"


@router.post("/preview", dependencies=[audited("sms.preview")])
async def preview_sms(
    body: SmsPreviewIn,
    database: Annotated[Database, service(Database)],
    registry: Annotated[Registry, service(Registry)],
    settings: Annotated[Settings, service(Settings)],
    trail: Trail,
) -> SmsPreviewOut:
    """Say into how many parts a text falls, why, and what it costs; and whether it is its DLT template."""
    trail.nothing_changed()
    number = _number(body.to, settings.audience.phone_region)
    text, dlt = body.text, None
    if body.template is not None:
        template = await SmsTemplates(database.pool).get(id_or_name(body.template))
        dlt_text = _under(template, body)
        text, dlt = dlt_text.text, _dlt(template, dlt_text)
    elif text is None or body.variables is not None:
        raise NothingToPreviewError
    elif body.plain:
        text = plainer(text)
    out = TextOut.of(text)
    other = plainer(text)
    cost = None
    if number is not None:
        prices = settings.sms.price_list
        cost = await cost_of(database.pool, registry, prices, number, out.parts, requires_dlt=dlt is not None)
    return SmsPreviewOut(
        **out.model_dump(),
        wide=[WideCharacter.of(character) for character in sms_length(text).wide],
        plainer=TextOut.of(other) if other != text else None,
        cost=CostOut(**cost._asdict()) if cost is not None else None,
        dlt=dlt,
    )


def _under(template: asyncpg.Record, body: SmsPreviewIn) -> DltText:
    if body.text is not None and body.variables is not None:
        raise NothingToPreviewError
    if body.text is not None:
        return matched(template, plainer(body.text) if body.plain else body.text)
    values = body.variables or []
    return filled(template, [plainer(value) for value in values] if body.plain else values)


def _dlt(template: asyncpg.Record, text: DltText) -> DltOut:
    return DltOut(
        template_id=text.facts.template_id,
        entity_id=text.facts.entity_id,
        header=text.sender,
        category=template["category"],
        values=list(text.facts.values),
        opens_at=window_opens(datetime.now(UTC)) if text.is_promotional else None,
    )


def _number(text: str | None, region: str | None) -> str | None:
    if text is None:
        return None
    try:
        return normalise_phone(text, region)
    except InvalidValueError as error:
        raise InvalidInputError(f"to: {error}", field="to") from error
