"""A task on its way in: what is asked for, what is inserted, what the caller gets."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, NamedTuple, TypeVar, cast
from uuid import UUID

from taskflow.base.ids import uuid7
from taskflow.engine.definition import Task, check_json, check_queue_name, registry
from taskflow.engine.dependencies.models import GROUP, Edge, Parent, ResultOf, edges_of, is_result, split_results
from taskflow.engine.states import Priority, TaskStatus

R = TypeVar("R")

_HOLDERS = frozenset({ResultOf, list, tuple})  # what an argument is that may be, or hold, results of parents

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

    @property
    def result(self) -> R:
        """Stand for what the task will return, as an argument of another task, which then waits for this one."""
        return cast("R", ResultOf(self.task_id))


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
    after: Sequence[Parent] = ()  # arguments may be results of further parents: `ResultOf`, or a list of them


class TaskRow(NamedTuple):
    """A task about to be inserted."""

    task_id: UUID
    task_name: str
    queue: str
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
    parents: tuple[Edge, ...] = ()

    @property
    def takes_results(self) -> bool:
        """Tell whether arguments are results of parents."""
        return self.task_name != GROUP and any(edge.arguments for edge in self.parents)

    @property
    def waits(self) -> bool:
        """Tell whether it is wanted at some time instead of at once."""
        return self.scheduled_at is not None or self.delay is not None

    def handle(self) -> TaskHandle[Any]:
        """Return what the caller gets."""
        status = TaskStatus.SCHEDULED if self.waits else TaskStatus.PENDING
        return TaskHandle(self.task_id, TaskStatus.BLOCKED if self.parents else status, self.queue, self.priority)

    def record(self, now: datetime | None) -> tuple[Any, ...]:
        """Return the row for a COPY of `COPY_COLUMNS`; `now` is the database's, for those that wait."""
        at = self.scheduled_at
        if now is not None and self.delay is not None and at is None:
            at = now + timedelta(seconds=self.delay)
        status, due = "PENDING", None
        if self.parents:
            status = "BLOCKED"
        elif at is not None:
            status, due = "SCHEDULED", at if now is None else max(at, now)
        return (
            self.task_id, self.task_name, self.queue, self.queue, self.priority, status, self.max_retries,
            self.timeout, at, due, self.parent_task_id, self.created_by, self.args, self.kwargs,
        )  # fmt: skip


def prepare(request: Request, task: Task[..., Any] | None = None) -> TaskRow:
    """Check a request against its definition and fill in what it leaves open.

    With `task` its arguments are converted. Without, the definition is the one of that name, if there is one here, and
    the arguments are kept as they were given: they are JSON already, and not every type can be written as the JSON that
    it was read from (a `SecretStr` is masked). The worker converts them.

    Raises:
        InvalidTaskArgumentsError: the arguments do not fit, or are no JSON.
        InvalidInputError: the queue cannot be called so.
        InvalidDependencyError: the policies of its parents make no sense.
    """
    definition = task or registry.find(request.task_name)
    args, kwargs = list(request.args), request.kwargs or {}
    results: dict[str, list[ResultOf] | ResultOf] = {}
    if not _HOLDERS.isdisjoint(map(type, (*args, *kwargs.values()))):
        args, kwargs, results = _part(definition, args, kwargs)
    if definition is not None:
        if results:
            checked = definition.validate_some(definition.named(args, kwargs), results)
        else:
            checked = definition.validate(args, kwargs)
        if task is not None:
            args, kwargs = [], checked
    task = definition
    parents = edges_of(request.after, results) if request.after or results else ()
    return TaskRow(
        task_id=request.task_id or uuid7(),
        task_name=request.task_name,
        queue=check_queue_name(request.queue or (task.queue if task else "default")),
        priority=request.priority or (task.priority if task else Priority.MEDIUM),
        max_retries=_first(request.max_retries, task.max_retries if task else 5),
        timeout=_first(request.timeout_seconds, task.timeout if task else 300),
        scheduled_at=request.scheduled_at,
        delay=task.delay if task else None,
        parent_task_id=request.parent_task_id or (parents[0].parent_id if parents else None),
        created_by=request.created_by,
        args=check_json(args, "The list of arguments", exactly=True) if args else None,
        kwargs=check_json(kwargs, "The set of arguments", exactly=True) if kwargs else None,
        idempotency_key=request.idempotency_key,
        parents=parents,
    )


def _part(
    definition: Task[..., Any] | None, args: list[Any], kwargs: dict[str, Any]
) -> tuple[list[Any], dict[str, Any], dict[str, list[ResultOf] | ResultOf]]:
    """Part the arguments that are results of parents from the others; by position, they need a definition."""
    if definition is not None and any(map(is_result, args)):
        args, kwargs = [], definition.named(args, kwargs)
    return args, *split_results(kwargs)


def _first(value: int | None, default: int) -> int:
    return default if value is None else value
