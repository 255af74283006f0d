"""A task on its way in: what is asked for, and what is inserted."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from taskflow.base.errors import InvalidInputError
from taskflow.base.ids import uuid7, uuid7_many
from taskflow.engine.definition import Task, registry
from taskflow.engine.dependencies.models import GROUP, Edge, Parent, ResultOf, edges_of, is_result, split_results
from taskflow.engine.handles import Client, TaskHandle
from taskflow.engine.limits.routing import part_of
from taskflow.engine.options import MAX_EXPIRY_SECONDS, TERMS, OnConflict, check_key, check_queue_name, check_tags
from taskflow.engine.payload import check_json
from taskflow.engine.sealed import parts_of
from taskflow.engine.states import Priority, TaskStatus

_HOLDERS = frozenset({ResultOf, list, tuple})  # what an argument is that may be, or hold, results of parents

COPY_COLUMNS = (
    "task_id", "task_name", "queue", "dispatch_key", "priority", "status", "max_retries", "timeout_seconds",
    "scheduled_at", "due_at", "parent_task_id", "created_by", "task_args", "task_kwargs",
)  # fmt: skip
OPTION_COLUMNS = ("payload_version", "tags", "expires_at")
"""Copied too when one of the tasks has something there."""


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
    tags: Sequence[str] | None = None
    expires_at: datetime | None = None
    expires_in: float | None = None  # seconds from the enqueueing
    payload_version: int | None = None
    unique_key: str | None = None
    unique_for: float | None = None
    on_conflict: OnConflict | None = None
    delay: float | None = None  # seconds from the enqueueing, on the database's clock
    after: Sequence[Parent] = ()  # arguments may be results of further parents: `ResultOf`, or a list of them


def request_of(task: Task[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Request:
    """Return what the call of a task asks for."""
    return Request(task.name, args, kwargs, idempotency_key=task.idempotency_key, after=task.after)


class UniqueClaim(NamedTuple):
    """The key that a task is the only one to hold: for `seconds`, or as long as it lives when None."""

    key: str
    seconds: float | None
    on_conflict: OnConflict


class TaskRow(NamedTuple):
    """A task about to be inserted. `payload_version` None: whatever its worker has."""

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
    payload_version: int | None = 1
    tags: tuple[str, ...] = ()
    expires_at: datetime | None = None
    expires_in: float | None = None
    unique: UniqueClaim | None = None
    fingerprint: bytes | None = None  # of the call, under an idempotency key: another call under it is an error
    parents: tuple[Edge, ...] = ()
    part: str | None = None  # of its queue, in which it waits because it is limited
    said: frozenset[str] = frozenset()  # which of `TERMS` its caller or its definition chose: the rest is the queue's

    @property
    def dispatch_key(self) -> str:
        """Return where it stands in line."""
        return f"{self.queue}/{self.part}" if self.part else self.queue

    definition: Task[..., Any] | None = None  # whose call this is: it says of which type the result is

    @property
    def takes_results(self) -> bool:
        """Tell whether arguments are results of parents."""
        return self.task_name != GROUP and any(edge.arguments for edge in self.parents)

    @property
    def waits(self) -> bool:
        """Tell whether it is wanted at some time instead of at once."""
        return self.scheduled_at is not None or self.delay is not None

    @property
    def has_options(self) -> bool:
        """Tell whether one of the `OPTION_COLUMNS` is not what it is by default."""
        return bool(self.tags) or self.payload_version != 1 or self.expires

    @property
    def expires(self) -> bool:
        """Tell whether it has to begin by some time."""
        return self.expires_at is not None or self.expires_in is not None

    def handle(self, client: Client | None = None) -> TaskHandle[Any]:
        """Return what the caller gets; `client` is who it asks."""
        status = TaskStatus.SCHEDULED if self.waits else TaskStatus.PENDING
        if self.parents:
            status = TaskStatus.BLOCKED
        return TaskHandle(
            self.task_id, status, self.queue, self.priority, True, self.dispatch_key, self.definition, client
        )

    def handle_of(self, holder: UUID, status: TaskStatus, client: Client | None = None) -> TaskHandle[Any]:
        """Return what the caller gets when another task holds a key of this one, or this one was there already."""
        return TaskHandle(holder, status, self.queue, self.priority, False, self.dispatch_key, self.definition, client)

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
            self.task_id, self.task_name, self.queue, self.dispatch_key, self.priority, status, self.max_retries,
            self.timeout, at, due, self.parent_task_id, self.created_by, self.args, self.kwargs,
        )  # fmt: skip

    def option_record(self, now: datetime | None) -> tuple[Any, ...]:
        """Return the values of `OPTION_COLUMNS`; `now` is the database's."""
        expires_at = self.expires_at
        if now is not None and self.expires_in is not None:
            expires_at = now + timedelta(seconds=self.expires_in)
        return self.payload_version, self.tags or None, expires_at


