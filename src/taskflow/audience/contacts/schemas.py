"""What crosses HTTP about contacts."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, model_validator

from taskflow.audience.consent.models import SubscriptionStatus
from taskflow.audience.contacts.bulk import BulkAction, Change
from taskflow.audience.contacts.filters import ContactFilter
from taskflow.audience.contacts.models import ContactStatus
from taskflow.audience.contacts.values import MAX_TAGS, NAME_PATTERN, FieldType
from taskflow.base.bodies import Body, Instant, RowOut
from taskflow.engine.schemas import Text

Short = Annotated[str, StringConstraints(max_length=400)]
TagTexts = Annotated[
    list[Annotated[str, StringConstraints(max_length=200)]], Field(max_length=MAX_TAGS, fail_fast=True)
]


Prose = Annotated[str, StringConstraints(max_length=2_000, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$")]


def _by_hand(status: ContactStatus) -> ContactStatus:
    if status is ContactStatus.PENDING:
        raise ValueError("only a form makes somebody wait for a confirmation")
    return status


ChosenStatus = Annotated[ContactStatus, AfterValidator(_by_hand)]


class ContactChange(Body):
    """What to change; members that are left out stay."""

    email: Short | None = Field(None, examples=["ada@example.com"])
    phone: Short | None = Field(None, description="Stored in E.164.", examples=["+49 171 1234567"])
    phone_region: Annotated[str, StringConstraints(max_length=10)] | None = Field(
        None, description="The country of a phone without a country code; the setting's by default.", examples=["DE"]
    )
    status: ChosenStatus | None = Field(None, description="Any but PENDING.")
    locale: Short | None = Field(None, examples=["de-AT"])
    time_zone: Short | None = Field(None, examples=["Europe/Vienna"])
    attributes: dict[str, Any] = Field(
        default_factory=dict,
        description="Names as templates use them. What is given replaces; null takes an attribute away.",
        examples=[{"first_name": "Ada", "orders": 3}],
    )
    tags: TagTexts | None = Field(None, description="All of them, in place of those there were.")

    def values(self) -> dict[str, Any]:
        """Return the members that were given, but for the attributes."""
        given = self.model_fields_set & {"email", "phone", "status", "locale", "time_zone", "tags"}
        return {name: getattr(self, name) for name in given if name != "status" or self.status is not None}


class NewContact(ContactChange):
    """A contact: an address, a phone, or both."""

    lists: Annotated[list[UUID], Field(max_length=20)] = Field(
        default_factory=list, description="Lists to put it on; a double opt-in asks first."
    )
    confirmed: bool = Field(
        False, strict=True, description="They have agreed already, to `wording`: a double opt-in asks nothing more."
    )
    wording: Prose | None = Field(None, description="What they agreed to; kept with their consent.")
    if_exists: Literal["fail", "update"] = Field(
        "fail", description="`update` changes the contact that has the address already, or the phone without one."
    )

    @model_validator(mode="after")
    def check_reachable(self) -> Self:
        """Demand an address or a phone."""
        if not (self.email or self.phone):
            raise ValueError("a contact has an email, a phone, or both")
        return self


class ContactOut(RowOut):
    """A contact."""

    contact_id: UUID
    email: str | None
    phone: str | None = Field(description="E.164.")
    status: ContactStatus
    locale: str | None
    time_zone: str | None
    attributes: dict[str, Any]
    tags: list[str]
    created_at: datetime
    updated_at: datetime


class NewEvent(Body):
    """What a contact did with a mail of another system."""

    event: Literal["opened", "clicked"]
    occurred_at: Instant | None = Field(None, description="Now by default; an instant in the future counts as now.")
    source: Annotated[str, StringConstraints(min_length=1, max_length=50, pattern=r"^[^\x00-\x1f\x7f]+$")] = Field(
        "api", description="Who saw it.", examples=["listmonk"]
    )


class EventOut(BaseModel):
    """What a contact did."""

    event_id: UUID
    event: str
    contact_id: UUID
    occurred_at: datetime

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """Read a row of `campaign_events`."""
        return cls(event=row["event_type"], **{name: row[name] for name in ("event_id", "contact_id", "occurred_at")})


class Selection(Body):
    """Which contacts; all that is given must hold."""

    search: Text | None = Field(None, description="How the address, the phone or a name begins.")
    email: Text | None = None
    phone: Text | None = None
    status: ContactStatus | None = None
    tags: TagTexts | None = Field(None, description="All of these.")
    list_id: UUID | None = None
    list_status: SubscriptionStatus | None = Field(None, description="Of the subscription to `list_id`.")
    created_after: Instant | None = None
    created_before: Instant | None = None

    @model_validator(mode="after")
    def check_list(self) -> Self:
        """Demand the list that a status belongs to."""
        if self.list_status is not None and self.list_id is None:
            raise ValueError("list_status belongs to a list_id")
        return self

    def to_filter(self) -> ContactFilter:
        """Return the filter."""
        given = self.model_dump() | {"tags": tuple(self.tags) if self.tags else None}
        return ContactFilter(**given).normalised()


class BulkChange(Body):
    """An action on many contacts: those of `ids`, those that `filter` means, or `everybody`."""

    action: BulkAction
    ids: Annotated[list[UUID], Field(min_length=1, max_length=1_000)] | None = Field(
        None, description="At most 1,000; done at once."
    )
    filter: Selection | None = Field(None, description="Done by a task.")
    everybody: bool = Field(False, strict=True, description="Every contact there is; done by a task.")
    tags: TagTexts = Field(default_factory=list, description="For add_tags and remove_tags.")
    list_id: UUID | None = Field(None, description="For add_to_list and remove_from_list.")
    status: ChosenStatus | None = Field(None, description="For set_status; any but PENDING.")

    @model_validator(mode="after")
    def check_whom(self) -> Self:
        """Demand one way to say whom; an empty filter is no way to say everybody."""
        if (self.ids is not None) + (self.filter is not None) + self.everybody != 1:
            raise ValueError("exactly one of ids, filter and everybody says whom")
        if self.filter is not None and self.filter.to_filter().is_empty:
            raise ValueError("an empty filter means everybody: say `everybody` instead")
        return self

    def to_change(self, actor: str, address: str) -> Change:
        """Return the change."""
        return Change(self.action, tuple(self.tags), self.list_id, self.status, actor, address)


class BulkOut(BaseModel):
    """What a bulk action did, or the task that does it."""

    changed: int | None = Field(description="How many it changed; null while a task does it.")
    task_id: UUID | None = Field(description="Its result is `matched` and `changed`.")


FieldName = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
Choices = Annotated[list[Label], Field(max_length=200, fail_fast=True)]


class NewField(Body):
    """What an attribute means."""

    name: FieldName = Field(description="As templates use it.", examples=["birthday"])
    label: Label | None = Field(None, description="For people; the name by default.", examples=["Birthday"])
    type: FieldType
    choices: Choices = Field(default_factory=list, description="For the type choice.")


class FieldChange(Body):
    """What to change; the type stays."""

    label: Label | None = None
    choices: Choices | None = None


class FieldOut(BaseModel):
    """A declared attribute."""

    name: str
    label: str
    type: FieldType
    choices: list[str]
    created_at: datetime


class FieldsOut(BaseModel):
    """All declared attributes, by name."""

    items: list[FieldOut]


class TagOut(BaseModel):
    """A tag in use."""

    tag: str
    contacts: int
