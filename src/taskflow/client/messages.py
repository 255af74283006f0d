"""Messages without a campaign: sent, found, cancelled, resolved."""

from collections.abc import AsyncGenerator, AsyncIterator
from datetime import datetime
from typing import Literal, Unpack
from uuid import UUID

from taskflow.client import wire
from taskflow.client.fields import MessageFields, MessageSelectionFields
from taskflow.client.link import Link
from taskflow.client.wire import LONG_SECONDS, MessageFilter
from taskflow.delivery.messages.schemas import CostsOut, MessageContent, MessageDetail, MessageOut, SubmittedOut
from taskflow.delivery.messages.selection import CancelledMessages, ResolvedMessages
from taskflow.delivery.messages.stats import StatsOut


class Messages:
    """Single messages, and what became of them."""

    def __init__(self, link: Link) -> None:
        """Speak over `link`."""
        self._link = link

    async def send(self, *, idempotency_key: str | None = None, **message: Unpack[MessageFields]) -> SubmittedOut:
        """Send a mail, or with `channel="sms"` a text, to each recipient, now or later; all or none are taken.

        `idempotency_key`: within a day, the same call under the same key returns the messages of the first and sends
        nothing: a program that died does not know whether it had sent.

        Raises:
            InvalidInputError: somebody cannot be written to, or a message not be made; `context["index"]` says whose.
                The key is no printable ASCII of at most 255 characters, or was used with another call.
            ConflictError: the first call with this key is still under way.
        """
        return await self._link.ask(SubmittedOut, "POST", "/messages", message, key=idempotency_key)

    async def get(self, message_id: UUID) -> MessageDetail:
        """Return a message, its provider's answer and its attempts; a campaign's by the id of its recipient."""
        return await self._link.look(MessageDetail, f"/messages/{message_id}")

    async def content(self, message_id: UUID) -> MessageContent:
        """Return what was sent; NotFoundError (`content_not_kept`) when the archive has none."""
        return await self._link.look(MessageContent, f"/messages/{message_id}/content")

    def raw(self, message_id: UUID) -> AsyncGenerator[bytes]:
        """Iterate over the bytes of what was sent; NotFoundError (`content_not_kept`) when the archive has none."""
        return self._link.stream(f"/messages/{message_id}/raw")

    def find(self, **which: Unpack[MessageFilter]) -> AsyncIterator[MessageOut]:
        """Iterate over messages, newest first; with an address also over what campaigns sent there."""
        return self._link.pages(MessageOut, "/messages", **wire.messages(which))

    async def stats(
        self,
        interval: Literal["hour", "day"] = "hour",
        *,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        provider: str | None = None,
        tag: str | None = None,
        channel: Literal["email", "sms"] | None = None,
    ) -> StatsOut:
        """Count messages without a campaign by status: of the last 24 hours, or by day of the last 30 days."""
        return await self._link.look(
            StatsOut,
            "/messages/stats",
            interval=interval,
            created_after=created_after,
            created_before=created_before,
            provider=provider,
            tag=tag,
            channel=channel,
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

    async def cancel_many(self, **which: Unpack[MessageSelectionFields]) -> CancelledMessages:
        """Keep all that match and wait from being sent; `next_cursor`: there may be more, call again with it."""
        return await self._link.ask(CancelledMessages, "POST", "/messages/cancel", which, seconds=LONG_SECONDS)

    async def resend(self, message_id: UUID) -> MessageOut:
        """Send a message that failed again, as it is; ConflictError when it has not, or its words are gone."""
        return await self._link.ask(MessageOut, "POST", f"/messages/{message_id}/resend")

    async def resolve(self, message_id: UUID, resolution: Literal["sent", "failed", "resend"]) -> MessageOut:
        """Decide about an uncertain message."""
        path, body = f"/messages/{message_id}/resolve", {"resolution": resolution}
        return await self._link.ask(MessageOut, "POST", path, body, repeatable=False)

    async def resolve_many(
        self, resolution: Literal["sent", "failed", "resend"], **which: Unpack[MessageSelectionFields]
    ) -> ResolvedMessages:
        """Decide about all uncertain messages that match; `next_cursor`: there may be more, call again with it."""
        body = {**which, "resolution": resolution}
        return await self._link.ask(
            ResolvedMessages, "POST", "/messages/resolve", body, repeatable=False, seconds=LONG_SECONDS
        )

    def export(self, *, content: bool = False, **which: Unpack[MessageFilter]) -> AsyncGenerator[bytes]:
        """Iterate over the bytes of a CSV file with messages, newest first; `which` as in `find`.

        `content`: of a ZIP archive instead, with what was sent as it is kept: ID.eml, ID.txt.
        """
        path = "/messages/export.zip" if content else "/messages/export.csv"
        return self._link.stream(path, **wire.messages(which))
