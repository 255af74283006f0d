"""What crosses HTTP about webhooks."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

import asyncpg
from pydantic import BaseModel, Field, StrictBool, StringConstraints

from taskflow.base.bodies import Body, RowOut
from taskflow.base.outbound import MAX_URL_CHARS
from taskflow.engine.schemas import QueueName, TaskName, Text
from taskflow.engine.states import TaskStatus
from taskflow.engine.webhooks.events import WebhookEvent

Url = Annotated[str, StringConstraints(min_length=1, max_length=MAX_URL_CHARS, pattern=r"^[^\x00]*$")]
Events = Annotated[list[WebhookEvent], Field(max_length=len(WebhookEvent), description="Empty: every event.")]
Names = Annotated[list[TaskName], Field(max_length=100, fail_fast=True, description="Empty: every task, and messages.")]
Queues = Annotated[
    list[QueueName], Field(max_length=100, fail_fast=True, description="Empty: every queue, and messages.")
]


class NewWebhook(Body):
    """Who wants to hear of what."""

    url: Url = Field(examples=["https://hooks.example.com/taskflow"])
    description: Text = ""
    events: Events = []
    task_names: Names = []
    queues: Queues = []


class WebhookChange(Body):
    """What to change; members that are left out or null stay."""

    url: Url | None = None
    description: Text | None = None
    events: Events | None = None
    task_names: Names | None = None
    queues: Queues | None = None
    enabled: StrictBool | None = Field(None, description="true also forgets the failures so far.")


class WebhookOut(BaseModel):
    """A webhook."""

    webhook_id: UUID
    url: str
    description: str
    events: list[WebhookEvent]
    task_names: list[str]
    queues: list[str]
    previous_secret_until: datetime | None = Field(description="Until then the replaced secret signs too.")
    failures: int = Field(description="Attempts that failed since the last one that did not.")
    disabled_at: datetime | None
    disabled_reason: str | None
    created_by: UUID | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: asyncpg.Record) -> Self:
        """Read a row of `webhooks`."""
        return cls(**{name: row[name] for name in WebhookOut.model_fields})


class WebhookSecret(WebhookOut):
    """A webhook with its secret, which is shown this once."""

    secret: str = Field(examples=["whsec_…"])

    @classmethod
    def with_secret(cls, row: asyncpg.Record, secret: str) -> Self:
        """Read a row of `webhooks`, and show the secret."""
        return cls(**{name: row[name] for name in WebhookOut.model_fields}, secret=secret)


class DeliveryOut(RowOut):
    """A message, and how far it is."""

    delivery_id: UUID = Field(description="The message's `webhook-id` is this behind `msg_`.")
    event: WebhookEvent | Literal["webhook.test"]
    data: Any
    occurred_at: datetime
    attempts: int
    response_status: int | None = Field(description="Of the last attempt; null when nobody answered.")
    error: str | None = Field(description="Why the last attempt failed.")
    delivered_at: datetime | None
    task_id: UUID = Field(description="The task that delivers it; it has the attempts.")
    task_status: TaskStatus | None
