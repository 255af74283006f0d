"""What crosses HTTP about messages."""

from datetime import UTC, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

import asyncpg
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from taskflow.base.bodies import Body, Instant
from taskflow.content.fields import NO_CONTROLS, Address, Line, Locale, Source, Variables
from taskflow.content.templates.models import Attachment
from taskflow.content.templates.schemas import MAX_ATTACHMENTS, AttachmentIn
from taskflow.delivery.messages.models import MAX_RECIPIENTS, Archive, Letter, Recipient, Submission
from taskflow.delivery.messages.service import Submitted
from taskflow.delivery.sandbox.schemas import MailHeader
from taskflow.delivery.sandbox.service import take_apart
from taskflow.delivery.states import RecipientStatus
from taskflow.engine.states import Priority

Tag = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=NO_CONTROLS)]
Subject = Annotated[str, StringConstraints(min_length=1, max_length=998, pattern=NO_CONTROLS)]
Words = Annotated[Source, Field(min_length=1)]
HeaderValue = Annotated[str, StringConstraints(min_length=1, max_length=998)]
Channel = Literal["email", "sms"]


class RecipientIn(Body):
    """Whom a message is for."""

    address: Address
    name: Line | None = None
    locale: Locale | None = Field(None, description="Which variant of the template they read.")
    variables: Variables = Field({}, description="Their values; they win over those of the call.")

    def recipient(self) -> Recipient:
        """Return it as the service takes it."""
        return Recipient(self.address, self.name, self.locale, self.variables)


class MessageIn(Body):
    """One letter to up to 1,000 recipients: a message each, of a template or of own words (Jinja2)."""

    channel: Channel = "email"
    to: list[RecipientIn | Address] = Field(
        min_length=1, max_length=MAX_RECIPIENTS, fail_fast=True, description="Addresses, or addresses with values."
    )
    from_email: Address
    from_name: Line | None = None
    reply_to: Address | None = None
    template_id: UUID | None = Field(None, description="A template of the library, instead of own words.")
    template_version: int | None = Field(None, ge=1, le=2**31 - 1, description="The newest by default.")
    subject: Subject | None = Field(None, description="Own words.")
    html: Words | None = Field(None, description="Own words.")
    text: Words | None = Field(None, description="Own words; made from the HTML when absent.")
    variables: Variables = Field({}, description="Values for every recipient; their own win.")
    headers: dict[str, HeaderValue] = Field(
        {}, description="Further headers: X-…, In-Reply-To, References, List-Unsubscribe and a few more."
    )
    attachments: list[AttachmentIn] = Field([], max_length=MAX_ATTACHMENTS, fail_fast=True)
    tags: list[Tag] = Field([], max_length=20, description="To find them by.")
    scheduled_at: Instant | None = Field(None, description="Send then; at once by default.")
    expires_at: Instant | None = Field(
        None, description="Do not send it later than this: a code that nobody needs then."
    )
    priority: Literal["CRITICAL", "HIGH"] = Field("HIGH", description="CRITICAL goes first.")
    uncertain_policy: Literal["hold", "resend"] = Field(
        "resend",
        description="What to do with a message that was on the wire when its sender died: list it, or send it again.",
    )
    archive: Archive | None = Field(
        None, description="What is kept of the words: none, metadata (the subject), full; what the settings say."
    )

    @model_validator(mode="after")
    def check_words(self) -> Self:
        """Demand a template or own words."""
        own = self.html is not None or self.text is not None
        if self.template_id is not None and (own or self.subject is not None):
            raise ValueError("give template_id, or subject with html or text, not both")
        if self.template_id is None and (not own or self.subject is None or self.template_version is not None):
            raise ValueError("give template_id, or subject with html or text")
        return self

    @model_validator(mode="after")
    def check_times(self) -> Self:
        """Demand a time in which it can be sent."""
        if self.expires_at is not None and self.expires_at <= (self.scheduled_at or datetime.now(UTC)):
            raise ValueError("expires_at is before it can be sent")
        return self

    def submission(self, archive: Archive) -> Submission:
        """Return it as the service takes it; `archive` is what the settings say."""
        letter = Letter(
            self.from_email,
            self.from_name,
            self.reply_to,
            self.subject,
            self.html,
            self.text,
            self.variables,
            self.headers,
            tuple(Attachment(**dict(file)) for file in self.attachments),
        )
        return Submission(
            letter,
            [one.recipient() if isinstance(one, RecipientIn) else Recipient(one) for one in self.to],
            template_id=self.template_id,
            template_version=self.template_version,
            tags=tuple(dict.fromkeys(self.tags)),
            scheduled_at=self.scheduled_at,
            priority=Priority.parse(self.priority),
            uncertain_policy=self.uncertain_policy,
            expires_at=self.expires_at,
            archive=min(archive, self.archive or archive, key=_KEEPS.index),
        )


