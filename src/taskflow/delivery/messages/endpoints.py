"""Routes of messages."""

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse

from taskflow.audience.exports import csv_chunks
from taskflow.base.bodies import Instant
from taskflow.base.pagination import Page
from taskflow.broker.redis.broker import RedisBroker
from taskflow.content.fields import NO_CONTROLS
from taskflow.content.media.library import MediaLibrary
from taskflow.content.rendering import RenderPool
from taskflow.db.pool import Database
from taskflow.delivery.messages.composer import KeptWords
from taskflow.delivery.messages.schemas import (
    Channel,
    CostsOut,
    MessageContent,
    MessageDetail,
    MessageIn,
    MessageOut,
    ResolveIn,
    SubmittedOut,
)
from taskflow.delivery.messages.service import Filter, MessageService
from taskflow.delivery.messages.texts import TextService
from taskflow.delivery.providers.registry import Registry
from taskflow.delivery.providers.sms.hooks import ReportStatus
from taskflow.delivery.states import RecipientStatus
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
    csv_download,
    require,
    service,
)
from taskflow.identity.models import Role
from taskflow.settings import Settings

_MARKETER = require(Role.MARKETER)
_EXPORT_COLUMNS = (
    "message_id", "campaign_id", "submission_id", "channel", "address", "from_address", "subject", "tags", "status",
    "attempt", "provider", "provider_message_id", "reply", "error_message", "bounce_reason", "size_bytes", "parts",
    "encoding", "delivery", "delivery_cause", "delivery_at", "cost", "currency", "created_at", "scheduled_at",
    "sending_at", "sent_at",
)  # fmt: skip

router = APIRouter(prefix="/messages", tags=["messages"], dependencies=[require(Role.VIEWER)])


async def _messages(
    database: Annotated[Database, service(Database)],
    broker: Annotated[RedisBroker, service(RedisBroker)],
    book: Annotated[QueueBook, service(QueueBook)],
    rendering: Annotated[RenderPool, service(RenderPool)],
    media: Annotated[MediaLibrary, service(MediaLibrary)],
    words: Annotated[KeptWords, service(KeptWords)],
    settings: Annotated[Settings, service(Settings)],
) -> MessageService:
    engine = Engine(database, broker, book)
    return MessageService(database, engine, rendering, media, words, settings.sms.price_list)


async def _texts(
    database: Annotated[Database, service(Database)],
    broker: Annotated[RedisBroker, service(RedisBroker)],
    book: Annotated[QueueBook, service(QueueBook)],
    rendering: Annotated[RenderPool, service(RenderPool)],
    words: Annotated[KeptWords, service(KeptWords)],
    registry: Annotated[Registry, service(Registry)],
    settings: Annotated[Settings, service(Settings)],
) -> TextService:
    engine = Engine(database, broker, book)
    return TextService(database, engine, rendering, words, registry, settings.audience.phone_region)


async def _wanted(
    address: Annotated[
        str | None,
        Query(max_length=254, pattern=NO_CONTROLS, description="To this address, campaign mail too."),
    ] = None,
    status: RecipientStatus | None = None,
    channel: Channel | None = None,
    provider: Annotated[str | None, Query(max_length=50, pattern=NO_CONTROLS)] = None,
    tag: Annotated[str | None, Query(max_length=100, pattern=NO_CONTROLS)] = None,
    submission_id: Annotated[UUID | None, Query(description="Of one call.")] = None,
    created_after: Annotated[Instant | None, Query(description="Not older than this.")] = None,
    created_before: Annotated[Instant | None, Query(description="Older than this.")] = None,
    delivery: Annotated[
        ReportStatus | None, Query(description="Texts of which their provider told this after it had taken them.")
    ] = None,
) -> Filter:
    return Filter(address, status, channel, provider, tag, submission_id, created_after, created_before, delivery)


Messages = Annotated[MessageService, Depends(_messages)]
Wanted = Annotated[Filter, Depends(_wanted)]


@router.post("", status_code=201, dependencies=[_MARKETER, audited("message.send")])
async def send_messages(
    body: MessageIn,
    messages: Messages,
    texts: Annotated[TextService, Depends(_texts)],
    settings: Annotated[Settings, service(Settings)],
    caller: Caller,
    reserved: ReservedId,
    trail: Trail,
) -> SubmittedOut:
    """Send a message to each recipient, now or later; all or none are taken. An Idempotency-Key makes it repeatable."""
    archive, who = settings.message.archive, {"created_by": caller.user_id, "submission_id": reserved}
    if body.channel == "sms":
        submitted = await texts.submit(body.text_call(archive), **who)
    else:
        submitted = await messages.submit(body.submission(archive), **who)
    trail.target(submitted.submission_id, messages=len(submitted.messages))
    return SubmittedOut.of(submitted)


