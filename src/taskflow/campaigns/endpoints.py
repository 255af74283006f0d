"""Routes of campaigns."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException

from taskflow.audience.exports import csv_chunks
from taskflow.base.errors import NotFoundError
from taskflow.base.pagination import Page, decode_cursor, encode_cursor
from taskflow.broker.redis.broker import RedisBroker
from taskflow.campaigns.intake import (
    Intake,
    NoFileError,
    UnreadableBodyError,
    UnsupportedBodyError,
    from_form,
    from_json,
)
from taskflow.campaigns.preview import preview
from taskflow.campaigns.proofs.endpoints import Proofs
from taskflow.campaigns.schemas import (
    CampaignDetail,
    CampaignIn,
    CampaignOut,
    PreviewIn,
    PreviewOut,
    RecipientOut,
    Resolve,
    Resolved,
)
from taskflow.campaigns.service import CampaignService
from taskflow.campaigns.states import CampaignStatus
from taskflow.content.rendering import RenderPool
from taskflow.db.pool import Database
from taskflow.delivery.message_ids import MessageIds
from taskflow.delivery.states import RecipientStatus
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
from taskflow.settings import CampaignSettings, Settings

_VIEWER = require(Role.VIEWER)
_MARKETER = require(Role.MARKETER)
_EXPORT_PAGE = 5_000
_MAX_FIELD_BYTES = 1024 * 1024
_MAX_FIELDS = 40
_EXPORT_COLUMNS = ("email", "status", "sent_at", "attempt", "provider", "reply", "error_message")
_MULTIPART_FIELDS: dict[str, Any] = {
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "description": "The fields of the JSON body as form fields (template_variables as JSON text), and a file.",
            "required": ["name", "from_email", "recipients"],
            "properties": {
                **{
                    name: {"type": "string"}
                    for name in CampaignIn.model_fields
                    if name not in ("recipients", "rate_limit_per_minute")
                },
                "rate_limit_per_minute": {"type": "string", "description": 'A number, or "null" for unlimited.'},
                "recipients": {"type": "string", "format": "binary", "description": "CSV with a header row."},
            },
        }
    }
}


async def _service(
    database: Annotated[Database, service(Database)],
    broker: Annotated[RedisBroker, service(RedisBroker)],
    rendering: Annotated[RenderPool, service(RenderPool)],
    settings: Annotated[Settings, service(Settings)],
) -> CampaignService:
    return CampaignService(database, broker, rendering, most_recipients=settings.campaign.max_recipients)


Campaigns = Annotated[CampaignService, Depends(_service)]
router = APIRouter(prefix="/campaigns", tags=["campaigns"])


@router.post(
    "",
    status_code=201,
    dependencies=[_MARKETER, audited("campaign.create")],
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": CampaignIn.model_json_schema(ref_template="#/components/schemas/{model}")
                },
                **_MULTIPART_FIELDS,
            },
        }
    },
)
async def create_campaign(
    request: Request,
    campaigns: Campaigns,
    settings: Annotated[Settings, service(Settings)],
    caller: Caller,
    reserved: ReservedId,
    trail: Trail,
) -> CampaignOut:
    """Create a campaign with its recipients, as JSON or as a form with a CSV file; all or nothing."""
    async with _intake(request, settings.campaign) as (new, origin, batches):
        campaign = await campaigns.create(new, origin, batches, created_by=caller.user_id, campaign_id=reserved)
    trail.target(campaign.campaign_id, name=campaign.name, recipients=campaign.total_recipients)
    return CampaignOut.of(campaign)


@router.post("/preview", dependencies=[_MARKETER, audited("campaign.preview")])
async def preview_campaign(body: PreviewIn, proofs: Proofs) -> PreviewOut:
    """Render a template for a sample recipient; what is wrong with it comes as `problems`."""
    return await preview(proofs, body)


@router.get("", dependencies=[_VIEWER])
async def list_campaigns(
    campaigns: Campaigns,
    status: CampaignStatus | None = None,
    limit: Limit = DEFAULT_PAGE,
    cursor: Cursor = None,
) -> Page[CampaignOut]:
    """List campaigns, newest first."""
    before = decode_cursor(cursor, UUID)[0] if cursor else None
    found = await campaigns.page(status, before, limit + 1)
    more = encode_cursor(str(found[limit - 1].campaign_id)) if len(found) > limit else None
    return Page(items=[CampaignOut.of(campaign) for campaign in found[:limit]], next_cursor=more)


@router.get("/{campaign_id}", dependencies=[_VIEWER])
async def get_campaign(campaign_id: UUID, campaigns: Campaigns) -> CampaignDetail:
    """Get a campaign, how far it is, and its bounce and complaint rates."""
    return CampaignDetail.with_rates(await campaigns.get(campaign_id), await campaigns.rates(campaign_id))


@router.post("/{campaign_id}/start", dependencies=[_MARKETER, audited("campaign.start", target="campaign_id")])
async def start_campaign(campaign_id: UUID, campaigns: Campaigns) -> CampaignOut:
    """Start sending now; 409 `missing_variables` when rows lack a variable of the template.

    Of a campaign with an audience this is the moment that decides who is in it; for a million people that takes a
    while, and a request that is broken off has started nothing.
    """
    return CampaignOut.of(await campaigns.start(campaign_id))


@router.post("/{campaign_id}/pause", dependencies=[_MARKETER, audited("campaign.pause", target="campaign_id")])
async def pause_campaign(campaign_id: UUID, campaigns: Campaigns) -> CampaignOut:
    """Stop sending until it is resumed; takes effect within a second."""
    return CampaignOut.of(await campaigns.pause(campaign_id))


@router.post("/{campaign_id}/resume", dependencies=[_MARKETER, audited("campaign.resume", target="campaign_id")])
async def resume_campaign(campaign_id: UUID, campaigns: Campaigns) -> CampaignOut:
    """Go on sending."""
    return CampaignOut.of(await campaigns.resume(campaign_id))


@router.post("/{campaign_id}/cancel", dependencies=[_MARKETER, audited("campaign.cancel", target="campaign_id")])
async def cancel_campaign(campaign_id: UUID, campaigns: Campaigns) -> CampaignOut:
    """End it for good; who has not been written to by now will not be."""
    return CampaignOut.of(await campaigns.cancel(campaign_id))


@router.get("/{campaign_id}/recipients", dependencies=[_VIEWER])
async def list_recipients(
    campaign_id: UUID,
    campaigns: Campaigns,
    settings: Annotated[Settings, service(Settings)],
    status: RecipientStatus | None = None,
    limit: Limit = DEFAULT_PAGE,
    cursor: Cursor = None,
) -> Page[RecipientOut]:
    """List recipients in the order of the file, and what became of their messages."""
    campaign = await campaigns.get(campaign_id)
    after = decode_cursor(cursor, UUID)[0] if cursor else None
    found = await campaigns.repository.recipients(campaign_id, status, after, limit + 1)
    message_ids = MessageIds(signing_key(settings).get_secret_value().encode(), campaign.from_email)
    more = encode_cursor(str(found[limit - 1].recipient_id)) if len(found) > limit else None
    items = [RecipientOut.of(recipient, message_ids) for recipient in found[:limit]]
    return Page(items=items, next_cursor=more)


@router.post(
    "/{campaign_id}/recipients/resolve",
    dependencies=[_MARKETER, audited("campaign.resolve", target="campaign_id")],
)
async def resolve_recipients(campaign_id: UUID, body: Resolve, campaigns: Campaigns, trail: Trail) -> Resolved:
    """Decide about messages that were on the wire when their sender died: sent, failed, or send them again."""
    resolved = await campaigns.resolve(campaign_id, body.recipient_ids, body.resolution)
    trail.target(campaign_id, resolution=body.resolution, recipients=resolved)
    return Resolved(resolved=resolved)


@router.get(
    "/{campaign_id}/recipients.csv",
    dependencies=[_MARKETER, audited("campaign.export", target="campaign_id")],
    response_class=StreamingResponse,
)
async def export_recipients(
    campaign_id: UUID,
    campaigns: Campaigns,
    status: Annotated[RecipientStatus | None, Query(description="Only these.")] = None,
) -> StreamingResponse:
    """Download recipients and what became of their messages, as CSV."""
    await campaigns.get(campaign_id)
    variables = await campaigns.repository.import_columns(campaign_id)
    rows = _recipient_rows(campaigns, campaign_id, status, variables)
    return csv_download(csv_chunks([*_EXPORT_COLUMNS, *variables], rows), f"recipients-{campaign_id}.csv")


@router.get(
    "/{campaign_id}/import/rejected.csv",
    dependencies=[_MARKETER, audited("campaign.export_rejected", target="campaign_id")],
    response_class=StreamingResponse,
)
async def export_rejected(campaign_id: UUID, campaigns: Campaigns) -> StreamingResponse:
    """Download the rows of the file that were not imported, each with the reason, as CSV."""
    campaign = await campaigns.get(campaign_id)
    if campaign.report is None:
        raise NotFoundError("This campaign has no import.")
    rows = _rejected_rows(campaigns, campaign.report.import_id)
    return csv_download(csv_chunks(["row_number", "code", "reason", "row"], rows), f"rejected-{campaign_id}.csv")


@asynccontextmanager
async def _intake(request: Request, settings: CampaignSettings) -> AsyncIterator[Intake]:
    """Read a new campaign from the body, after the caller's role has been checked."""
    kind = content_type(request)
    try:
        with misfits():
            if kind == "application/json":
                yield from_json(await request.body(), settings)
            elif kind == "multipart/form-data":
                async with request.form(max_files=1, max_fields=_MAX_FIELDS, max_part_size=_MAX_FIELD_BYTES) as form:
                    texts = {name: value for name, value in form.multi_items() if isinstance(value, str)}
                    file = form.get("recipients")
                    if not isinstance(file, UploadFile):
                        raise NoFileError("Send the CSV file as the part `recipients`.")
                    async with from_form(texts, file.file, file.filename, settings) as intake:
                        yield intake
            else:
                raise UnsupportedBodyError
    except MultiPartException as error:
        raise UnreadableBodyError(error.message) from error


async def _recipient_rows(
    campaigns: CampaignService, campaign_id: UUID, status: RecipientStatus | None, variables: list[str]
) -> AsyncIterator[list[object]]:
    after: UUID | None = None
    while page := await campaigns.repository.recipients(campaign_id, status, after, _EXPORT_PAGE):
        for recipient in page:
            sent_at = recipient.sent_at.isoformat() if recipient.sent_at else None
            row = [recipient.email, recipient.status, sent_at, recipient.attempt, recipient.provider]
            values = [recipient.personalization.get(name) for name in variables]
            yield [*row, recipient.reply, recipient.error_message, *values]
        after = page[-1].recipient_id


async def _rejected_rows(campaigns: CampaignService, import_id: UUID) -> AsyncIterator[tuple[object, ...]]:
    after = -1
    while page := await campaigns.repository.rejections(import_id, after, _EXPORT_PAGE):
        for row in page:
            yield row
        after = page[-1][0]
