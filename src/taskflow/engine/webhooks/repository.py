"""Reads webhooks and what they delivered."""

from uuid import UUID

import asyncpg

from taskflow.base.errors import NotFoundError
from taskflow.db.pool import Pool
from taskflow.db.queries import load
from taskflow.engine.repository import Rows, before, page

sql = load(__file__)


class WebhookNotFoundError(NotFoundError):
    """There is no such webhook."""

    code = "webhook_not_found"


class DeliveryNotFoundError(NotFoundError):
    """There is no such delivery."""

    code = "delivery_not_found"


class WebhookReader:
    """Reading statements over the ordinary pool."""

    def __init__(self, pool: Pool) -> None:
        """Take the pool."""
        self._pool = pool

    async def webhook(self, webhook_id: UUID) -> asyncpg.Record:
        """Return a webhook's row, or raise WebhookNotFoundError."""
        return found(await self._pool.fetchrow(sql.get_webhook, webhook_id), webhook_id)

    async def list_webhooks(self, cursor: str | None, limit: int) -> tuple[Rows, str | None]:
        """Return a page of webhooks, newest first."""
        return page(await self._pool.fetch(sql.list_webhooks, before(cursor), limit + 1), limit, "webhook_id")

    async def list_deliveries(
        self, webhook_id: UUID, delivered: bool | None, cursor: str | None, limit: int
    ) -> tuple[Rows, str | None]:
        """Return a page of what a webhook delivers, newest first."""
        await self.webhook(webhook_id)
        rows = await self._pool.fetch(sql.list_deliveries, webhook_id, delivered, before(cursor), limit + 1)
        return page(rows, limit, "delivery_id")

    async def delivery(self, webhook_id: UUID, delivery_id: UUID) -> asyncpg.Record:
        """Return a delivery with its task's status, or raise DeliveryNotFoundError."""
        row = await self._pool.fetchrow(sql.get_delivery, webhook_id, delivery_id)
        if row is None:
            raise DeliveryNotFoundError(f"This webhook has no delivery {delivery_id}.", delivery_id=str(delivery_id))
        return row


def found(row: asyncpg.Record | None, webhook_id: UUID) -> asyncpg.Record:
    """Return the row, or raise WebhookNotFoundError."""
    if row is None:
        raise WebhookNotFoundError(f"There is no webhook {webhook_id}.", webhook_id=str(webhook_id))
    return row
