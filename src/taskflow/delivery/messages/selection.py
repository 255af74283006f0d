"""What crosses HTTP when many messages are steered at once."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, StrictBool, StringConstraints, model_validator

from taskflow.audience.channels import Channel
from taskflow.base.bodies import Body, Instant
from taskflow.content.fields import NO_CONTROLS
from taskflow.delivery.messages.schemas import ResolveIn, Tag
from taskflow.delivery.messages.search import Filter

Provider = Annotated[str, StringConstraints(min_length=1, max_length=50, pattern=NO_CONTROLS)]


class MessageSelection(Body):
    """Which messages: those that match everything given. Whoever gives nothing has to say that they mean all."""

    channel: Channel | None = None
    provider: Provider | None = Field(None, description="Who had it last.")
    tag: Tag | None = None
    submission_id: UUID | None = Field(None, description="Of one call.")
    scheduled: StrictBool = Field(False, description="Only those whose time is yet to come.")
    created_after: Instant | None = Field(None, description="Not older than this.")
    created_before: Instant | None = Field(None, description="Older than this.")
    cursor: Annotated[str, StringConstraints(max_length=500)] | None = Field(
        None, description="Where the call before stopped (`next_cursor`)."
    )
    all: StrictBool = Field(False, description="Must be true when nothing else is given.")

    @model_validator(mode="after")
    def refuse_accidents(self) -> "MessageSelection":
        """Refuse a selection of everything that nobody has asked for."""
        if not self.all and self.to_filter() == Filter():
            raise ValueError("name what to select, such as a tag or a provider, or say all: true")
        return self

    def to_filter(self) -> Filter:
        """Return what the log is asked for."""
        return Filter(
            channel=self.channel,
            provider=self.provider,
            tag=self.tag,
            submission_id=self.submission_id,
            scheduled=self.scheduled,
            created_after=self.created_after,
            created_before=self.created_before,
        )


class ResolveManyIn(MessageSelection, ResolveIn):
    """Which uncertain messages, and what to do with them."""


class CancelledMessages(BaseModel):
    """How many messages are cancelled."""

    cancelled: int
    next_cursor: str | None = Field(description="There may be more that match: call again with it; null at the end.")


class ResolvedMessages(BaseModel):
    """How many uncertain messages are decided about."""

    resolved: int
    next_cursor: str | None = Field(description="There may be more that match: call again with it; null at the end.")
