"""Messages without a campaign: sent, found, cancelled, resolved."""

from collections.abc import AsyncGenerator, AsyncIterator
from datetime import datetime
from typing import Literal, Unpack
from uuid import UUID

from taskflow.client.fields import MessageFields
from taskflow.client.link import Link
from taskflow.delivery.messages.schemas import CostsOut, MessageContent, MessageDetail, MessageOut, SubmittedOut


class Messages:
    """Single messages, and what became of them."""

    def __init__(self, link: Link) -> None:
        """Speak over `link`."""
        self._link = link

    async def send(self, **message: Unpack[MessageFields]) -> SubmittedOut:
        """Send a mail, or with `channel="sms"` a text, to each recipient, now or later; all or none are taken.

        Raises:
            InvalidInputError: somebody cannot be written to, or a message not be made; `context["index"]` says whose.
        """
        return await self._link.ask(SubmittedOut, "POST", "/messages", message)

    async def get(self, message_id: UUID) -> MessageDetail:
        """Return a message, its provider's answer and its attempts."""
        return await self._link.look(MessageDetail, f"/messages/{message_id}")

    async def content(self, message_id: UUID) -> MessageContent:
        """Return what was sent; NotFoundError (`content_not_kept`) when the archive has none."""
        return await self._link.look(MessageContent, f"/messages/{message_id}/content")

    def find(
        self,
        *,
        address: str | None = None,
        status: str | None = None,
        channel: Literal["email", "sms"] | None = None,
        tag: str | None = None,
        provider: str | None = None,
        submission_id: UUID | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        delivery: Literal["sent", "delivered", "failed"] | None = None,
    ) -> AsyncIterator[MessageOut]:
        """Iterate over messages, newest first; with an address also over what campaigns sent there.

        `delivery`: texts of which their provider told this after it had taken them.
        """
        return self._link.pages(
            MessageOut,
            "/messages",
            address=address,
            status=status,
            channel=channel,
            tag=tag,
            provider=provider,
            submission_id=submission_id,
            created_after=created_after,
            created_before=created_before,
            delivery=delivery,
        )

    async def costs(
        self, *, created_after: datetime | None = None, created_before: datetime | None = None, tag: str | None = None
    ) -> CostsOut:
        """Return what messages without a campaign have cost, by provider, channel and currency."""
        return await self._link.look(
            CostsOut, "/messages/costs", created_after=created_after, created_before=created_before, tag=tag
        )

    async def cancel(self, message_id: UUID) -> MessageOut:
        """Keep a message that waits from being sent; ConflictError once it is on its way."""
        return await self._link.ask(MessageOut, "POST", f"/messages/{message_id}/cancel")

    async def resend(self, message_id: UUID) -> MessageOut:
        """Send a message that failed again, as it is; ConflictError when it has not, or its words are gone."""
        return await self._link.ask(MessageOut, "POST", f"/messages/{message_id}/resend")

    async def resolve(self, message_id: UUID, resolution: Literal["sent", "failed", "resend"]) -> MessageOut:
        """Decide about an uncertain message."""
        return await self._link.ask(MessageOut, "POST", f"/messages/{message_id}/resolve", {"resolution": resolution})

    def export(self, *, status: str | None = None, tag: str | None = None) -> AsyncGenerator[bytes]:
        """Iterate over the bytes of a CSV file with messages, newest first."""
        return self._link.stream("/messages/export.csv", status=status, tag=tag)
