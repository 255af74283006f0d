"""What crosses HTTP about messages."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

import asyncpg
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints, model_validator

from taskflow.audience.channels import Channel
from taskflow.base.bodies import Body, Instant
from taskflow.content.fields import NO_CONTROLS, Address, Line, Locale, Source, Variables
from taskflow.content.templates.schemas import MAX_ATTACHMENTS
from taskflow.delivery import addresses
from taskflow.delivery.messages import attachments as attached
from taskflow.delivery.messages.attachments import MessageAttachmentIn
from taskflow.delivery.messages.models import (
    MAX_COPIES,
    MAX_RECIPIENTS,
    Archive,
    Letter,
    Policy,
    Recipient,
    Role,
    Submission,
)
from taskflow.delivery.messages.service import Submitted
from taskflow.delivery.messages.texts import TextCall, TextRecipient
from taskflow.delivery.outcome import Cause
from taskflow.delivery.providers.sms.hooks import ReportStatus
from taskflow.delivery.providers.sms.sender import SENDER
from taskflow.delivery.sandbox.schemas import MailHeader
from taskflow.delivery.sandbox.service import take_apart
from taskflow.delivery.sms.templates.repository import id_or_name
from taskflow.delivery.sms.templates.schemas import Value
from taskflow.delivery.states import RecipientStatus
from taskflow.engine.states import Priority

Tag = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=NO_CONTROLS)]
Subject = Annotated[str, StringConstraints(min_length=1, max_length=998, pattern=NO_CONTROLS)]
Words = Annotated[Source, Field(min_length=1)]
HeaderValue = Annotated[str, StringConstraints(min_length=1, max_length=998)]
Encoding = Literal["gsm7", "ucs2"]
Sender = Annotated[str, StringConstraints(strip_whitespace=True, pattern=f"^({SENDER.pattern})$")]
Values = Annotated[list[Value], Field(max_length=100, fail_fast=True)]


class RecipientIn(Body):
    """Whom a message is for."""

    address: Address = Field(description="Of a text, a number: +491711234567.")
    name: Line | None = None
    locale: Locale | None = Field(None, description="Which variant of the template they read.")
    variables: Variables = Field({}, description="Their values; they win over those of the call.")
    values: Values | None = Field(None, description="Theirs for the DLT template, instead of those of the call.")

    def recipient(self) -> Recipient:
        """Return it as the service takes it."""
        return Recipient(self.address, self.name, self.locale, self.variables)

    def text_recipient(self) -> TextRecipient:
        """Return it as the service of texts takes it."""
        return TextRecipient(self.address, self.name, self.locale, self.variables, self.values)


class CopyIn(Body):
    """Who gets a copy of a mail."""

    address: Address
    name: Line | None = None

    def recipient(self, role: Role, to: Recipient) -> Recipient:
        """Return them as the service takes them: they read what the addressee reads."""
        return replace(to, address=self.address, name=self.name, role=role)


class MessageIn(Body):
    """One letter or text to up to 1,000 recipients: a message each, of a template or of own words (Jinja2).

    Only of mail: from_email (always), from_name, reply_to, cc, bcc, subject, html, headers, attachments. Only of texts:
    sender, plain, dlt_template, values.
    """

    channel: Channel = Channel.EMAIL
    to: list[RecipientIn | Address] = Field(
        min_length=1,
        max_length=MAX_RECIPIENTS,
        fail_fast=True,
        description="Addresses or numbers, or with values.",
    )
    cc: list[CopyIn | Address] = Field(
        [], max_length=MAX_COPIES, fail_fast=True, description="Get a copy of a mail to one, and are named in it."
    )
    bcc: list[CopyIn | Address] = Field(
        [], max_length=MAX_COPIES, fail_fast=True, description="The same, and are not named."
    )
    from_email: Address | None = Field(None, description="Who writes a mail.")
    from_name: Line | None = None
    reply_to: Address | None = None
    template_id: UUID | None = Field(None, description="A template of the library, instead of own words.")
    template_version: int | None = Field(None, ge=1, le=2**31 - 1, description="The newest by default.")
    subject: Subject | None = Field(None, description="Own words.")
    html: Words | None = Field(None, description="Own words.")
    text: Words | None = Field(None, description="Own words; made from the HTML when absent.")
    variables: Variables = Field({}, description="Values for every recipient; their own win.")
    sender: Sender | None = Field(None, description="Who writes a text: a number or a name; the provider's by default.")
    promotional: StrictBool = Field(
        False,
        description="Nobody waits for it: mail is bulk and has an unsubscribe link, a text under DLT its hours.",
    )
    plain: StrictBool = Field(False, description="Write typographic quotes, dashes and the like as a typewriter does.")
    dlt_template: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = Field(
        None, description="A DLT template by name or id: filled with `values`, or compared with the words."
    )
    values: Values | None = Field(None, description="For the {#var#} of the DLT template, in order.")
    headers: dict[str, HeaderValue] = Field(
        {}, description="Further headers: X-…, In-Reply-To, References, List-Unsubscribe and a few more."
    )
    attachments: list[MessageAttachmentIn] = Field([], max_length=MAX_ATTACHMENTS, fail_fast=True)
    tags: list[Tag] = Field([], max_length=20, description="To find them by.")
    scheduled_at: Instant | None = Field(None, description="Send then; at once by default.")
    expires_at: Instant | None = Field(
        None, description="Do not send it later than this: a code that nobody needs then."
    )
    priority: Literal["CRITICAL", "HIGH"] = Field("HIGH", description="CRITICAL goes first.")
    uncertain_policy: Policy = Field(
        "resend",
        description="What to do with a message that was perhaps taken: list it, send it again, or ask its provider.",
    )
    archive: Archive | None = Field(
        None, description="What is kept of the words: none, metadata (the subject), full; what the settings say."
    )

    @model_validator(mode="after")
    def check_words(self) -> Self:
        """Demand what the channel needs, and nothing of the other."""
        of_other = _ONLY_SMS if self.channel == "email" else _ONLY_EMAIL
        if misplaced := sorted(name for name in of_other if getattr(self, name)):
            raise ValueError(f"leave out {', '.join(misplaced)}: not for channel {self.channel}")
        if self.template_id is None and self.template_version is not None:
            raise ValueError("template_version is of a template_id")
        (self._check_mail if self.channel == "email" else self._check_text)()
        return self

    def _check_mail(self) -> None:
        attached.check_ids(self.attachments)
        copies = len(self.cc) + len(self.bcc)
        if copies and len(self.to) > 1:
            raise ValueError("cc and bcc are of a mail to one: of several in to, each gets a mail; call once for each")
        if copies > MAX_COPIES:
            raise ValueError(f"cc and bcc are {MAX_COPIES} at most together")
        if self.from_email is None:
            raise ValueError("give from_email")
        if self._has_own_values:
            raise ValueError("values are for texts under a dlt_template")
        own = self.html is not None or self.text is not None
        if self.template_id is not None and (own or self.subject is not None):
            raise ValueError("give template_id, or subject with html or text, not both")
        if self.template_id is None and (not own or self.subject is None):
            raise ValueError("give template_id, or subject with html or text")

    def _check_text(self) -> None:
        if self.template_id is not None and self.text is not None:
            raise ValueError("give text or template_id, not both")
        has_words = self.template_id is not None or self.text is not None
        if not has_words and self.dlt_template is None:
            raise ValueError("give text, template_id or dlt_template")
        if (self.values or self._has_own_values) and (has_words or self.dlt_template is None):
            raise ValueError("values fill a dlt_template: give it without text and template_id")

    @property
    def sender_address(self) -> str | None:
        """Return who writes a mail, its domain in ASCII; None: it is a text.

        Raises:
            UnsafeAddressError: it is no address that can be sent from.
        """
        return str(addresses.parse(self.from_email)) if self.from_email is not None else None

    @property
    def _has_own_values(self) -> bool:
        return any(isinstance(one, RecipientIn) and one.values is not None for one in self.to)

    def text_call(self, archive: Archive) -> TextCall:
        """Return it as the service of texts takes it; `archive` is what the settings say."""
        return TextCall(
            [one.text_recipient() if isinstance(one, RecipientIn) else TextRecipient(one) for one in self.to],
            text=self.text,
            template_id=self.template_id,
            template_version=self.template_version,
            variables=self.variables,
            dlt_template=id_or_name(self.dlt_template) if self.dlt_template is not None else None,
            values=self.values or (),
            sender=self.sender,
            promotional=self.promotional,
            plain=self.plain,
            tags=tuple(dict.fromkeys(self.tags)),
            scheduled_at=self.scheduled_at,
            expires_at=self.expires_at,
            priority=Priority.parse(self.priority),
            uncertain_policy=self.uncertain_policy,
            archive=min(archive, self.archive or archive, key=_KEEPS.index),
        )

    @model_validator(mode="after")
    def check_times(self) -> Self:
        """Demand a time in which it can be sent."""
        if self.expires_at is not None and self.expires_at <= (self.scheduled_at or datetime.now(UTC)):
            raise ValueError("expires_at is before it can be sent")
        return self

    def submission(self, archive: Archive) -> Submission:
        """Return it as the service takes it; `archive` is what the settings say."""
        letter = Letter(
            self.from_email or "",
            self.from_name,
            self.reply_to,
            self.subject,
            self.html,
            self.text,
            self.variables,
            self.headers,
            attached.of_library(self.attachments),
            attached.enclosures(self.attachments),
            promotional=self.promotional,
        )
        return Submission(
            letter,
            self._recipients(),
            template_id=self.template_id,
            template_version=self.template_version,
            tags=tuple(dict.fromkeys(self.tags)),
            scheduled_at=self.scheduled_at,
            priority=Priority.parse(self.priority),
            uncertain_policy=self.uncertain_policy,
            expires_at=self.expires_at,
            archive=min(archive, self.archive or archive, key=_KEEPS.index),
            files=attached.files(self.attachments),
        )

    def _recipients(self) -> list[Recipient]:
        """Return everybody who gets a message, the addressee before the copies."""
        to = [one.recipient() if isinstance(one, RecipientIn) else Recipient(one) for one in self.to]
        roles: tuple[tuple[Role, Sequence[CopyIn | str]], ...] = (("cc", self.cc), ("bcc", self.bcc))
        copies = [
            (one if isinstance(one, CopyIn) else CopyIn(address=one)).recipient(role, to[0])
            for role, given in roles
            for one in given
        ]
        return [*to, *copies]


_KEEPS = ("none", "metadata", "full")
_ONLY_EMAIL = frozenset(
    {"from_email", "from_name", "reply_to", "cc", "bcc", "subject", "html", "headers", "attachments"}
)
_ONLY_SMS = frozenset({"sender", "plain", "dlt_template", "values"})


class AcceptedOut(BaseModel):
    """A message that was taken."""

    model_config = ConfigDict(from_attributes=True)

    message_id: UUID = Field(description="Ask for it at /messages/{message_id}.")
    address: str = Field(description="As it will be used: a number in E.164.")
    status: str = Field(description="PENDING, or of a call that was repeated what it has now.")
    parts: int | None = Field(description="Into how many a text falls.")
    encoding: Encoding | None = Field(description="Of a text: gsm7 has 160 units for one part, ucs2 has 70.")
    scheduled_at: datetime | None = Field(description="When it is to go; null: at once.")
    error_message: str | None = Field(description="Why it waits, where nobody asked for that.")


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

    message_id: UUID = Field(description="Its id; ids sort by when they were submitted.")
    campaign_id: UUID | None = Field(description="Of a campaign's mail.")
    submission_id: UUID | None = Field(description="The call that it came with.")
    task_id: UUID = Field(description="The task that sends it.")
    channel: Channel = Field(description="email or sms.")
    address: str = Field(description="Whom it is for: an address, or a number in E.164.")
    from_address: str | None = Field(description="Null: a text whose sender is left to the provider.")
    subject: str | None = Field(description="As sent; null before, and of texts.")
    tags: list[str] = Field(description="What its call gave it to be found by.")
    template_id: UUID | None = Field(description="The template it is made of; null: own words.")
    template_version: int | None = Field(description="Which version of it.")
    status: RecipientStatus = Field(description="Where it is: see the states of messages.")
    attempt: int = Field(description="How often it was handed to a provider; a throttle does not count.")
    provider: str | None = Field(description="Who had it last; null: nobody yet.")
    provider_message_id: str | None = Field(description="What that provider calls it.")
    reply: str | None = Field(description="What the provider answered, whole.")
    error_message: str | None = Field(description="What went wrong, or why it waits.")
    bounce_reason: str | None = Field(description="Why it was refused, in the words that all providers share.")
    size_bytes: int | None = Field(description="Of what was sent, with headers and files.")
    parts: int | None = Field(description="Into how many a text falls.")
    encoding: Encoding | None = Field(description="Of a text: gsm7 has 160 units for one part, ucs2 has 70.")
    delivery: ReportStatus | None = Field(description="What its provider told of a text after it had taken it.")
    delivery_cause: Cause | None = Field(description="Why it was not delivered, in words that all providers share.")
    delivery_at: datetime | None = Field(description="When its provider told that.")
    cost: float | None = Field(description="What its provider takes for it, once it is sent; null: nobody said.")
    currency: str | None = Field(description="Of the cost (ISO 4217).")
    uncertain_policy: str = Field(
        description="What happens when nobody knows whether it was taken: hold, resend or reconcile."
    )
    looks: int | None = Field(description="How often its provider was asked about it, while it is uncertain.")
    next_look_at: datetime | None = Field(description="When its provider is asked again.")
    finding: str | None = Field(description="What its provider said when it was asked.")
    created_at: datetime = Field(description="When it was submitted.")
    scheduled_at: datetime | None = Field(description="When it was to go; null: at once.")
    sending_at: datetime | None = Field(description="When it was last handed to a provider.")
    sent_at: datetime | None = Field(description="When a provider had taken it.")

    @classmethod
    def of(cls, row: asyncpg.Record) -> Self:
        """Return a row as JSON."""
        return cls.model_validate(_fields(row))


class AttemptOut(BaseModel):
    """One attempt of a message's task; one may end without an attempt at the provider, when it was handed back."""

    model_config = ConfigDict(from_attributes=True)

    attempt_number: int = Field(description="1 is the first.")
    started_at: datetime = Field(description="When a worker had it.")
    completed_at: datetime | None = Field(description="When that was over.")
    duration_seconds: float | None = Field(description="From the one to the other.")
    status: str = Field(description="How the attempt of the task ended.")
    error_message: str | None = Field(description="Why it did not end well.")
    refusals: list[str] = Field(description="Providers that did not take it before another one did, and why.")


