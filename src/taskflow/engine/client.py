"""The direct client: enqueues and steers tasks for code that shares the database.

Enqueueing is an INSERT. `enqueue` runs it in a transaction of its own and puts the id in line right after the commit.
`enqueue_in` runs it in the caller's transaction: no task without the commit, none lost after it; call `dispatch` with
the handle once it has committed, or leave it to the relay, which finds it within a second.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, NoReturn, ParamSpec, TypeVar
from uuid import UUID

import asyncpg
from redis.exceptions import RedisError

from taskflow.base.logging import get_logger
from taskflow.broker.redis.broker import RedisBroker
from taskflow.broker.redis.dispatch import Entry, Settled
from taskflow.db.pool import Connection, Database
from taskflow.engine.default import default_engine
from taskflow.engine.definition import InvalidTaskArgumentsError, Task
from taskflow.engine.requests import COPY_COLUMNS, Request, TaskHandle, TaskRow, json_text, prepare
from taskflow.engine.results import TaskEnd
from taskflow.engine.schedules.models import Schedule
from taskflow.engine.schedules.service import ScheduleService
from taskflow.engine.states import IllegalTransitionError, TaskStatus
from taskflow.engine.store import sql
from taskflow.engine.waiting import Ends, TaskNotFoundError
from taskflow.settings import Settings

P = ParamSpec("P")
R = TypeVar("R")

log = get_logger(__name__)

_KEY_SECONDS = 86_400.0


class Engine:
    """The engine as an application sees it."""

    def __init__(self, database: Database, broker: RedisBroker) -> None:
        """Use the pools and the broker of this process."""
        self._database = database
        self._broker = broker
        self._ends = Ends(database, broker)
        self.schedules = ScheduleService(database, broker)

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings | None = None) -> AsyncIterator["Engine"]:
        """Connect to PostgreSQL and Redis, and be the engine of `task.enqueue` in this process while the block lasts.

        They are those of the settings (`TASKFLOW_DATABASE_URL`, `TASKFLOW_REDIS_URL`), else those of the `taskflow up`
        that runs under `TASKFLOW_HOME`.

        Raises:
            ConfigurationError: a URL is missing.
            UnavailableError: PostgreSQL does not answer.
        """
        async with cls.connected(settings) as engine:
            with default_engine(engine):
                yield engine

    @classmethod
    @asynccontextmanager
    async def connected(cls, settings: Settings | None = None) -> AsyncIterator["Engine"]:
        """Do the same, but leave it to the caller which engine `task.enqueue` uses."""
        settings = (settings or Settings()).attached()
        async with (
            Database.open(settings.database, name="taskflow client") as database,
            RedisBroker.open(settings.redis) as broker,
        ):
            yield cls(database, broker)

    async def schedule(self, schedule: Schedule, task: Task[P, R], *args: P.args, **kwargs: P.kwargs) -> UUID:
        """Let a schedule start a task with these arguments; return the schedule's id.

        It is declared by its name, so that an application may say so at every start: a schedule that is there already
        becomes the given one, and one that is the same goes on undisturbed. `Engine.schedules` steers it.

        Raises:
            InvalidTaskArgumentsError: the arguments do not fit the function.
            InvalidScheduleError: it would never fire.
        """
        row = await self.schedules.declare(schedule, _request(task, args, kwargs), definition=task)
        schedule_id: UUID = row["schedule_id"]
        return schedule_id

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
        return await self._insert(connection, prepare(_request(task, args, kwargs), task), task)

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
        row = prepare(request, _definition)
        async with self._database.pool.acquire() as connection:
            if request.task_id is not None:
                handle = await self._insert_once(connection, row, _definition)
            elif request.idempotency_key is None:
                handle = await self._insert(connection, row, _definition)
            else:
                async with connection.transaction():
                    handle = await self._insert(connection, row, _definition)
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
                rows.append(prepare(request))
            except InvalidTaskArgumentsError as error:
                raise InvalidTaskArgumentsError(f"tasks[{index}]: {error}", **error.context, index=index) from error
        return await self._copy(rows)

    async def enqueue_many(self, task: Task[P, R], calls: Iterable[dict[str, Any]]) -> list[TaskHandle[R]]:
        """Enqueue one task many times, each with the keyword arguments of a dict of `calls`: one COPY, all or none."""
        return await self._copy([prepare(_request(task, (), call), task) for call in calls], task)

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

    async def end_of(self, task_id: UUID, timeout: float | None = None) -> TaskEnd:  # noqa: ASYNC109 - as in `TaskHandle`
        """Wait for the end of a task, at most `timeout` seconds, and return it.

        Raises:
            TaskNotFoundError: there is none.
            WaitTimeoutError: it has not ended in time.
        """
        return await self._ends.wait(task_id, timeout)

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

    async def _insert(
        self, connection: Connection, row: TaskRow, task: Task[..., Any] | None = None
    ) -> TaskHandle[Any]:
        if row.idempotency_key is not None:
            holder = await connection.fetchval(
                sql.reserve_key, row.task_name, row.idempotency_key, row.task_id, _KEY_SECONDS
            )
            if holder != row.task_id:
                status = await connection.fetchval(sql.status_of, holder)
                there = TaskStatus(status or "PENDING")
                return TaskHandle(holder, there, row.queue, row.priority, is_new=False, task=task, client=self)
        await connection.execute(
            sql.insert_task, row.task_id, row.task_name, row.queue, row.priority, row.max_retries, row.timeout,
            row.scheduled_at, row.parent_task_id, row.created_by, json_text(row.args), json_text(row.kwargs),
            row.delay,
        )  # fmt: skip
        return row.handle(task, self)

    async def _insert_once(self, connection: Connection, row: TaskRow, task: Task[..., Any] | None) -> TaskHandle[Any]:
        try:
            return await self._insert(connection, row, task)
        except asyncpg.UniqueViolationError:
            status = await connection.fetchval(sql.status_of, row.task_id)
            return replace(row.handle(task, self), status=TaskStatus(status), is_new=False)

    async def _copy(self, rows: Sequence[TaskRow], task: Task[..., Any] | None = None) -> list[TaskHandle[Any]]:
        async with self._database.pool.acquire() as connection:
            now = await connection.fetchval("SELECT now()") if any(row.waits for row in rows) else None
            try:
                records = [row.record(now) for row in rows]
                await connection.copy_records_to_table("tasks", records=records, columns=COPY_COLUMNS)
            except asyncpg.UniqueViolationError:  # given ids that are all there already: see `Request.task_id`
                return [replace(row.handle(task, self), is_new=False) for row in rows]
        handles = [row.handle(task, self) for row in rows]
        await self.dispatch(handles)
        return handles

    async def _note_child(self, parent_id: UUID, child_id: UUID) -> None:
        try:
            await self._broker.dispatch.add_dependency(parent_id, child_id)
        except (RedisError, OSError) as error:
            log.warning("child_not_noted", parent=str(parent_id), error=str(error))


def _request(task: Task[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Request:
    return Request(task.name, args, kwargs, idempotency_key=task.idempotency_key)
