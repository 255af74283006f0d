"""What crosses HTTP about lists."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from taskflow.audience.consent.models import SubscriptionStatus
from taskflow.audience.contacts.schemas import ContactOut, Prose
from taskflow.audience.lists.models import OptIn, Visibility
from taskflow.base.bodies import Body

MAX_PEOPLE = 1_000

Name = Annotated[
    str,  # it stands in the subject of confirmations: nothing that `delivery.headers` refuses
    StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$"),
]
Sender = Annotated[str, StringConstraints(max_length=254)]


class NewList(Body):
    """A list."""

    name: Name = Field(description="Unique among those that are not archived.", examples=["Newsletter"])
    description: Prose | None = None
    opt_in: OptIn = Field(OptIn.SINGLE, description="`double`: who is added confirms it by a signed link in a mail.")
    visibility: Visibility = Field(
        Visibility.PRIVATE, description="`public`: anybody can ask to be on it at `/subscribe/{list_id}`."
    )
    confirm_from: Sender | None = Field(None, description="Who asks for confirmations.", examples=["news@shop.example"])
    confirm_wording: Prose | None = Field(
        None, description="What somebody agrees to: shown in the mail and on the page, kept with each consent."
    )


class ListChange(Body):
    """What to change; members that are left out stay."""

    name: Name | None = None
    description: Prose | None = None
    opt_in: OptIn | None = None
    visibility: Visibility | None = None
    confirm_from: Sender | None = None
    confirm_wording: Prose | None = None
    archived: bool | None = Field(None, description="Nobody is added to an archived list; its name is free again.")

    def columns(self) -> dict[str, Any]:
        """Return the columns that change; null empties the texts and means nothing for the rest."""
        nullable = ("description", "confirm_from", "confirm_wording")
        return {
            name: value
            for name in self.model_fields_set
            if (value := getattr(self, name)) is not None or name in nullable
        }


class ListOut(BaseModel):
    """A list."""

    list_id: UUID
    name: str
    description: str | None
    opt_in: OptIn
    visibility: Visibility
    confirm_from: str | None
    confirm_wording: str | None
    confirmed: int = Field(description="How many are written to.")
    pending: int = Field(description="How many have not confirmed yet.")
    unsubscribed: int
    created_at: datetime
    created_by: UUID | None
    archived_at: datetime | None

    @classmethod
    def of(cls, row: Mapping[str, Any], counts: Mapping[str, int]) -> Self:
        """Read a row of `mailing_lists` beside its counts."""
        return cls(**row, **{status.value.lower(): counts.get(status.value, 0) for status in SubscriptionStatus})


class MemberOut(ContactOut):
    """A contact and how it stands to the list."""

    subscription_status: SubscriptionStatus
    subscribed_at: datetime
    confirmed_at: datetime | None
    unsubscribed_at: datetime | None


class People(Body):
    """Whom to add."""

    contact_ids: list[UUID] = Field(min_length=1, max_length=MAX_PEOPLE)
    confirmed: bool = Field(
        False,
        strict=True,
        description="They have agreed already, to `wording`: a double opt-in asks them nothing more.",
    )
    wording: Prose | None = Field(None, description="What they agreed to; kept with their consent.")


class Added(BaseModel):
    """What adding did. Who is on the list already, or has unsubscribed from it, is left as they are."""

    confirmed: int = Field(description="How many are on the list now and were not before.")
    pending: int = Field(description="How many are asked to confirm.")
    unchanged: int
