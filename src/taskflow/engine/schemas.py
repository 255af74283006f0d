"""What crosses HTTP about tasks and workers."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

import asyncpg
from pydantic import BaseModel, Field, StrictBool, StringConstraints, model_validator

from taskflow.base.bodies import Body, Instant, RowOut
from taskflow.base.errors import InvalidInputError
from taskflow.engine import sealed
from taskflow.engine.dependencies.models import After, OnFailure, OnSuccess, ResultOf
from taskflow.engine.options import MAX_EXPIRY_SECONDS, MAX_KEY_CHARS, MAX_TAG_CHARS, MAX_TAGS, MAX_VERSION, OnConflict
from taskflow.engine.repository import TaskFilter, TaskHistory
from taskflow.engine.requests import Request
from taskflow.engine.states import Priority, TaskStatus

MAX_BULK = 10_000

TaskName = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")]
QueueName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{1,100}$")]
PriorityName = Literal["CRITICAL", "HIGH", "MEDIUM", "LOW"]
Text = Annotated[str, StringConstraints(max_length=255, pattern=r"^[^\x00]*$")]
Tag = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TAG_CHARS, pattern=r"^[^\x00-\x1f\x7f]+$")]
Tags = Annotated[list[Tag], Field(max_length=MAX_TAGS, fail_fast=True)]
KeyText = Annotated[str, StringConstraints(min_length=1, max_length=MAX_KEY_CHARS, pattern=r"^[^\x00-\x1f\x7f]+$")]
DelaySeconds = Annotated[float, Field(ge=0, le=100 * 366 * 86_400)]
ExpirySeconds = Annotated[float, Field(gt=0, le=MAX_EXPIRY_SECONDS)]


class TaskFields(Body):
    """What a task is, wherever one is asked for."""

    task_name: TaskName = Field(examples=["resize"])
    args: dict[str, Any] | list[Any] = Field(
        default_factory=dict, description="An object is keyword arguments, a list is positional ones."
    )
    kwargs: dict[str, Any] | None = Field(None, description="Keyword arguments beside a list of positional ones.")
    priority: PriorityName | Annotated[int, Field(strict=True, ge=1, le=10)] | None = Field(
        None,
        description="CRITICAL 10, HIGH 8, MEDIUM 5, LOW 2, or a number; by default the task's own.",
        examples=["HIGH"],
    )
    queue: QueueName | None = Field(None, description="By default the task's own.")
    scheduled_at: Instant | None = Field(None, description="Not before this instant.")
    delay_seconds: DelaySeconds | None = Field(None, description="The same, counted from now.")
    max_retries: int | None = Field(None, ge=0, le=1_000, description="By default the task's own.")
    timeout_seconds: int | None = Field(None, ge=1, le=7 * 86_400, description="By default the task's own.")
    tags: Tags | None = Field(None, description="Short words to find it by; by default the task's own.")
    expires_at: Instant | None = Field(None, description="If it has not begun by then, it ends CANCELLED.")
    expires_in_seconds: ExpirySeconds | None = Field(None, description="The same, counted from now.")
    version: int | None = Field(
        None, ge=1, le=MAX_VERSION, description="Of the arguments; by default the newest that is known."
    )
    unique_key: KeyText | None = Field(
        None, description="No other task of this name may hold it; else `on_conflict` says what becomes of this one."
    )
    unique_for_seconds: ExpirySeconds | None = Field(
        None, description="How long it holds the key; as long as it has not ended, when left out."
    )
    on_conflict: OnConflict | None = Field(
        None,
        description="While another task holds the key: `return` that one, `raise` an error (409), or `replace` it:"
        " cancel it and take its key.",
    )

    @model_validator(mode="after")
    def check_times(self) -> Self:
        """Demand one way to say when it is due, and one to say when it expires."""
        if self.scheduled_at is not None and self.delay_seconds is not None:
            raise ValueError("give scheduled_at or delay_seconds, not both")
        if self.expires_at is not None and self.expires_in_seconds is not None:
            raise ValueError("give expires_at or expires_in_seconds, not both")
        return self

    def request(
        self,
        created_by: UUID,
        task_id: UUID | None,
        after: Sequence[After] = (),
        results: Mapping[str, ResultOf | list[ResultOf]] | None = None,
    ) -> Request:
        """Return what the engine is asked for.

        Raises:
            InvalidInputError: both `args` and `kwargs` are objects with members, or an argument is given and taken.
        """
        positional = () if isinstance(self.args, dict) else self.args
        named = (self.args or self.kwargs) if isinstance(self.args, dict) else self.kwargs
        if isinstance(self.args, dict) and self.args and self.kwargs:
            raise InvalidInputError("Keyword arguments come in `args` or in `kwargs`, not in both.")
        for name in (named or {}).keys() & (results or {}).keys():
            raise InvalidInputError(f"The argument {name!r} is given, and taken from a parent too.")
        return Request(
            task_name=self.task_name,
            args=positional,
            kwargs={**named, **results} if named and results else named or dict(results or {}) or None,
            queue=self.queue,
            priority=None if self.priority is None else Priority.parse(self.priority),
            max_retries=self.max_retries,
            timeout_seconds=self.timeout_seconds,
            scheduled_at=self.scheduled_at,
            delay=self.delay_seconds,
            created_by=created_by,
            task_id=task_id,
            tags=self.tags,
            expires_at=self.expires_at,
            expires_in=self.expires_in_seconds,
            payload_version=self.version,
            unique_key=self.unique_key,
            unique_for=self.unique_for_seconds,
            on_conflict=self.on_conflict,
            after=after,
        )


class ParentTask(Body):
    """A task to wait for, with a policy."""

    parent: UUID
    on_failure: OnFailure = Field(OnFailure.FAIL, description="When the parent does not complete.")
    on_success: OnSuccess = Field(OnSuccess.RUN, description="`skip` makes this a task for failures only.")


class NewTask(TaskFields):
    """A task to run.

    Where the API has imported the task (TASKFLOW_WORKER_IMPORTS), its arguments are checked, and what is left out or
    null is the definition's. A name that it does not know is taken as it is, with priority 5, the queue `default`,
    5 retries and 300 seconds.
    """

    after: list[UUID | ParentTask] = Field(
        default_factory=list, max_length=1_000, description="Tasks that must end first: ids, or ids with policies."
    )
    results: dict[Text, UUID | Annotated[list[UUID], Field(max_length=1_000)]] = Field(
        default_factory=dict,
        description="Keyword arguments that take what parents return: of one, or a list of what several do.",
    )

    def to_request(self, created_by: UUID, task_id: UUID | None) -> Request:
        """Return what the engine is asked for; raises as `request` does."""
        after = [
            After(one.parent, one.on_failure, one.on_success) if isinstance(one, ParentTask) else After(one)
            for one in self.after
        ]
        results = {
            name: [ResultOf(one) for one in wanted] if isinstance(wanted, list) else ResultOf(wanted)
            for name, wanted in self.results.items()
        }
        return self.request(created_by, task_id, after, results)


class TaskCreated(BaseModel):
    """A task that was accepted."""

    task_id: UUID
    status: TaskStatus


class NewTasks(Body):
    """Tasks to run, all or none."""

    tasks: list[NewTask] = Field(min_length=1, max_length=MAX_BULK, fail_fast=True)


class TasksCreated(BaseModel):
    """Tasks that were accepted, in the order they were given."""

    task_ids: list[UUID]


class TaskOut(BaseModel):
    """A task."""

    task_id: UUID
    task_name: str
    task_args: Any = Field(description="Positional arguments, or null.")
    task_kwargs: Any = Field(description="Keyword arguments, or null; `encrypted` and the key's id when they are.")
    queue: str
    priority: int
    priority_name: PriorityName | None
    status: TaskStatus
    retry_count: int
    max_retries: int
    timeout_seconds: int
    parent_task_id: UUID | None
    pending_parents: int = Field(description="How many tasks it waits for.")
    campaign_id: UUID | None
    created_at: datetime
    scheduled_at: datetime | None = Field(description="When the caller wanted it.")
    due_at: datetime | None = Field(description="When it becomes PENDING; also of a retry.")
    started_at: datetime | None
    completed_at: datetime | None
    worker_id: UUID | None
    created_by: UUID | None
    lease_epoch: int
    crash_count: int
    cancel_requested_at: datetime | None
    tags: list[str]
    payload_version: int | None = Field(description="Of the arguments; null: whatever its worker has.")
    expires_at: datetime | None = Field(description="If it has not begun by then, it ends CANCELLED.")

    @classmethod
    def of(cls, row: asyncpg.Record) -> "TaskOut":
        """Read a row of `tasks`."""
        return cls.model_construct(**_task_fields(row))


class ExecutionOut(BaseModel):
    """One attempt."""

    execution_id: UUID
    attempt_number: int
    lease_epoch: int
    worker_id: UUID | None
    started_at: datetime
    completed_at: datetime | None
    duration_seconds: float | None
    status: str
    error_message: str | None

    @classmethod
    def of(cls, row: asyncpg.Record) -> "ExecutionOut":
        """Read a row of `task_executions`."""
        return cls(**{name: sealed.shown(row[name]) for name in cls.model_fields})


class ResultOut(BaseModel):
    """What a task returned, or why it failed."""

    result_data: Any = Field(description="`encrypted` and the key's id when `encrypted_with` names one.")
    error_message: str | None
    stack_trace: str | None
    created_at: datetime
    expires_at: datetime | None = Field(description="When it is forgotten; null: with its task.")
    encrypted_with: str | None = Field(
        description="The id of the key that the result is encrypted with: what it is cannot be read here."
    )

    @classmethod
    def of(cls, row: asyncpg.Record) -> "ResultOut":
        """Read a row of `task_results`."""
        shown = {name: sealed.shown(row[name]) for name in cls.model_fields if name != "encrypted_with"}
        parts = sealed.parts_of(row["result_data"])
        return cls(**shown, encrypted_with=parts[0] if parts else None)


class TaskProgressOut(RowOut):
    """How far a task says it is."""

    percent: float | None
    done: int | None
    total: int | None
    message: str | None
    lease_epoch: int = Field(description="Of the attempt that said so.")
    updated_at: datetime


class LogOut(BaseModel):
    """A line that a task logged."""

    log_id: UUID
    level: str
    message: str
    metadata: Any
    created_at: datetime


class DependencyOut(RowOut):
    """A task that another waits for, or has waited for."""

    parent_id: UUID
    task_name: str | None
    status: TaskStatus | None
    on_success: OnSuccess
    on_failure: OnFailure
    satisfied_at: datetime | None = Field(description="When the parent's end was dealt with.")


class TaskDetail(TaskOut):
    """A task with its progress, attempts, result, first 1,000 log lines, and first 1,000 tasks that it waits for."""

    dependencies: list[DependencyOut]
    progress: TaskProgressOut | None
    executions: list[ExecutionOut]
    result: ResultOut | None
    logs: list[LogOut]

    @classmethod
    def of_history(cls, found: TaskHistory) -> "TaskDetail":
        """Put a task and its parts together."""
        return cls(
            **_task_fields(found.task),
            progress=TaskProgressOut.of(found.progress) if found.progress else None,
            dependencies=[DependencyOut.of(row) for row in found.parents],
            executions=[ExecutionOut.of(row) for row in found.executions],
            result=ResultOut.of(found.result) if found.result else None,
            logs=[LogOut(**dict(row)) for row in found.logs],
        )


class WorkerOut(RowOut):
    """A worker node."""

    worker_id: UUID
    hostname: str
    status: Literal["ACTIVE", "IDLE", "BUSY", "PAUSED", "DRAINING", "DEAD"]
    wanted: Literal["RUN", "PAUSE", "DRAIN", "STOP"] = Field(
        description="What it was told; it obeys within a heartbeat."
    )
    capacity: int
    current_load: int
    queues: list[str] = Field(description="Empty: every queue.")
    last_heartbeat: datetime
    registered_at: datetime
    stopped_at: datetime | None = Field(
        description="When it left in good order; a DEAD node without it just went silent."
    )
    metadata: dict[str, Any]


class TaskSelection(Body):
    """Which tasks: those that match everything given. Whoever gives nothing has to say that they mean all of them."""

    status: list[TaskStatus] | None = None
    task_name: Text | None = None
    queue: Text | None = None
    tags: Tags | None = Field(None, description="Tasks that have all of them.")
    campaign_id: UUID | None = None
    created_after: Instant | None = None
    created_before: Instant | None = None
    all: StrictBool = Field(False, description="Must be true when nothing else is given.")

    @model_validator(mode="after")
    def refuse_accidents(self) -> "TaskSelection":
        """Refuse a selection of everything that nobody has asked for."""
        if not self.all and self.to_filter() == TaskFilter():
            raise ValueError("name what to select, such as a status or a queue, or say all: true")
        return self

    def to_filter(self) -> TaskFilter:
        """Return what the reader is asked for."""
        return TaskFilter(
            frozenset(self.status) if self.status else None,
            self.task_name,
            self.queue,
            self.campaign_id,
            self.created_after,
            self.created_before,
            frozenset(self.tags) if self.tags else None,
        )


class Cancelled(BaseModel):
    """How many tasks are cancelled, or asked to stop."""

    cancelled: int


class Retried(BaseModel):
    """How many tasks start over."""

    retried: int


def _task_fields(row: asyncpg.Record) -> dict[str, Any]:
    fields = {name: sealed.shown(row[name]) for name in TaskOut.model_fields if name != "priority_name"}
    fields["priority_name"] = Priority.name_of(row["priority"])
    fields["status"] = TaskStatus(row["status"])
    fields["tags"] = row["tags"] or []
    return fields
