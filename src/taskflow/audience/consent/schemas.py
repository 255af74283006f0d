"""What crosses HTTP about subscriptions and consents."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from taskflow.audience.channels import Channel
from taskflow.audience.consent.models import ConsentAction, SubscriptionStatus
from taskflow.audience.contacts.schemas import Prose
from taskflow.base.bodies import Body, RowOut


class SubscriptionOut(RowOut):
    """How a contact stands to a list."""

    list_id: UUID
    name: str
    status: SubscriptionStatus
    subscribed_at: datetime
    confirmed_at: datetime | None
    unsubscribed_at: datetime | None


class SubscriptionsOut(BaseModel):
    """All of a contact's subscriptions."""

    items: list[SubscriptionOut]


class NewConsent(Body):
    """What a person said to you, on paper or on the phone."""

    action: Literal["granted", "withdrawn"] = Field(
        description="`withdrawn` also ends the subscription to the list, or without a list all mail."
    )
    list_id: UUID | None = Field(None, description="null: everything on this channel.")
    channel: Channel = Channel.EMAIL
    source: Annotated[str, StringConstraints(min_length=1, max_length=50, pattern=r"^[^\x00-\x1f\x7f]+$")] = Field(
        "api", description="How it came.", examples=["paper"]
    )
    wording: Prose | None = Field(None, description="What they agreed to.")


class ConsentOut(BaseModel):
    """A step in the history of consent."""

    consent_id: UUID
    list_id: UUID | None
    list_name: str | None
    channel: Channel
    action: ConsentAction
    source: str = Field(description="How it came: api, import, form, page, one-click, or what the caller said.")
    wording: str | None
    address: str | None = Field(description="From which IP address.")
    user_agent: str | None
    actor: str | None = Field(description="A user, when it was not the person.")
    created_at: datetime

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """Read a row of `consents` beside its list's name."""
        values = {name: row[name] for name in cls.model_fields}
        return cls(**values | {"address": str(row["address"]) if row["address"] else None})
