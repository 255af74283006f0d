"""What crosses HTTP about dead letters."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

import asyncpg
from pydantic import BaseModel, Field, StrictBool, StringConstraints, model_validator

from taskflow.base.bodies import Body, Instant
from taskflow.base.errors import InvalidInputError
from taskflow.engine import sealed
from taskflow.engine.dead_letters.models import (
    MAX_BACKOFF,
    MAX_DELAY_SECONDS,
    MAX_POLICY_RETRIES,
    DeadLetterFilter,
    RetryPolicy,
)
from taskflow.engine.dead_letters.repository import DeadLetterStory
from taskflow.engine.schemas import ExecutionOut, NewTask, PriorityName, QueueName, TaskName, Text
from taskflow.engine.states import Priority, TaskStatus

Fingerprint = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
Cause = Literal["hand", "edit", "policy"]


def shown(row: asyncpg.Record) -> dict[str, Any]:
    """Return the fields of a letter as people see them: what is sealed says so."""
    fields = {name: sealed.shown(row[name]) for name in DeadLetterOut.model_fields}
    return fields | {"task_data": {name: sealed.shown(value) for name, value in row["task_data"].items()}}


class DeadLetterOut(BaseModel):
    """A task that was given up."""

    dlq_id: UUID
    task_id: UUID
    task_name: str
    queue: str | None
    task_data: Any = Field(description="The whole row of the task, as it was then.")
    failure_reason: str
    stack_trace: str | None
    error_class: str = Field(description="`TimeLimit` and `Crash` are ours; empty when no error has a name.")
    error_place: str = Field(
        description="File and function of the last frame of the task's own code; else the reason without its ids."
    )
    fingerprint: str = Field(description="The same for all letters of this task name, error class and place.")
    total_attempts: int
    moved_at: datetime
    requeued_at: datetime | None
    requeue_cause: Cause | None = Field(description="By hand, by hand with changes, or by the task's retry policy.")
    requeued_task_id: UUID | None = Field(description="The same task, or the one that an edited letter became.")
    auto_retries: int | None = Field(
        description="How often a retry policy had requeued the task before this letter; null when no policy has looked."
    )
    retry_at: datetime | None = Field(description="When a retry policy will requeue it.")

    @classmethod
    def of(cls, row: asyncpg.Record) -> Self:
        """Read a row of `dead_letter_queue`."""
        return cls(**shown(row))


class DeadLetterDetail(DeadLetterOut):
    """A dead letter with the attempts of its task."""

    task_status: TaskStatus | None = Field(description="What the task is now; null when its row has been pruned.")
    executions: list[ExecutionOut]

    @classmethod
    def tell(cls, story: DeadLetterStory) -> Self:
        """Put a letter and its task's attempts together."""
        return cls(
            **shown(story.letter),
            task_status=TaskStatus(story.task_status) if story.task_status else None,
            executions=[ExecutionOut.of(row) for row in story.executions],
        )


class DeadLetterGroup(BaseModel):
    """Letters that one cause broke."""

    fingerprint: str
    task_name: str
    error_class: str
    error_place: str
    letters: int
    waiting: int = Field(description="Those that nobody has requeued.")
    first_at: datetime
    last_at: datetime
    newest_dlq_id: UUID
    failure_reason: str = Field(description="Of the newest letter.")

    @classmethod
    def of(cls, row: asyncpg.Record) -> Self:
        """Read a row of the groups."""
        return cls(**{name: sealed.shown(row[name]) for name in cls.model_fields})