def prepare(request: Request, task: Task[..., Any] | None = None) -> TaskRow:
    """Check a request against its definition and fill in what it leaves open.

    With `task` its arguments are converted. Without, the definition is the one of that name, if there is one here, and
    the arguments are kept as they were given: they are JSON already, and not every type can be written as the JSON that
    it was read from (a `SecretStr` is masked). The worker converts them.

    Raises:
        InvalidTaskArgumentsError: the arguments do not fit, or are no JSON.
        InvalidInputError: an option cannot be so, the task would expire before it is due, or its name is the engine's.
        InvalidDependencyError: the policies of its parents make no sense.
        InvalidConcurrencyKeyError: the task's concurrency key cannot be computed from the arguments.
    """
    if request.task_name == GROUP:
        raise InvalidInputError(f"{GROUP} is what a graph makes of a group: submit a graph.")
    args, kwargs, results, checked, version = _arguments(request, task)
    called = task
    task = task or registry.find(request.task_name)
    parents = edges_of(request.after, results) if request.after or results else ()
    row = TaskRow(
        task_id=request.task_id or uuid7(),
        task_name=request.task_name,
        queue=check_queue_name(request.queue or (task.queue if task else "default")),
        priority=_first(request.priority, task.priority if task else Priority.MEDIUM),
        max_retries=_first(request.max_retries, task.max_retries if task else 5),
        timeout=_first(request.timeout_seconds, task.timeout if task else 300),
        scheduled_at=request.scheduled_at,
        delay=request.delay if request.delay is not None else task.delay if task else None,
        parent_task_id=request.parent_task_id or (parents[0].parent_id if parents else None),
        created_by=request.created_by,
        args=check_json(args, "The list of arguments", exactly=True) if args else None,
        kwargs=_plain(kwargs),
        idempotency_key=request.idempotency_key,
        payload_version=version,
        tags=check_tags(request.tags) if request.tags is not None else task.tags if task else (),
        expires_at=request.expires_at,
        expires_in=None if request.expires_at else request.expires_in or (task.expires_in if task else None),
        unique=_unique(request, task, checked),
        parents=parents,
        part=part_of(task, checked),
        said=_said(request, task),
        definition=called,
    )
    if row.expires:
        _check_expiry(row)
    return row if row.idempotency_key is None else row._replace(fingerprint=_fingerprint(row))


_KWARGS = TaskRow._fields.index("kwargs")


def prepare_calls(task: Task[..., Any], calls: Iterable[dict[str, Any]]) -> list[TaskRow]:
    """Prepare many calls of one task, as `prepare` does each; what they have in common is worked out once.

    Raises as `prepare` does.
    """
    calls = list(calls)
    differ = task.limits or task.unique_key or task.idempotency_key or task.after
    if differ or any(map(_is_special, calls)):
        return [prepare(request_of(task, (), call), task) for call in calls]
    if not calls:
        return []
    first, *others = calls
    mould = prepare(request_of(task, (), first), task)
    head, tail = mould[1:_KWARGS], mould[_KWARGS + 1 :]
    ids = uuid7_many(len(others))
    arguments = (_plain(task.validate((), call)) for call in others)
    return [mould, *(TaskRow._make((next(ids), *head, kwargs, *tail)) for kwargs in arguments)]


