"""What crosses HTTP about contacts."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints, model_validator

from taskflow.audience.contacts.models import ContactStatus
from taskflow.audience.contacts.values import MAX_TAGS
from taskflow.base.bodies import Body

Short = Annotated[str, StringConstraints(max_length=400)]
TagTexts = Annotated[
    list[Annotated[str, StringConstraints(max_length=200)]], Field(max_length=MAX_TAGS, fail_fast=True)
]


class ContactChange(Body):
    """What to change; members that are left out stay."""

    email: Short | None = Field(None, examples=["ada@example.com"])
    phone: Short | None = Field(None, description="Stored in E.164.", examples=["+49 171 1234567"])
    phone_region: Annotated[str, StringConstraints(max_length=10)] | None = Field(
        None, description="The country of a phone without a country code; the setting's by default.", examples=["DE"]
    )
    status: ContactStatus | None = None
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
        given = self.model_fields_set - {"attributes", "phone_region"}
        return {name: getattr(self, name) for name in given if name != "status" or self.status is not None}


class NewContact(ContactChange):
    """A contact: an address, a phone, or both."""

    if_exists: Literal["fail", "update"] = Field(
        "fail", description="`update` changes the contact that has the address already, or the phone without one."
    )

    @model_validator(mode="after")
    def check_reachable(self) -> Self:
        """Demand an address or a phone."""
        if not (self.email or self.phone):
            raise ValueError("a contact has an email, a phone, or both")
        return self


class ContactOut(BaseModel):
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

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """Read a row of `subscribers`."""
        return cls(**{name: row[name] for name in cls.model_fields})