_KEEPS = ("none", "metadata", "full")


class AcceptedOut(BaseModel):
    """A message that was taken."""

    model_config = ConfigDict(from_attributes=True)

    message_id: UUID
    address: str
    status: str


class SubmittedOut(BaseModel):
    """What a call became: a message for each recipient, in their order."""

    submission_id: UUID
    messages: list[AcceptedOut]

    @classmethod
    def of(cls, submitted: Submitted) -> Self:
        """Return it as JSON."""
        return cls(submission_id=submitted.submission_id, messages=[AcceptedOut(**row) for row in submitted.messages])


class MessageOut(BaseModel):
    """A message and what became of it."""

    message_id: UUID
    campaign_id: UUID | None = Field(description="Of a campaign's mail.")
    submission_id: UUID | None = Field(description="The call that it came with.")
    task_id: UUID
    channel: Channel
    address: str
    from_address: str
    subject: str | None = Field(description="As sent; null before.")
    tags: list[str]
    template_id: UUID | None
    template_version: int | None
    status: RecipientStatus
    attempt: int
    provider: str | None
    provider_message_id: str | None
    reply: str | None = Field(description="What the provider answered, whole.")
    error_message: str | None
    bounce_reason: str | None
    size_bytes: int | None
    cost: float | None
    uncertain_policy: str
    created_at: datetime
    scheduled_at: datetime | None
    sending_at: datetime | None
    sent_at: datetime | None

    @classmethod
    def of(cls, row: asyncpg.Record) -> Self:
        """Return a row as JSON."""
        return cls.model_validate(_fields(row))


class AttemptOut(BaseModel):
    """One attempt of a message's task; one may end without an attempt at the provider, when it was handed back."""

    model_config = ConfigDict(from_attributes=True)

    attempt_number: int
    started_at: datetime
    completed_at: datetime | None
    duration_seconds: float | None
    status: str
    error_message: str | None


class MessageDetail(MessageOut):
    """A message with its attempts."""

    name: str | None
    locale: str | None
    expires_at: datetime | None = Field(description="When it is too late to send it.")
    source: Literal["api", "smtp"] | None = Field(description="Null when what it came with is not kept any more.")
    attempts: list[AttemptOut]

    @classmethod
    def of_all(cls, row: asyncpg.Record, attempts: list[asyncpg.Record]) -> Self:
        """Put a message and its attempts together."""
        return cls.model_validate(_fields(row) | {"attempts": [AttemptOut(**attempt) for attempt in attempts]})


class MessageContent(BaseModel):
    """What was sent, taken apart."""

    message_id: UUID
    headers: list[MailHeader]
    text: str | None
    html: str | None = Field(description="As it was sent: show it in a sandboxed frame only.")
    size_bytes: int

    @classmethod
    def of(cls, row: asyncpg.Record) -> Self:
        """Take a kept message apart."""
        headers, text, html = take_apart(row["content"])
        return cls(message_id=row["message_id"], headers=headers, text=text, html=html, size_bytes=len(row["content"]))


class ResolveIn(Body):
    """What to do with an uncertain message."""

    resolution: Literal["sent", "failed", "resend"] = Field(
        description="It arrived; it did not; send it again, which may be a second time."
    )


def _fields(row: asyncpg.Record) -> dict[str, object]:
    return dict(row) | {"tags": row["tags"] or []}
