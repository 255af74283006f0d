"""Routes of messages."""

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Query, Response
from fastapi.responses import StreamingResponse

from taskflow.audience.channels import Channel
from taskflow.audience.exports import csv_chunks
from taskflow.base.bodies import Instant
from taskflow.base.pagination import Page
from taskflow.broker.redis.broker import RedisBroker
from taskflow.content.fields import NO_CONTROLS
from taskflow.content.media.library import MediaLibrary
from taskflow.content.rendering import RenderPool
from taskflow.db.pool import Database
from taskflow.delivery.messages import downloads, search
from taskflow.delivery.messages.composer import KeptWords
from taskflow.delivery.messages.examples import EXAMPLES
from taskflow.delivery.messages.log import MessageLog
from taskflow.delivery.messages.permits import check_senders
from taskflow.delivery.messages.schemas import (
    CostsOut,
    MessageContent,
    MessageDetail,
    MessageIn,
    MessageOut,
    ResolveIn,
    SubmittedOut,
)
from taskflow.delivery.messages.search import Filter
from taskflow.delivery.messages.selection import CancelledMessages, MessageSelection, ResolvedMessages, ResolveManyIn
from taskflow.delivery.messages.service import MessageService
from taskflow.delivery.messages.stats import Interval, Span, StatsOut
from taskflow.delivery.messages.steering import MessageSteering
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
    download,
    require,
    service,
)
from taskflow.identity.models import SEND, Role
from taskflow.identity.secret_key import signing_key
from taskflow.settings import Settings

_VIEWER = require(Role.VIEWER)
_MARKETER = require(Role.MARKETER)
_SENDER = require(Role.MARKETER, scope=SEND)
_EXPORT_COLUMNS = (
    "message_id", "campaign_id", "submission_id", "channel", "address", "from_address", "subject", "tags", "status",
    "attempt", "provider", "provider_message_id", "reply", "error_message", "bounce_reason", "size_bytes", "parts",
    "encoding", "delivery", "delivery_cause", "delivery_at", "cost", "currency", "created_at", "scheduled_at",
    "sending_at", "sent_at",
)  # fmt: skip

After = Annotated[Instant | None, Query(description="Not older than this.")]
Before = Annotated[Instant | None, Query(description="Older than this.")]
Provider = Annotated[str | None, Query(max_length=50, pattern=NO_CONTROLS)]
QueryTag = Annotated[str | None, Query(max_length=100, pattern=NO_CONTROLS)]

# Keys that may do nothing but send come to those routes only whose every guard lets them pass.
router = APIRouter(prefix="/messages", tags=["messages"], dependencies=[require(Role.VIEWER, scope=SEND)])


async def _messages(
    database: Annotated[Database, service(Database)],
    broker: Annotated[RedisBroker, service(RedisBroker)],
    book: Annotated[QueueBook, service(QueueBook)],
    rendering: Annotated[RenderPool, service(RenderPool)],
    media: Annotated[MediaLibrary, service(MediaLibrary)],
    words: Annotated[KeptWords, service(KeptWords)],
) -> MessageService:
    engine = Engine(database, broker, book)
    return MessageService(database, engine, rendering, media, words)


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


async def _log(
    database: Annotated[Database, service(Database)], settings: Annotated[Settings, service(Settings)]
) -> MessageLog:
    return MessageLog(database.pool, signing_key(settings).get_secret_value().encode())


async def _steering(
    database: Annotated[Database, service(Database)],
    broker: Annotated[RedisBroker, service(RedisBroker)],
    book: Annotated[QueueBook, service(QueueBook)],
    log: Annotated[MessageLog, Depends(_log)],
    settings: Annotated[Settings, service(Settings)],
) -> MessageSteering:
    return MessageSteering(database, Engine(database, broker, book), log, settings.sms.price_list)


async def _own(caller: Caller) -> UUID | None:
    """Return the caller's key, if it sees only what came with it."""
    return caller.key_id if caller.is_narrow else None


Own = Annotated[UUID | None, Depends(_own)]


