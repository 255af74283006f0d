"""What crosses HTTP about a person's rights."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

import asyncpg
from pydantic import BaseModel, Field, StrictBool, StringConstraints

from taskflow.base.bodies import Body

Address = Annotated[str, StringConstraints(min_length=3, max_length=254, pattern=r"^[^\x00-\x20]+$")]
Phone = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{6,14}$")]
Reason = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00]*$")]


class Person(Body):
    """Whom it is about: a contact, or whoever has an address or a phone number."""

    contact_id: UUID | None = None
    email: Address | None = Field(None, examples=["ann@example.com"])
    phone: Phone | None = Field(None, examples=["+4915112345678"])


class ErasureIn(Person):
    """Whom to erase."""

    suppress: StrictBool = Field(True, description="Never write to them again: only a keyed hash is kept for it.")
    reason: Reason | None = Field(None, description="Why; without their name, for it is kept.")


class ErasureOut(BaseModel):
    """An erasure, and what it found."""

    erasure_id: UUID
    status: Literal["PENDING", "COMPLETED"]
    suppress: bool
    reason: str | None
    erased: dict[str, int] = Field(description="Place → rows from which the person was taken.")
    kept: dict[str, int] = Field(description="Places of the house's own where the address stays: a user, a sender.")
    requested_by: UUID | None
    created_at: datetime
    completed_at: datetime | None

    @classmethod
    def of(cls, row: asyncpg.Record) -> Self:
        """Read a row of `erasures`."""
        own = cls.model_fields.keys() - {"erased", "kept"}
        report = row["report"]
        return cls(**{name: row[name] for name in own}, erased=report.get("erased", {}), kept=report.get("kept", {}))


class PersonalData(BaseModel):
    """Everything that is stored about a person."""

    contact: dict[str, Any] | None
    subscriptions: list[dict[str, Any]]
    consents: list[dict[str, Any]]
    messages: list[dict[str, Any]] = Field(description="What campaigns sent them, or were to.")
    single_messages: list[dict[str, Any]] = Field(
        description="What was sent to them without a campaign, or was to be; its `content`, where it is kept, up to "
        "32 MB in all, the oldest first. Where it is null and `content_bytes` is not, `GET /messages/{id}/raw` or "
        "`GET /messages/export.zip?address=` has it."
    )
    events: list[dict[str, Any]] = Field(description="What they did with it.")
    activity: list[dict[str, Any]] = Field(description="When they last did what: at most one row.")
    rejected_rows: list[dict[str, Any]] = Field(description="Rows of files that name them and were not imported.")
    sandbox_mails: list[dict[str, Any]] = Field(description="Mails and texts to them that a sandbox inbox holds.")
    sms_replies: list[dict[str, Any]] = Field(description="Texts that they sent.")
    sms_reports: list[dict[str, Any]] = Field(description="What providers said of texts to them.")
    suppressions: list[dict[str, Any]]
