"""A task on its way in: what is asked for, what is inserted, what the caller gets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from taskflow.base.ids import uuid7
from taskflow.engine.definition import Task, check_json, check_queue_name, registry
from taskflow.engine.limits.routing import dispatch_key
from taskflow.engine.queues.terms import QueueTerms, admit
from taskflow.engine.states import Priority, TaskStatus

R = TypeVar("R")

COPY_COLUMNS = (
    "task_id", "task_name", "queue", "dispatch_key", "priority", "status", "max_retries", "timeout_seconds",
    "scheduled_at", "due_at", "parent_task_id", "created_by", "task_args", "task_kwargs",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TaskHandle(Generic[R]):
    """A task that was enqueued. `is_new` is false when its idempotency key was taken already."""

    task_id: UUID
    status: TaskStatus
    queue: str
    priority: int
    is_new: bool = True
    dispatch_key: str | None = None  # where it stands in line, when that is only a part of its queue

    @property
    def line(self) -> str:
        """Return the dispatch key under which it waits."""
        return self.dispatch_key or self.queue


class Request(NamedTuple):
    """A task by name, as it comes over HTTP.

    Where this process knows the definition, arguments are checked against it and what is None here is taken from it.
    """

    task_name: str
    args: Sequence[Any] = ()
    kwargs: dict[str, Any] | None = None
    queue: str | None = None
    priority: int | None = None
    max_retries: int | None = None
    timeout_seconds: int | None = None
    scheduled_at: datetime | None = None
    parent_task_id: UUID | None = None
    created_by: UUID | None = None
    idempotency_key: str | None = None
    task_id: UUID | None = None  # given by a caller that may repeat itself: a task that is there already is its answer


class TaskRow(NamedTuple):
    """A task about to be inserted."""

    task_id: UUID
    task_name: str
    queue: str
    dispatch_key: str
    priority: int
    max_retries: int
    timeout: int
    scheduled_at: datetime | None
    delay: float | None
    parent_task_id: UUID | None
    created_by: UUID | None
    args: Any
    kwargs: Any
    idempotency_key: str | None

    @property
    def waits(self) -> bool:
        """Tell whether it is wanted at some time instead of at once."""
        return self.scheduled_at is not None or self.delay is not None

    def handle(self) -> TaskHandle[Any]:
        """Return what the caller gets."""
        status = TaskStatus.SCHEDULED if self.waits else TaskStatus.PENDING
        return TaskHandle(self.task_id, status, self.queue, self.priority, dispatch_key=self.dispatch_key)

    def record(self, now: datetime | None) -> tuple[Any, ...]:
        """Return the row for a COPY of `COPY_COLUMNS`; `now` is the database's, for those that wait."""
        at = self.scheduled_at
        if now is not None and self.delay is not None and at is None:
            at = now + timedelta(seconds=self.delay)
        due = at if at is None or now is None else max(at, now)
        return (
            self.task_id, self.task_name, self.queue, self.dispatch_key, self.priority,
            "PENDING" if at is None else "SCHEDULED", self.max_retries, self.timeout, at, due, self.parent_task_id,
            self.created_by, self.args, self.kwargs,
        )  # fmt: skip


def prepare(
    request: Request, task: Task[..., Any] | None = None, *, terms: Mapping[str, QueueTerms] | None = None
) -> TaskRow:
    """Check a request against its definition and fill in what it leaves open.

    With `task` its arguments are converted. Without, the definition is the one of that name, if there is one here, and
    the arguments are kept as they were given: they are JSON already, and not every type can be written as the JSON that
    it was read from (a `SecretStr` is masked). The worker converts them.

    `terms`: what queues grant where neither the request nor the definition says anything.

    Raises:
        QueueDrainingError: the queue takes no new tasks.
        InvalidTaskArgumentsError: the arguments do not fit, or are no JSON.
        InvalidInputError: the queue cannot be called so.
        InvalidConcurrencyKeyError: the task's concurrency key cannot be computed from the arguments.
    """
    args, kwargs = list(request.args), request.kwargs or {}
    if task is not None:
        args, kwargs = [], task.validate(args, kwargs)
        arguments = kwargs
    elif (task := registry.find(request.task_name)) is not None:
        arguments = task.validate(args, kwargs)
    else:
        arguments = {}
    queue = check_queue_name(request.queue or (task.queue if task else "default"))
    granted = admit(terms or {}, queue)
    said = task.said if task else frozenset[str]()
    return TaskRow(
        task_id=request.task_id or uuid7(),
        task_name=request.task_name,
        queue=queue,
        dispatch_key=dispatch_key(task, queue, arguments),
        priority=_first(
            request.priority, task.priority if task and "priority" in said else granted.priority, Priority.MEDIUM
        ),
        max_retries=_first(
            request.max_retries, task.max_retries if task and "max_retries" in said else granted.max_retries, 5
        ),
        timeout=_first(
            request.timeout_seconds, task.timeout if task and "timeout" in said else granted.timeout_seconds, 300
        ),
        scheduled_at=request.scheduled_at,
        delay=task.delay if task else None,
        parent_task_id=request.parent_task_id,
        created_by=request.created_by,
        args=check_json(args, "The list of arguments", exactly=True) if args else None,
        kwargs=check_json(kwargs, "The set of arguments", exactly=True) if kwargs else None,
        idempotency_key=request.idempotency_key,
    )


def _first(asked: int | None, granted: int | None, default: int) -> int:
    if asked is not None:
        return asked
    return default if granted is None else granted