async def _wanted(
    own: Own,
    address: Annotated[
        str | None,
        Query(max_length=254, pattern=NO_CONTROLS, description="To this address, campaign mail too."),
    ] = None,
    status: RecipientStatus | None = None,
    channel: Channel | None = None,
    provider: Provider = None,
    tag: QueryTag = None,
    submission_id: Annotated[UUID | None, Query(description="Of one call.")] = None,
    created_after: After = None,
    created_before: Before = None,
    scheduled: Annotated[bool, Query(description="Only those whose time is yet to come.")] = False,
    q: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=search.MOST_CHARS,
            pattern=NO_CONTROLS,
            description="A message's id, the id that its provider gave it, its Message-ID, or a part of its subject,"
            f" within the last {search.DAYS} days unless created_after says, and {search.MOST_DAYS} days at most.",
        ),
    ] = None,
    delivery: Annotated[
        ReportStatus | None, Query(description="Texts of which their provider told this after it had taken them.")
    ] = None,
) -> Filter:
    text = (q and q.strip()) or None
    return search.bounded(
        Filter(
            address,
            status,
            channel,
            provider,
            tag,
            submission_id,
            created_after,
            created_before,
            scheduled,
            text,
            own,
            delivery,
        )
    )


Log = Annotated[MessageLog, Depends(_log)]
Messages = Annotated[MessageService, Depends(_messages)]
Steering = Annotated[MessageSteering, Depends(_steering)]
Wanted = Annotated[Filter, Depends(_wanted)]


@router.post("", status_code=201, dependencies=[_SENDER, audited("message.send")])
async def send_messages(
    body: Annotated[MessageIn, Body(openapi_examples={name: {"value": one} for name, one in EXAMPLES.items()})],
    messages: Messages,
    texts: Annotated[TextService, Depends(_texts)],
    settings: Annotated[Settings, service(Settings)],
    caller: Caller,
    own: Own,
    reserved: ReservedId,
    trail: Trail,
) -> SubmittedOut:
    """Send a message to each recipient, now or later; all or none are taken. An Idempotency-Key makes it repeatable."""
    archive = settings.message.archive
    who = {"created_by": caller.user_id, "key_id": own, "submission_id": reserved}
    check_senders(caller, [body.sender_address])
    if body.channel == "sms":
        submitted = await texts.submit(body.text_call(archive), **who)
    else:
        submitted = await messages.submit(body.submission(archive), **who)
    trail.target(submitted.submission_id, messages=len(submitted.messages))
    return SubmittedOut.of(submitted)


@router.get("")
async def list_messages(
    log: Log, wanted: Wanted, limit: Limit = DEFAULT_PAGE, cursor: Cursor = None
) -> Page[MessageOut]:
    """List messages, newest first; `status=UNCERTAIN` are those that somebody has to decide about."""
    rows, following = await log.page(wanted, cursor, limit)
    return Page(items=[MessageOut.of(row) for row in rows], next_cursor=following)


@router.get("/export.csv", dependencies=[_MARKETER, audited("message.export")], response_class=StreamingResponse)
async def export_messages(log: Log, wanted: Wanted, trail: Trail) -> StreamingResponse:
    """Download messages and what became of them as CSV, newest first."""
    trail.target(wanted.submission_id or "all", status=wanted.status, channel=wanted.channel)
    return csv_download(csv_chunks(_EXPORT_COLUMNS, _rows(log, wanted)), "messages.csv")


@router.get(
    "/export.zip",
    dependencies=[_MARKETER, audited("message.export_contents")],
    response_class=StreamingResponse,
    responses={200: {"content": {"application/zip": {}}}},
)
async def export_contents(log: Log, wanted: Wanted, trail: Trail) -> StreamingResponse:
    """Download what was sent, byte for byte, as files called by their ids: .eml, .txt; without what is not kept."""
    trail.target(wanted.submission_id or "all", status=wanted.status, channel=wanted.channel)
    return download(downloads.zipped(log.contents(wanted)), "application/zip", "messages.zip")


@router.get("/costs", dependencies=[_VIEWER])
async def get_costs(
    log: Log, created_after: After = None, created_before: Before = None, tag: QueryTag = None
) -> CostsOut:
    """Sum what messages without a campaign have cost, by provider, channel and currency; campaigns tell their own."""
    wanted = Filter(tag=tag, created_after=created_after, created_before=created_before)
    return CostsOut.of(await log.costs(wanted))