class DeadLetterSelection(Body):
    """Which dead letters: those that match everything given. Whoever gives nothing has to say that they mean all."""

    task_name: TaskName | None = None
    queue: QueueName | None = None
    fingerprint: Fingerprint | None = None
    moved_after: Instant | None = None
    moved_before: Instant | None = None
    text: Annotated[Text, Field(min_length=1)] | None = Field(
        None, description="Occurs in the reason, the traceback or the arguments."
    )
    dlq_ids: Annotated[list[UUID], Field(max_length=10_000, fail_fast=True)] | None = None
    all: StrictBool = Field(False, description="Must be true when nothing else is given.")

    @model_validator(mode="after")
    def refuse_accidents(self) -> Self:
        """Refuse a selection of everything that nobody has asked for."""
        if not self.all and self.to_filter() == DeadLetterFilter():
            raise ValueError("name what to select, such as a task_name or a fingerprint, or say all: true")
        return self

    def to_filter(self) -> DeadLetterFilter:
        """Return what the reader is asked for."""
        return DeadLetterFilter(**self.model_dump(exclude={"all"}))

    def summary(self) -> dict[str, Any]:
        """Return it for the audit log, with ids counted."""
        told = self.model_dump(mode="json", exclude_defaults=True, exclude={"dlq_ids"})
        return told if self.dlq_ids is None else told | {"dlq_ids": len(self.dlq_ids)}


class PurgeSelection(DeadLetterSelection):
    """Which dead letters to delete; `requeued` alone is enough to name some."""

    requeued: StrictBool | None = Field(None, description="Only those that were requeued, or only the others.")


class TaskEdit(Body):
    """What to change in a task before it starts over; what is left out stays as it was."""

    args: dict[str, Any] | list[Any] | None = Field(None, description="Replaces both `args` and `kwargs`.")
    kwargs: dict[str, Any] | None = Field(None, description="Keyword arguments beside a list of positional ones.")
    queue: QueueName | None = None
    priority: PriorityName | Annotated[int, Field(strict=True, ge=1, le=10)] | None = None
    max_retries: int | None = Field(None, ge=0, le=1_000)
    timeout_seconds: int | None = Field(None, ge=1, le=7 * 86_400)

    def changes(self) -> dict[str, Any]:
        """Return the fields of a `Request` that change.

        Raises:
            InvalidInputError: keyword arguments come without a list of positional ones.
        """
        given = self.model_dump(exclude_none=True, exclude={"args", "kwargs", "priority"})
        if self.priority is not None:
            given["priority"] = Priority.parse(self.priority)
        if self.args is not None:
            task = NewTask(task_name="edited", args=self.args, kwargs=self.kwargs).to_request(UUID(int=0), None)
            given |= {"args": task.args, "kwargs": task.kwargs}
        elif self.kwargs is not None:
            raise InvalidInputError("`kwargs` comes beside a list of `args`; keyword arguments alone are `args`.")
        return given


class Requeued(BaseModel):
    """How many tasks start over."""

    requeued: int


class Purged(BaseModel):
    """How many dead letters are gone."""

    purged: int


class PolicyIn(Body):
    """When the tasks of a name leave the dead letters by themselves."""

    max_retries: int = Field(
        3, strict=True, ge=1, le=MAX_POLICY_RETRIES, description="How often at most, for one task."
    )
    delay_seconds: float = Field(
        60.0,
        strict=True,
        ge=0,
        le=MAX_DELAY_SECONDS,
        allow_inf_nan=False,
        description="From the letter to the first of them.",
    )
    backoff: float = Field(
        2.0,
        strict=True,
        ge=1,
        le=MAX_BACKOFF,
        allow_inf_nan=False,
        description="Each delay is so many times the last one.",
    )
    max_delay_seconds: float = Field(86_400.0, strict=True, ge=0, le=MAX_DELAY_SECONDS, allow_inf_nan=False)

    def to_policy(self, task_name: str) -> RetryPolicy:
        """Return the policy.

        Raises:
            InvalidPolicyError: the longest delay is below the first.
        """
        return RetryPolicy(task_name, self.max_retries, self.delay_seconds, self.backoff, self.max_delay_seconds)


class PolicyOut(BaseModel):
    """A retry policy."""

    task_name: str
    max_retries: int
    delay_seconds: float
    backoff: float
    max_delay_seconds: float
    created_by: UUID | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: asyncpg.Record) -> Self:
        """Read a row of `dead_letter_policies`."""
        return cls(**dict(row))
