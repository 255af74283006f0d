"""The direct client: enqueues and steers tasks for code that shares the database.

Enqueueing is an INSERT. `enqueue` runs it in a transaction of its own and puts the id in line right after the commit.
`enqueue_in` runs it in the caller's transaction: no task without the commit, none lost after it; call `dispatch` with
the handle once it has committed, or leave it to the relay, which finds it within a second.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Generic, NamedTuple, NoReturn, ParamSpec, TypeVar
from uuid import UUID

import asyncpg
from redis.exceptions import RedisError

from taskflow.base.errors import NotFoundError
from taskflow.base.ids import uuid7
from taskflow.base.logging import get_logger
from taskflow.broker.redis.broker import RedisBroker
from taskflow.broker.redis.dispatch import Entry, Settled
from taskflow.db.pool import Connection, Database
from taskflow.engine.definition import InvalidTaskArgumentsError, Task, check_json, check_queue_name, registry
from taskflow.engine.states import IllegalTransitionError, Priority, TaskStatus
from taskflow.engine.store import sql

P = ParamSpec("P")
R = TypeVar("R")

log = get_logger(__name__)

_KEY_SECONDS = 86_400.0
_COPY_COLUMNS = (
    "task_id", "task_name", "queue", "dispatch_key", "priority", "status", "max_retries", "timeout_seconds",
    "scheduled_at", "due_at", "parent_task_id", "created_by", "task_args", "task_kwargs",
)  # fmt: skip


class TaskNotFoundError(NotFoundError):
    """There is no such task."""

    code = "task_not_found"


@dataclass(frozen=True, slots=True)
class TaskHandle(Generic[R]):
    """A task that was enqueued. `is_new` is false when its idempotency key was taken already."""

    task_id: UUID
    status: TaskStatus
    queue: str
    priority: int
    is_new: bool = True


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


class Engine:
    """The engine as an application sees it."""

    def __init__(self, database: Database, broker: RedisBroker) -> None:
        """Use the pools and the broker of this process."""
        self._database = database
        self._broker = broker

    async def enqueue(self, task: Task[P, R], *args: P.args, **kwargs: P.kwargs) -> TaskHandle[R]:
        """Enqueue a task; it may start before this returns.

        Raises:
            InvalidTaskArgumentsError: the arguments do not fit the function.
        """
        return await self.submit(_request(task, args, kwargs), _definition=task)

    async def enqueue_in(
        self, connection: Connection, task: Task[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> TaskHandle[R]:
        """Enqueue a task in the transaction of `connection` (asyncpg): it exists if and only if that commits."""
        return await self._insert(connection, _prepare(_request(task, args, kwargs), task))

    async def dispatch(self, handles: Iterable[TaskHandle[Any]]) -> None:
        """Put committed tasks in line at once. Redis being away is no error: the relay does it later."""
        entries = [Entry(h.queue, h.priority, str(h.task_id)) for h in handles if h.status is TaskStatus.PENDING]
        try:
            await self._broker.dispatch.push(entries)
        except (RedisError, OSError) as error:
            log.warning("push_left_to_the_relay", tasks=len(entries), error=str(error))

    async def submit(self, request: Request, *, _definition: Task[..., Any] | None = None) -> TaskHandle[Any]:
        """Enqueue a task by name. A name that this process does not know is taken as it is: workers may know it.

        Raises:
            InvalidTaskArgumentsError: the arguments do not fit, or are no JSON.
        """
        row = _prepare(request, _definition) if _definition else _prepare_by_name(request)
        async with self._database.pool.acquire() as connection:
            if request.task_id is not None:
                handle = await self._insert_once(connection, row)
            elif request.idempotency_key is None:
                handle = await self._insert(connection, row)
            else:
                async with connection.transaction():
                    handle = await self._insert(connection, row)
        if handle.is_new:
            await self.dispatch([handle])
            if request.parent_task_id is not None:
                await self._note_child(request.parent_task_id, handle.task_id)
        return handle

    async def submit_many(self, requests: Iterable[Request]) -> list[TaskHandle[Any]]:
        """Enqueue many tasks by name, all or none. Idempotency keys are for single tasks.

        Raises:
            InvalidTaskArgumentsError: the arguments of one of them do not fit; none is enqueued.
        """
        rows = []
        for index, request in enumerate(requests):
            try:
                rows.append(_prepare_by_name(request))
            except InvalidTaskArgumentsError as error:
                raise InvalidTaskArgumentsError(f"tasks[{index}]: {error}", **error.context, index=index) from error
        return await self._copy(rows)

    async def enqueue_many(self, task: Task[P, R], calls: Iterable[dict[str, Any]]) -> list[TaskHandle[R]]:
        """Enqueue one task many times, each with the keyword arguments of a dict of `calls`: one COPY, all or none."""
        return await self._copy([_prepare(_request(task, (), call), task) for call in calls])

    async def cancel(self, task_id: UUID) -> TaskStatus:
        """Cancel a task that waits, or ask its worker to cancel it while it runs; return its status now.

        Raises:
            TaskNotFoundError: there is none.
            IllegalTransitionError: it has ended already.
        """
        rows = await self._request_cancel([task_id])
        if not rows:
            await self._refuse(task_id, "cancelled")
        return TaskStatus(rows[0]["status"])

    async def cancel_many(self, task_ids: Sequence[UUID]) -> int:
        """Cancel those of `task_ids` that wait, and ask to cancel those that run; return how many."""
        return len(await self._request_cancel(task_ids))

    async def retry(self, task_id: UUID) -> None:
        """Start an ended task over: PENDING again with a full set of attempts.

        Raises:
            TaskNotFoundError: there is none.
            IllegalTransitionError: it has not ended, or ended well.
        """
        if not await self.retry_many([task_id]):
            await self._refuse(task_id, "retried")

    async def retry_many(self, task_ids: Sequence[UUID]) -> int:
        """Start over those of `task_ids` that ended badly; return how many."""
        rows = await self._database.pool.fetch(sql.retry_by_hand, sorted(task_ids))
        await self.dispatch(
            TaskHandle(row["task_id"], TaskStatus.PENDING, row["dispatch_key"], row["priority"]) for row in rows
        )
        return len(rows)

    async def _request_cancel(self, task_ids: Sequence[UUID]) -> list[asyncpg.Record]:
        rows = await self._database.pool.fetch(sql.request_cancel, sorted(task_ids))
        waited = [row for row in rows if row["status"] == TaskStatus.CANCELLED]
        try:
            await self._broker.dispatch.settle(
                Settled(row["dispatch_key"], str(row["task_id"]), "CANCELLED") for row in waited
            )
            for row in rows:
                if row["status"] != TaskStatus.CANCELLED:
                    await self._broker.workers.command(row["worker_id"], f"cancel:{row['task_id']}")
        except (RedisError, OSError) as error:
            log.warning("cancel_not_announced", tasks=len(rows), error=str(error))
        return rows

    async def _refuse(self, task_id: UUID, verb: str) -> NoReturn:
        status = await self._database.pool.fetchval(sql.status_of, task_id)
        if status is None:
            raise TaskNotFoundError(f"There is no task {task_id}.", task_id=str(task_id))
        raise IllegalTransitionError(f"A task that is {status} cannot be {verb}.", status=status)

    async def _insert(self, connection: Connection, row: "_Row") -> TaskHandle[Any]:
        if row.idempotency_key is not None:
            holder = await connection.fetchval(
                sql.reserve_key, row.task_name, row.idempotency_key, row.task_id, _KEY_SECONDS
            )
            if holder != row.task_id:
                status = await connection.fetchval(sql.status_of, holder)
                return TaskHandle(holder, TaskStatus(status or "PENDING"), row.queue, row.priority, is_new=False)
        await connection.execute(
            sql.insert_task, row.task_id, row.task_name, row.queue, row.priority, row.max_retries, row.timeout,
            row.scheduled_at, row.parent_task_id, row.created_by, row.args, row.kwargs, row.delay,
        )  # fmt: skip
        return row.handle()

    async def _insert_once(self, connection: Connection, row: "_Row") -> TaskHandle[Any]:
        try:
            return await self._insert(connection, row)
        except asyncpg.UniqueViolationError:
            status = await connection.fetchval(sql.status_of, row.task_id)
            return TaskHandle(row.task_id, TaskStatus(status), row.queue, row.priority, is_new=False)

    async def _copy(self, rows: Sequence["_Row"]) -> list[TaskHandle[Any]]:
        async with self._database.pool.acquire() as connection:
            now = await connection.fetchval("SELECT now()") if any(row.waits for row in rows) else None
            try:
                records = [row.record(now) for row in rows]
                await connection.copy_records_to_table("tasks", records=records, columns=_COPY_COLUMNS)
            except asyncpg.UniqueViolationError:  # given ids that are all there already: see `Request.task_id`
                return [replace(row.handle(), is_new=False) for row in rows]
        handles = [row.handle() for row in rows]
        await self.dispatch(handles)
        return handles

    async def _note_child(self, parent_id: UUID, child_id: UUID) -> None:
        try:
            await self._broker.dispatch.add_dependency(parent_id, child_id)
        except (RedisError, OSError) as error:
            log.warning("child_not_noted", parent=str(parent_id), error=str(error))


class _Row(NamedTuple):
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

    def handle(self) -> TaskHandle[Any]:
        status = TaskStatus.SCHEDULED if self.waits else TaskStatus.PENDING
        return TaskHandle(self.task_id, status, self.queue, self.priority)

    def record(self, now: datetime | None) -> tuple[Any, ...]:
        """Return its columns; `now` is the database's, for those that wait."""
        at = self.scheduled_at
        if now is not None and self.delay is not None and at is None:
            at = now + timedelta(seconds=self.delay)
        due = at if at is None or now is None else max(at, now)
        return (
            self.task_id, self.task_name, self.queue, self.queue, self.priority,
            "PENDING" if at is None else "SCHEDULED", self.max_retries, self.timeout, at, due, self.parent_task_id,
            self.created_by, self.args, self.kwargs,
        )  # fmt: skip


def _request(task: Task[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Request:
    return Request(task.name, args, kwargs, idempotency_key=task.idempotency_key)


def _prepare(request: Request, task: Task[..., Any]) -> _Row:
    """Check a request against its definition, convert its arguments, and fill in what it leaves open."""
    return _row(request, task, [], task.validate(list(request.args), request.kwargs))


def _prepare_by_name(request: Request) -> _Row:
    """Do the same by the definition of that name, if there is one here.

    The arguments are kept as they were given: they are JSON already, and not every type can be written as the JSON that
    it was read from (a `SecretStr` is masked). The worker converts them.
    """
    task = registry.find(request.task_name)
    args, kwargs = list(request.args), request.kwargs or {}
    if task is not None:
        task.validate(args, kwargs)
    return _row(request, task, args, kwargs)


def _row(request: Request, task: Task[..., Any] | None, args: list[Any], kwargs: dict[str, Any]) -> _Row:
    return _Row(
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


def _first(value: int | None, default: int) -> int:
    return default if value is None else value
