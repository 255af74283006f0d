"""Webhooks: who is told of ends of tasks and messages."""

from collections.abc import AsyncIterator
from typing import Unpack
from uuid import UUID

from taskflow.client.fields import NewWebhookFields, WebhookChangeFields
from taskflow.client.link import Link
from taskflow.engine.webhooks.schemas import DeliveryOut, WebhookOut, WebhookSecret


class Webhooks:
    """Who is told of what. For administrators."""

    def __init__(self, link: Link) -> None:
        """Speak over `link`."""
        self._link = link

    async def add(self, **webhook: Unpack[NewWebhookFields]) -> WebhookSecret:
        """Make a webhook; its `secret` is in this answer and nowhere else."""
        return await self._link.ask(WebhookSecret, "POST", "/webhooks", webhook, repeatable=False)

    async def get(self, webhook_id: UUID) -> WebhookOut:
        """Return a webhook."""
        return await self._link.look(WebhookOut, f"/webhooks/{webhook_id}")

    def find(self) -> AsyncIterator[WebhookOut]:
        """Iterate over webhooks, newest first."""
        return self._link.pages(WebhookOut, "/webhooks")

    async def change(self, webhook_id: UUID, **changes: Unpack[WebhookChangeFields]) -> WebhookOut:
        """Change a webhook; `enabled=True` also forgets its failures so far."""
        return await self._link.ask(WebhookOut, "PATCH", f"/webhooks/{webhook_id}", changes)

    async def rotate(self, webhook_id: UUID) -> WebhookSecret:
        """Give a webhook a new secret; for a day the old one signs beside it."""
        return await self._link.ask(WebhookSecret, "POST", f"/webhooks/{webhook_id}/rotate", repeatable=False)

    async def test(self, webhook_id: UUID) -> DeliveryOut:
        """Send a message of type `webhook.test`."""
        return await self._link.ask(DeliveryOut, "POST", f"/webhooks/{webhook_id}/test", repeatable=False)

    def deliveries(self, webhook_id: UUID, *, delivered: bool | None = None) -> AsyncIterator[DeliveryOut]:
        """Iterate over what a webhook delivers, newest first; only those that were `delivered`, or only the others."""
        return self._link.pages(DeliveryOut, f"/webhooks/{webhook_id}/deliveries", delivered=delivered)

    async def replay(self, webhook_id: UUID, delivery_id: UUID) -> DeliveryOut:
        """Deliver a message again, under its old id."""
        path = f"/webhooks/{webhook_id}/deliveries/{delivery_id}/replay"
        return await self._link.ask(DeliveryOut, "POST", path, repeatable=False)

    async def delete(self, webhook_id: UUID) -> None:
        """Delete a webhook and the list of what it delivered; what is under way is not sent any more."""
        await self._link.tell("DELETE", f"/webhooks/{webhook_id}")