@router.get("/stats", dependencies=[_VIEWER])
async def get_message_stats(
    log: Log,
    interval: Interval = "hour",
    created_after: After = None,
    created_before: Before = None,
    provider: Provider = None,
    tag: QueryTag = None,
    channel: Channel | None = None,
) -> StatsOut:
    """Count messages without a campaign by the status they have now, hour by hour (the last 24) or day by day (30)."""
    span = Span.of(created_after, created_before, interval)
    return StatsOut.of(span, await log.stats(Filter(provider=provider, tag=tag, channel=channel), span))


@router.post("/cancel", dependencies=[_MARKETER, audited("message.cancel_many")])
async def cancel_messages(body: MessageSelection, steering: Steering, trail: Trail) -> CancelledMessages:
    """Keep all messages that match and wait from being sent, about 10,000 a call; `next_cursor` is for the next."""
    cancelled, following = await steering.cancel_many(body.to_filter(), body.cursor)
    trail.entry.detail.update(cancelled=cancelled, **body.model_dump(mode="json", exclude_defaults=True))
    return CancelledMessages(cancelled=cancelled, next_cursor=following)


@router.post("/resolve", dependencies=[_MARKETER, audited("message.resolve_many")])
async def resolve_messages(body: ResolveManyIn, steering: Steering, trail: Trail) -> ResolvedMessages:
    """Decide about all uncertain messages that match, about 10,000 a call; `next_cursor` is for the next."""
    resolved, following = await steering.resolve_many(body.to_filter(), body.resolution, body.cursor)
    trail.entry.detail.update(resolved=resolved, **body.model_dump(mode="json", exclude_defaults=True))
    return ResolvedMessages(resolved=resolved, next_cursor=following)


@router.get("/{message_id}")
async def get_message(message_id: UUID, log: Log, own: Own) -> MessageDetail:
    """Get a message, its provider's answer and its attempts; a campaign's mail by the id of its recipient."""
    return MessageDetail.of_all(await log.get_own(message_id, own), await log.attempts(message_id))


@router.get("/{message_id}/content", dependencies=[_MARKETER])
async def get_message_content(message_id: UUID, log: Log) -> MessageContent:
    """Get what was sent, taken apart; 404 `content_not_kept` when the archive has none."""
    return MessageContent.of(await log.content(message_id))


@router.get(
    "/{message_id}/raw",
    dependencies=[_MARKETER],
    response_class=Response,
    responses={200: {"content": {"message/rfc822": {}, "text/plain": {}}}},
)
async def get_raw_message(message_id: UUID, log: Log) -> Response:
    """Download what was sent, byte for byte."""
    row = await log.content(message_id)
    headers = {
        "Content-Disposition": f'attachment; filename="{downloads.file_name(message_id, row["channel"])}"',
        "X-Content-Type-Options": "nosniff",
    }
    return Response(row["content"], media_type=downloads.MEDIA_TYPES[row["channel"]], headers=headers)


@router.post("/{message_id}/cancel", dependencies=[_SENDER, audited("message.cancel", target="message_id")])
async def cancel_message(message_id: UUID, log: Log, own: Own, steering: Steering) -> MessageOut:
    """Keep a message that waits from being sent; 409 `message_not_cancellable` once it is on its way."""
    await log.get_own(message_id, own)
    return MessageOut.of(await steering.cancel(message_id))


@router.post("/{message_id}/resend", dependencies=[_MARKETER, audited("message.resend", target="message_id")])
async def resend_message(message_id: UUID, steering: Steering) -> MessageOut:
    """Send a message that failed again, as it is; 409 `message_words_not_kept` when its words are gone."""
    return MessageOut.of(await steering.resend(message_id))


@router.post("/{message_id}/resolve", dependencies=[_MARKETER, audited("message.resolve", target="message_id")])
async def resolve_message(message_id: UUID, body: ResolveIn, steering: Steering, trail: Trail) -> MessageOut:
    """Decide about an uncertain message: it was sent, it failed, or send it again."""
    row = await steering.resolve(message_id, body.resolution)
    trail.target(message_id, resolution=body.resolution)
    return MessageOut.of(row)


async def _rows(log: MessageLog, wanted: Filter) -> AsyncIterator[list[object]]:
    async for row in log.export(wanted):
        cells = dict(row) | {"tags": " ".join(row["tags"] or ())}
        yield [_cell(cells[name]) for name in _EXPORT_COLUMNS]


def _cell(value: object) -> object:
    return value.isoformat() if hasattr(value, "isoformat") else value
