"""What crosses HTTP about replies, reports and keywords."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from taskflow.base.bodies import Body, RowOut
from taskflow.delivery.outcome import Cause
from taskflow.delivery.providers.sms.hooks import ReportStatus
from taskflow.delivery.sms.inbound.keywords import Action


class SmsReply(RowOut):
    """A text that somebody sent to us."""

    reply_id: UUID
    kind: str = Field(description="Of the provider that told it.")
    sender: str = Field(description="In E.164; names and short codes as they came.")
    recipient: str
    body: str
    action: Action | None = Field(description="What its keyword asks for; null: it is no keyword.")
    contact_id: UUID | None
    occurred_at: datetime = Field(description="When it was written, as far as the provider says.")
    received_at: datetime


class SmsReport(RowOut):
    """What a provider said of a text that it had taken."""

    report_id: UUID
    kind: str
    provider_id: str = Field(description="The provider's id of the text.")
    message_id: UUID | None = Field(description="Ours, where the provider hands it back.")
    recipient: str | None
    status: ReportStatus
    cause: Cause | None = Field(description="Of a failure, in words that all providers share.")
    code: str = Field(description="The provider's own word.")
    detail: str | None
    received_at: datetime


class SmsStanding(BaseModel):
    """How far a text has come."""

    kind: str
    provider_id: str
    message_id: UUID | None
    status: ReportStatus
    cause: Cause | None
    code: str
    received_at: datetime


class SmsKeyword(Body):
    """A word that means something when it is all that somebody writes."""

    keyword: Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=r"^[^\x00-\x1f\x7f]+$")] = Field(
        description="Case, spaces and punctuation do not count.", examples=["stop"]
    )
    action: Action
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})?$", max_length=10)] = "en"


class SmsHook(BaseModel):
    """Where a kind of provider, or one provider, is to post what it tells."""

    kind: str
    provider: str | None = Field(description="The one that it is for; null: all of its kind.")
    url: str = Field(
        description="Keep it to yourself: who knows it is believed. Twilio signs, its address is no secret."
    )
    is_ready: bool = Field(description="false: no provider here has Twilio's account token, nor have the settings.")
