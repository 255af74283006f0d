"""A task on its way in: what is asked for, what is inserted, what the caller gets."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, NamedTuple, Protocol, TypeVar
from uuid import UUID

import orjson

from taskflow.base.ids import uuid7
from taskflow.engine.default import NoEngineError
from taskflow.engine.definition import Task, check_json, check_queue_name, registry
from taskflow.engine.results import TaskEnd
from taskflow.engine.states import Priority, TaskStatus

R = TypeVar("R")

COPY_COLUMNS = (
    "task_id", "task_name", "queue", "dispatch_key", "priority", "status", "max_retries", "timeout_seconds",
    "scheduled_at", "due_at", "parent_task_id", "created_by", "task_args", "task_kwargs",
)  # fmt: skip


class Client(Protocol):
    """What a handle asks about its task: the direct `Engine`, or `TaskFlow` over HTTP."""

    async def end_of(self, task_id: UUID, timeout: float | None = None) -> TaskEnd:  # noqa: ASYNC109 - the same
        """Return how a task ended, once it has."""
        ...

    async def cancel(self, task_id: UUID) -> TaskStatus:
        """Cancel a task, or ask for it while it runs."""
        ...

    async def retry(self, task_id: UUID) -> None:
        """Start an ended task over."""
        ...


@dataclass(frozen=True, slots=True)
class TaskHandle(Generic[R]):
    """A task that was enqueued. `is_new` is false when its idempotency key was taken already.

    `status` is what it was then; `wait` and `result` follow it.
    """

    task_id: UUID
    status: TaskStatus
    queue: str
    priority: int
    is_new: bool = True
    task: Task[..., R] | None = field(default=None, repr=False, compare=False)
    client: Client | None = field(default=None, repr=False, compare=False)

    async def result(self, timeout: float | None = None) -> R:  # noqa: ASYNC109 - what callers expect to write
        """Wait for the task's end, at most `timeout` seconds, and return what it returned, as its function's type.

        Raises:
            TaskFailedError, TaskCancelledError: it did not end well.
            WaitTimeoutError: it has not ended in time.
            TaskNotFoundError: its transaction has not committed.
        """
        result: R = (await self._client().end_of(self.task_id, timeout)).value(self.task)
        return result

    async def wait(self, timeout: float | None = None) -> TaskEnd:  # noqa: ASYNC109 - the same
        """Wait for the task's end, whichever it is, and return it; raises as `result`, but not for a bad end."""
        return await self._client().end_of(self.task_id, timeout)

    async def cancel(self) -> TaskStatus:
        """Cancel the task, or ask its worker to while it runs; return its status now.

        Raises:
            IllegalTransitionError: it has ended already.
        """
        return await self._client().cancel(self.task_id)

    async def retry(self) -> None:
        """Start the task over with a full set of attempts.

        Raises:
            IllegalTransitionError: it has not ended, or ended well.
        """
        await self._client().retry(self.task_id)

    def _client(self) -> Client:
        if self.client is None:
            raise NoEngineError("This handle came from no client, so there is nobody to ask.")
        return self.client


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

    def handle(self, task: Task[..., Any] | None = None, client: Client | None = None) -> TaskHandle[Any]:
        """Return what the caller gets."""
        status = TaskStatus.SCHEDULED if self.waits else TaskStatus.PENDING
        return TaskHandle(self.task_id, status, self.queue, self.priority, task=task, client=client)

    def record(self, now: datetime | None) -> tuple[Any, ...]:
        """Return the row for a COPY of `COPY_COLUMNS`; `now` is the database's, for those that wait."""
        at = self.scheduled_at
        if now is not None and self.delay is not None and at is None:
            at = now + timedelta(seconds=self.delay)
        due = at if at is None or now is None else max(at, now)
        return (
            self.task_id, self.task_name, self.queue, self.queue, self.priority,
            "PENDING" if at is None else "SCHEDULED", self.max_retries, self.timeout, at, due, self.parent_task_id,
            self.created_by, self.args, self.kwargs,
        )  # fmt: skip


def prepare(request: Request, task: Task[..., Any] | None = None) -> TaskRow:
    """Check a request against its definition and fill in what it leaves open.

    With `task` its arguments are converted. Without, the definition is the one of that name, if there is one here, and
    the arguments are kept as they were given: they are JSON already, and not every type can be written as the JSON that
    it was read from (a `SecretStr` is masked). The worker converts them.

    Raises:
        InvalidTaskArgumentsError: the arguments do not fit, or are no JSON.
        InvalidInputError: the queue cannot be called so.
    """
    args, kwargs = list(request.args), request.kwargs or {}
    if task is not None:
        args, kwargs = [], task.validate(args, kwargs)
    elif (task := registry.find(request.task_name)) is not None:
        task.validate(args, kwargs)
    return TaskRow(
        task_id=request.task_id or uuid7(),
        task_name=request.task_name,
        queue=check_queue_name(request.queue or (task.queue if task else "default")),
        priority=request.priority or (task.priority if task else Priority.MEDIUM),
        max_retries=_first(request.max_retries, task.max_retries if task else 5),
        timeout=_first(request.timeout_seconds, task.timeout if task else 300),
        scheduled_at=request.scheduled_at,
        delay=task.delay if task else None,
        parent_task_id=request.parent_task_id,
        created_by=request.created_by,
        args=check_json(args, "The list of arguments", exactly=True) if args else None,
        kwargs=check_json(kwargs, "The set of arguments", exactly=True) if kwargs else None,
        idempotency_key=request.idempotency_key,
    )


def json_text(value: Any) -> str | None:
    """Return JSON-safe data as text, for connections that know nothing of our codec."""
    return None if value is None else orjson.dumps(value).decode()


def _first(value: int | None, default: int) -> int:
    return default if value is None else value
