"""Routes of webhooks. They are for administrators: whoever sets an address has what it tells sent there."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from taskflow.base.pagination import Page
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine.webhooks.repository import WebhookReader
from taskflow.engine.webhooks.schemas import DeliveryOut, NewWebhook, WebhookChange, WebhookOut, WebhookSecret
from taskflow.engine.webhooks.service import WebhookService
from taskflow.identity.access import DEFAULT_PAGE, Caller, Cursor, Limit, Trail, audited, require, service
from taskflow.identity.models import Role
from taskflow.settings import Settings

router = APIRouter(prefix="/webhooks", tags=["webhooks"], dependencies=[require(Role.ADMIN)])


async def _webhooks(
    database: Annotated[Database, service(Database)],
    broker: Annotated[RedisBroker, service(RedisBroker)],
    settings: Annotated[Settings, service(Settings)],
) -> WebhookService:
    return WebhookService(database, broker, settings)


async def _reader(database: Annotated[Database, service(Database)]) -> WebhookReader:
    return WebhookReader(database.pool)


Webhooks = Annotated[WebhookService, Depends(_webhooks)]
Reader = Annotated[WebhookReader, Depends(_reader)]


@router.post("", status_code=201, dependencies=[audited("webhook.create")])
async def create_webhook(body: NewWebhook, caller: Caller, webhooks: Webhooks, trail: Trail) -> WebhookSecret:
    """Make a webhook; its secret is in this answer and nowhere else."""
    made = await webhooks.create(body.model_dump(mode="json"), created_by=caller.user_id)
    trail.target(made.row["webhook_id"], url=body.url)
    return WebhookSecret.with_secret(made.row, made.secret)


@router.get("")
async def list_webhooks(reader: Reader, limit: Limit = DEFAULT_PAGE, cursor: Cursor = None) -> Page[WebhookOut]:
    """List webhooks, newest first."""
    rows, following = await reader.list_webhooks(cursor, limit)
    return Page(items=[WebhookOut.of(row) for row in rows], next_cursor=following)


@router.get("/{webhook_id}")
async def get_webhook(webhook_id: UUID, reader: Reader) -> WebhookOut:
    """Get a webhook."""
    return WebhookOut.of(await reader.webhook(webhook_id))


@router.patch("/{webhook_id}", dependencies=[audited("webhook.update", target="webhook_id")])
async def update_webhook(webhook_id: UUID, body: WebhookChange, webhooks: Webhooks, trail: Trail) -> WebhookOut:
    """Change a webhook, disable it or let it begin anew."""
    changes = body.model_dump(mode="json", exclude_none=True)
    trail.target(webhook_id, changed=sorted(changes))
    return WebhookOut.of(await webhooks.update(webhook_id, changes))


@router.delete("/{webhook_id}", status_code=204, dependencies=[audited("webhook.delete", target="webhook_id")])
async def delete_webhook(webhook_id: UUID, webhooks: Webhooks, trail: Trail) -> Response:
    """Delete a webhook and the list of what it delivered; what is under way is not sent any more."""
    trail.target(webhook_id, url=await webhooks.delete(webhook_id))
    return Response(status_code=204)


@router.post("/{webhook_id}/rotate", dependencies=[audited("webhook.rotate", target="webhook_id")])
async def rotate_webhook_secret(webhook_id: UUID, webhooks: Webhooks) -> WebhookSecret:
    """Give a webhook a new secret; for a day the old one signs beside it."""
    made = await webhooks.rotate(webhook_id)
    return WebhookSecret.with_secret(made.row, made.secret)


@router.post("/{webhook_id}/test", status_code=201, dependencies=[audited("webhook.test", target="webhook_id")])
async def test_webhook(webhook_id: UUID, webhooks: Webhooks) -> DeliveryOut:
    """Send a message of type `webhook.test`."""
    return DeliveryOut.of(await webhooks.test(webhook_id))


@router.get("/{webhook_id}/deliveries")
async def list_deliveries(
    webhook_id: UUID,
    reader: Reader,
    delivered: Annotated[bool | None, Query(description="Only those that were, or only the others.")] = None,
    limit: Limit = DEFAULT_PAGE,
    cursor: Cursor = None,
) -> Page[DeliveryOut]:
    """List what a webhook delivers, newest first."""
    rows, following = await reader.list_deliveries(webhook_id, delivered, cursor, limit)
    return Page(items=[DeliveryOut.of(row) for row in rows], next_cursor=following)


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/replay", dependencies=[audited("webhook.replay", target="delivery_id")]
)
async def replay_delivery(webhook_id: UUID, delivery_id: UUID, webhooks: Webhooks) -> DeliveryOut:
    """Deliver a message again, under its old id."""
    return DeliveryOut.of(await webhooks.replay(webhook_id, delivery_id))