def _plain(kwargs: dict[str, Any]) -> Any:
    return check_json(kwargs, "The set of arguments", exactly=True) if kwargs else None


def _is_special(call: dict[str, Any]) -> bool:
    """Tell whether arguments may be results of parents, or are encrypted."""
    return bool(call) and not (_HOLDERS.isdisjoint(map(type, call.values())) and parts_of(call) is None)


class _Arguments(NamedTuple):
    """Arguments by position and by name, those that results of parents will be, all by name, and their version."""

    args: list[Any]
    kwargs: dict[str, Any]
    results: dict[str, list[ResultOf] | ResultOf]
    checked: dict[str, Any]
    version: int | None


def _arguments(request: Request, task: Task[..., Any] | None) -> _Arguments:
    definition = task or registry.find(request.task_name)
    args, kwargs = list(request.args), request.kwargs or {}
    results: dict[str, list[ResultOf] | ResultOf] = {}
    if not _HOLDERS.isdisjoint(map(type, (*args, *kwargs.values()))):
        args, kwargs, results = _part(definition, args, kwargs)
    if definition is None:
        return _Arguments(args, kwargs, results, kwargs, request.payload_version)
    version = definition.version if task is not None else request.payload_version or definition.version
    if version > definition.version or parts_of(kwargs) is not None:  # a worker can tell
        return _Arguments(args, kwargs, results, kwargs, version)
    if not results:
        checked = definition.read(args, kwargs, version)
    elif version == definition.version:
        checked = definition.validate_some(definition.named(args, kwargs), results.keys())
    else:
        checked = kwargs  # nothing can be upgraded that is not complete
    return _Arguments([] if task else args, checked if task else kwargs, results, checked, version)


def _fingerprint(row: TaskRow) -> bytes:
    call = orjson.dumps([row.task_name, row.args, row.kwargs], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(call).digest()


def _unique(request: Request, task: Task[..., Any] | None, arguments: dict[str, Any]) -> UniqueClaim | None:
    key = request.unique_key
    if key is None and (task is None or task.unique_key is None):
        return None
    if key is not None:
        check_key(key, "Unique key")
    elif task is not None and task.unique_key is not None:
        key = task.unique_key_of(arguments)
    if key is None:
        return None
    return UniqueClaim(
        key,
        request.unique_for or (task.unique_for if task else None),
        request.on_conflict or (task.on_conflict if task else "return"),
    )


def _check_expiry(row: TaskRow) -> None:
    if row.expires_in is not None and row.expires_in > MAX_EXPIRY_SECONDS:  # a schedule would fire into it for ever
        raise InvalidInputError(f"expires_in takes up to {MAX_EXPIRY_SECONDS:,} seconds.", field="expires_in")
    late = (
        (row.expires_at is not None and row.scheduled_at is not None and row.expires_at <= row.scheduled_at)
        or (row.expires_in is not None and row.delay is not None and row.expires_in <= row.delay)
    )  # fmt: skip
    if late:
        raise InvalidInputError("It would expire before it is due: let it expire later, or run earlier.")


def _part(
    definition: Task[..., Any] | None, args: list[Any], kwargs: dict[str, Any]
) -> tuple[list[Any], dict[str, Any], dict[str, list[ResultOf] | ResultOf]]:
    """Part the arguments that are results of parents from the others; by position, they need a definition."""
    if definition is not None and any(map(is_result, args)):
        args, kwargs = [], definition.named(args, kwargs)
    return args, *split_results(kwargs)


def _said(request: Request, task: Task[..., Any] | None) -> frozenset[str]:
    said = task.said if task else frozenset[str]()
    asked = (request.priority, request.max_retries, request.timeout_seconds)
    if asked == (None, None, None):
        return said
    return said | {term for term, value in zip(TERMS, asked, strict=True) if value is not None}


def _first(value: int | None, default: int) -> int:
    return default if value is None else value
