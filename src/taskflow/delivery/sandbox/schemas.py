"""What crosses HTTP about the sandbox inbox."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

RuleAction = Literal["reject", "defer", "drop"]
Pattern = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, to_lower=True, max_length=320, pattern=r"^(\*|[^\s*@\x00]+)@[^\s*@\x00]+$"
    ),
]


class InboxRule(BaseModel):
    """What the sandbox answers to some addresses."""

    model_config = ConfigDict(extra="forbid")

    pattern: Pattern = Field(description="An address, or *@domain; an address goes before a domain.")
    action: RuleAction = Field(
        description="reject: 550 at RCPT, for good. defer: 451 at RCPT, for now. drop: the connection is closed at "
        "RCPT, so that the message is proved not to be taken and is tried again."
    )
    times: int | None = Field(
        ge=1, le=1_000_000, description="How often to each address, which is fine then; null: always."
    )


class Mail(BaseModel):
    """A received message as the list shows it."""

    message_id: UUID
    received_at: datetime
    mail_from: str
    rcpt_to: str
    subject: str | None
    size: int = Field(description="Bytes.")


class MailHeader(BaseModel):
    """One header field, decoded."""

    name: str
    value: str


class MailDetail(Mail):
    """A received message, taken apart."""

    headers: list[MailHeader]
    text: str | None = Field(description="The plain text part.")
    html: str | None = Field(description="The HTML part as it came: show it in a sandboxed frame only.")
    raw_size: int = Field(description="Bytes of the whole message, as `/raw` hands it out.")
