"""What crosses HTTP about suppressions."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from taskflow.audience.channels import Channel
from taskflow.audience.suppression.service import ImportReport
from taskflow.base.bodies import Body, RowOut

Target = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$")]
Note = Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00]*$")]


class Reason(StrEnum):
    """Why somebody is not written to."""

    UNSUBSCRIBED = "unsubscribed"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    MANUAL = "manual"
    IMPORTED = "imported"
    ERASED = "erased"


GivenReason = Literal["unsubscribed", "bounced", "complained", "manual", "imported"]


class NewSuppression(Body):
    """Whom not to write to any more."""

    address: Target = Field(
        description="An address, a whole domain as @example.com (not its subdomains), or with `sms` a number.",
        examples=["ada@example.com", "@example.com"],
    )
    channel: Channel = Channel.EMAIL
    list_id: UUID | None = Field(None, description="Only what this list brings; null: everything.")
    reason: GivenReason = "manual"
    note: Note | None = None


class SuppressionForm(Body):
    """What a file of suppressions is for."""

    channel: Channel = Channel.EMAIL
    list_id: UUID | None = None
    reason: GivenReason = "imported"


class SuppressionOut(RowOut):
    """Somebody who is not written to."""

    suppression_id: UUID
    channel: Channel
    address: str = Field(description="hmac:… where an erasure has left no more than that.")
    list_id: UUID | None
    reason: Reason
    source: str | None = Field(description="How it came here: api, page, one-click, import, refused (by a server), …")
    note: str | None
    campaign_id: UUID | None
    created_by: UUID | None
    created_at: datetime


class SuppressionCheck(BaseModel):
    """What keeps an address from being written to."""

    suppressed: bool = Field(description="Everywhere; lists of their own may be in `suppressions` all the same.")
    suppressions: list[SuppressionOut]


class RejectionOut(BaseModel):
    """A row that cannot be used."""

    row_number: int
    reason: str
    raw: str


class SuppressionImport(BaseModel):
    """What became of a file: `rows` = `added` + `known` + `rejected`."""

    rows: int
    added: int
    known: int = Field(description="Suppressed already, or twice in the file.")
    rejected: int
    rejections: list[RejectionOut] = Field(description="The first hundred of them.")

    @classmethod
    def of(cls, report: ImportReport) -> Self:
        """Return a report as JSON."""
        return cls(
            rows=report.rows,
            added=report.added,
            known=report.known,
            rejected=report.rejected,
            rejections=[RejectionOut(**found._asdict()) for found in report.rejections],
        )