@router.get("")
async def list_messages(
    messages: Messages, wanted: Wanted, limit: Limit = DEFAULT_PAGE, cursor: Cursor = None
) -> Page[MessageOut]:
    """List messages, newest first; `status=UNCERTAIN` are those that somebody has to decide about."""
    rows, following = await messages.page(wanted, cursor, limit)
    return Page(items=[MessageOut.of(row) for row in rows], next_cursor=following)


@router.get("/export.csv", dependencies=[_MARKETER, audited("message.export")], response_class=StreamingResponse)
async def export_messages(messages: Messages, wanted: Wanted, trail: Trail) -> StreamingResponse:
    """Download messages and what became of them as CSV, newest first."""
    trail.target(wanted.submission_id or "all", status=wanted.status, channel=wanted.channel)
    return csv_download(csv_chunks(_EXPORT_COLUMNS, _rows(messages, wanted)), "messages.csv")


@router.get("/costs")
async def get_costs(
    messages: Messages,
    created_after: Annotated[Instant | None, Query(description="Not older than this.")] = None,
    created_before: Annotated[Instant | None, Query(description="Older than this.")] = None,
    tag: Annotated[str | None, Query(max_length=100, pattern=NO_CONTROLS)] = None,
) -> CostsOut:
    """Sum what messages without a campaign have cost, by provider, channel and currency; campaigns tell their own."""
    wanted = Filter(tag=tag, created_after=created_after, created_before=created_before)
    return CostsOut.of(await messages.costs(wanted))


@router.get("/{message_id}")
async def get_message(message_id: UUID, messages: Messages) -> MessageDetail:
    """Get a message, its provider's answer and its attempts."""
    return MessageDetail.of_all(await messages.get(message_id), await messages.attempts(message_id))


@router.get("/{message_id}/content", dependencies=[_MARKETER])
async def get_message_content(message_id: UUID, messages: Messages) -> MessageContent:
    """Get what was sent, taken apart; 404 `content_not_kept` when the archive has none."""
    return MessageContent.of(await messages.content(message_id))


@router.get(
    "/{message_id}/raw",
    dependencies=[_MARKETER],
    response_class=Response,
    responses={200: {"content": {"message/rfc822": {}, "text/plain": {}}}},
)
async def get_raw_message(message_id: UUID, messages: Messages) -> Response:
    """Download what was sent, byte for byte."""
    row = await messages.content(message_id)
    suffix, media_type = ("eml", "message/rfc822") if row["channel"] == "email" else ("txt", "text/plain")
    headers = {
        "Content-Disposition": f'attachment; filename="{message_id}.{suffix}"',
        "X-Content-Type-Options": "nosniff",
    }
    return Response(row["content"], media_type=media_type, headers=headers)


@router.post("/{message_id}/cancel", dependencies=[_MARKETER, audited("message.cancel", target="message_id")])
async def cancel_message(message_id: UUID, messages: Messages) -> MessageOut:
    """Keep a message that waits from being sent; 409 `message_not_cancellable` once it is on its way."""
    return MessageOut.of(await messages.cancel(message_id))


@router.post("/{message_id}/resend", dependencies=[_MARKETER, audited("message.resend", target="message_id")])
async def resend_message(message_id: UUID, messages: Messages) -> MessageOut:
    """Send a message that failed again, as it is; 409 `message_words_not_kept` when its words are gone."""
    return MessageOut.of(await messages.resend(message_id))


@router.post("/{message_id}/resolve", dependencies=[_MARKETER, audited("message.resolve", target="message_id")])
async def resolve_message(message_id: UUID, body: ResolveIn, messages: Messages, trail: Trail) -> MessageOut:
    """Decide about an uncertain message: it was sent, it failed, or send it again."""
    row = await messages.resolve(message_id, body.resolution)
    trail.target(message_id, resolution=body.resolution)
    return MessageOut.of(row)


async def _rows(messages: MessageService, wanted: Filter) -> AsyncIterator[list[object]]:
    async for row in messages.export(wanted):
        cells = dict(row) | {"tags": " ".join(row["tags"] or ())}
        yield [_cell(cells[name]) for name in _EXPORT_COLUMNS]


def _cell(value: object) -> object:
    return value.isoformat() if hasattr(value, "isoformat") else value