class MessageDetail(MessageOut):
    """A message with its attempts."""

    name: str | None = Field(description="The name before the address.")
    locale: str | None = Field(description="Which variant of the template they read.")
    expires_at: datetime | None = Field(description="When it is too late to send it.")
    source: Literal["api", "smtp"] | None = Field(description="Null when what it came with is not kept any more.")
    attempts: list[AttemptOut] = Field(description="Of its task, the oldest first.")

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
        """Take a kept message apart; a text is its own text."""
        if row["channel"] == "sms":
            text = row["content"].decode()
            return cls(message_id=row["message_id"], headers=[], text=text, html=None, size_bytes=len(row["content"]))
        headers, text, html = take_apart(row["content"])
        return cls(message_id=row["message_id"], headers=headers, text=text, html=html, size_bytes=len(row["content"]))


class CostOut(BaseModel):
    """What messages over one provider have cost."""

    provider: str
    channel: Channel
    currency: str
    messages: int
    cost: float


class CostsOut(BaseModel):
    """What messages have cost."""

    items: list[CostOut]

    @classmethod
    def of(cls, rows: Sequence[asyncpg.Record]) -> Self:
        """Return sums as JSON."""
        return cls(items=[CostOut(**row) for row in rows])


class ResolveIn(Body):
    """What to do with an uncertain message."""

    resolution: Literal["sent", "failed", "resend"] = Field(
        description="It arrived; it did not; send it again, which may be a second time."
    )


def _fields(row: asyncpg.Record) -> dict[str, object]:
    return dict(row) | {"tags": row["tags"] or []}
