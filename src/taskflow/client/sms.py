"""What texts will be, their DLT templates, and what comes back."""

from collections.abc import AsyncIterator
from typing import Literal, Unpack
from uuid import UUID

from taskflow.client.fields import NewSmsTemplateFields, SmsPreviewFields
from taskflow.client.link import Link
from taskflow.delivery.sms.inbound.schemas import SmsReply, SmsReport
from taskflow.delivery.sms.preview.schemas import SmsPreviewOut
from taskflow.delivery.sms.templates.schemas import SmsTemplateOut


class Sms:
    """Texts around their sending; `messages.send(channel="sms", …)` sends them."""

    def __init__(self, link: Link) -> None:
        """Speak over `link`."""
        self._link = link

    async def preview(self, **text: Unpack[SmsPreviewFields]) -> SmsPreviewOut:
        """Say into how many parts a text falls, why, and what it costs; and whether it is its DLT template."""
        return await self._link.ask(SmsPreviewOut, "POST", "/sms/preview", text)

    async def add_template(self, **template: Unpack[NewSmsTemplateFields]) -> SmsTemplateOut:
        """Keep a template that is registered on DLT.

        Raises:
            ConflictError: another one has its name, or its id and header.
        """
        return await self._link.ask(SmsTemplateOut, "POST", "/sms/templates", template)

    async def template(self, sms_template_id: UUID) -> SmsTemplateOut:
        """Return a DLT template."""
        return await self._link.look(SmsTemplateOut, f"/sms/templates/{sms_template_id}")

    def templates(self, *, search: str | None = None) -> AsyncIterator[SmsTemplateOut]:
        """Iterate over DLT templates by name; `search` is part of the name or the text."""
        return self._link.pages(SmsTemplateOut, "/sms/templates", search=search)

    async def delete_template(self, sms_template_id: UUID) -> None:
        """Forget a DLT template; what was sent under it keeps what it needs."""
        await self._link.tell("DELETE", f"/sms/templates/{sms_template_id}")

    def replies(
        self, *, action: Literal["stop", "start", "help"] | None = None, sender: str | None = None
    ) -> AsyncIterator[SmsReply]:
        """Iterate over texts that people sent, newest first."""
        return self._link.pages(SmsReply, "/sms/replies", action=action, sender=sender)

    def reports(
        self, *, message_id: UUID | None = None, status: Literal["sent", "delivered", "failed"] | None = None
    ) -> AsyncIterator[SmsReport]:
        """Iterate over delivery reports, newest first."""
        return self._link.pages(SmsReport, "/sms/reports", message_id=message_id, status=status)
