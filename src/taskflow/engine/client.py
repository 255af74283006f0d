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
from taskflow.broker.redis.dispatch import Entry
from taskflow.db.deadlocks import repeat_when_deadlocked
from taskflow.db.pool import Connection, Database
from taskflow.engine.default import default_engine
from taskflow.engine.definition import Task
from taskflow.engine.dependencies.graph import Graph
from taskflow.engine.dependencies.release import announce
from taskflow.engine.dependencies.service import DependencyService
from taskflow.engine.dependencies.steering import Cancelled, cancel, restart
from taskflow.engine.handles import TaskHandle
from taskflow.engine.insertion import Inserted, insert, insert_many, needs_transaction
from taskflow.engine.limits.service import LimitService
from taskflow.engine.middleware.stack import MiddlewareStack
from taskflow.engine.middleware.stack import stack as used_middleware
from taskflow.engine.payload import InvalidTaskArgumentsError
from taskflow.engine.queues.service import QueueService
from taskflow.engine.queues.terms import QueueBook, admit, routed
from taskflow.engine.requests import Request, TaskRow, prepare, prepare_calls, request_of
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


class Engine:
    """The engine as an application sees it."""

    def __init__(
        self,
        database: Database,
        broker: RedisBroker,
        book: QueueBook | None = None,
        *,
        middleware: MiddlewareStack = used_middleware,
    ) -> None:
        """Use the pools, the broker and the middleware of this process.

        `book`: what it knows of queues, when engines share that.
        """
        self._database = database
        self._broker = broker
        self._book = book or QueueBook()
        self._middleware = middleware
        self.queues = QueueService(database, broker, self._book, self._cancel_waiting)
        self.limits = LimitService(database, broker)
        self._ends = Ends(database, broker)
        self.schedules = ScheduleService(database, broker, self._book)
        self.dependencies = DependencyService(database, broker)

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
        row = await self.schedules.declare(schedule, request_of(task, args, kwargs), definition=task)
        schedule_id: UUID = row["schedule_id"]
        return schedule_id

    async def enqueue(self, task: Task[P, R], *args: P.args, **kwargs: P.kwargs) -> TaskHandle[R]:
        """Enqueue a task; it may start before this returns.

        Raises:
            InvalidTaskArgumentsError: the arguments do not fit the function.
            QueueDrainingError: its queue takes no new tasks.
            DuplicateTaskError: another task holds its unique key, and `on_conflict` is "raise".
            TaskKeyReusedError: its idempotency key was used with other arguments.
            ParentNotFoundError: it waits for a task that does not exist.
        """
        return await self.submit(request_of(task, args, kwargs), _definition=task)

    async def enqueue_in(
        self, connection: Connection, task: Task[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> TaskHandle[R]:
        """Enqueue a task in the transaction of `connection` (asyncpg): it exists if and only if that commits.

        Raises as `enqueue` does.
        """
        return await self._enqueue_in(connection, prepare(request_of(task, args, kwargs), task))

    async def _enqueue_in(self, connection: Connection, row: TaskRow) -> TaskHandle[Any]:
        [row] = await self._admitted([row], connection)
        if needs_transaction([row]):
            async with connection.transaction():
                inserted = await insert(connection, row, self)
        else:
            inserted = await insert(connection, row, self)
        await self._middleware.after_enqueue([row] if inserted.handles[0].is_new else [])
        return inserted.handles[0]

    async def submit_in(self, connection: Connection, request: Request) -> TaskHandle[Any]:
        """Enqueue a task by name in the transaction of `connection`; `dispatch` the handle once it has committed.

        Raises:
            InvalidTaskArgumentsError: the arguments do not fit, or are no JSON.
        """
        return await self._enqueue_in(connection, prepare(request))

    async def submit_many_in(self, connection: Connection, requests: Iterable[Request]) -> list[TaskHandle[Any]]:
        """Do the same with many, in one statement."""
        return await self._submit_rows_in(connection, [prepare(request) for request in requests])

    async def submit_graph(self, graph: Graph) -> dict[UUID, TaskHandle[Any]]:
        """Submit tasks that wait for each other, all or none; return their handles by the ids of their nodes.

        Raises:
            CyclicDependencyError: some wait for each other in a circle.
            ParentNotFoundError: one waits for a task that does not exist.
        """
        return _by_id(await self.submit_rows(graph.rows()))

    async def submit_graph_in(self, connection: Connection, graph: Graph) -> dict[UUID, TaskHandle[Any]]:
        """Submit a graph in the transaction of `connection` (asyncpg): it exists if and only if that commits."""
        return _by_id(await self._submit_rows_in(connection, graph.rows()))

    async def _submit_rows_in(self, connection: Connection, rows: Sequence[TaskRow]) -> list[TaskHandle[Any]]:
        rows = await self._admitted(rows, connection)
        inserted = await insert_many(connection, rows, self)
        await self._middleware.after_enqueue(rows)
        return inserted.handles

    async def dispatch(self, handles: Iterable[TaskHandle[Any]]) -> None:
        """Put committed tasks in line at once. Redis being away is no error: the relay does it later."""
        entries = [Entry(h.line, h.priority, str(h.task_id)) for h in handles if h.status is TaskStatus.PENDING]
        try:
            await self._broker.dispatch.push(entries)
        except (RedisError, OSError) as error:
            log.warning("push_left_to_the_relay", tasks=len(entries), error=str(error))

    async def submit(self, request: Request, *, _definition: Task[..., Any] | None = None) -> TaskHandle[Any]:
        """Enqueue a task by name. A name that this process does not know is taken as it is: workers may know it.

        Raises:
            InvalidTaskArgumentsError: the arguments do not fit, or are no JSON.
        """
        [row] = await self._admitted([prepare(request, _definition)])
        try:
            inserted = await self._insert([row])
        except asyncpg.UniqueViolationError:
            if request.task_id is None:
                raise
            status = await self._database.pool.fetchval(sql.status_of, row.task_id)
            return row.handle_of(row.task_id, TaskStatus(status), self)
        await self._announce([row], inserted)
        return inserted.handles[0]

    async def submit_many(self, requests: Iterable[Request]) -> list[TaskHandle[Any]]:
        """Enqueue many tasks by name, all or none.

        Raises:
            InvalidTaskArgumentsError: the arguments of one of them do not fit; none is enqueued.
            TaskKeyReusedError, DuplicateTaskError: a key of one of them says so; none is enqueued.
        """
        rows = []
        for index, request in enumerate(requests):
            try:
                rows.append(prepare(request))
            except InvalidTaskArgumentsError as error:
                raise InvalidTaskArgumentsError(f"tasks[{index}]: {error}", **error.context, index=index) from error
        return await self.submit_rows(rows)

    async def enqueue_many(self, task: Task[P, R], calls: Iterable[dict[str, Any]]) -> list[TaskHandle[R]]:
        """Enqueue one task many times, each with the keyword arguments of a dict of `calls`: one COPY, all or none."""
        return await self.submit_rows(prepare_calls(task, calls))

    async def submit_rows(self, rows: Sequence[TaskRow]) -> list[TaskHandle[Any]]:
        """Enqueue what was prepared, all or none, and put in line what need not wait."""
        rows = await self._admitted(rows)
        try:
            inserted = await self._insert(rows)
        except asyncpg.UniqueViolationError:  # given ids that are all there already: see `Request.task_id`
            return [replace(row.handle(self), is_new=False) for row in rows]
        await self._announce(rows, inserted)
        return inserted.handles

    async def _admitted(self, rows: Sequence[TaskRow], connection: Connection | None = None) -> Sequence[TaskRow]:
        """Return tasks as they are to be written: with what their queues grant, and what middleware makes of them."""
        terms = await self._book.refresh(connection or self._database.pool)
        rows = routed(admit(rows, terms), self._book.overrides.subjects)
        return await self._middleware.before_enqueue_many(rows)

    async def _insert(self, rows: Sequence[TaskRow]) -> Inserted:
        if not needs_transaction(rows):
            async with self._database.pool.acquire() as connection:
                return await self._write(connection, rows)

        async def work() -> Inserted:
            async with self._database.hot.acquire() as connection, connection.transaction():
                return await self._write(connection, rows)

        return await repeat_when_deadlocked(work)

    async def _write(self, connection: Connection, rows: Sequence[TaskRow]) -> Inserted:
        if len(rows) == 1:
            return await insert(connection, rows[0], self)
        return await insert_many(connection, rows, self)

    async def cancel(self, task_id: UUID) -> TaskStatus:
        """Cancel a task that waits, or ask its worker to cancel it while it runs; return its status now.

        Raises:
            TaskNotFoundError: there is none.
            IllegalTransitionError: it has ended already.
        """
        rows = (await self._cancel([task_id])).rows
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
        return len((await self._cancel(task_ids)).rows)

    async def _cancel_waiting(self, task_ids: Sequence[UUID]) -> int:
        return len((await self._cancel(task_ids, running=False)).rows)

    async def retry(self, task_id: UUID) -> None:
        """Start an ended task over with a full set of attempts, once those of its parents that go on have ended.

        Raises:
            TaskNotFoundError: there is none.
            IllegalTransitionError: it has not ended, or ended well.
        """
        if not await self.retry_many([task_id]):
            await self._refuse(task_id, "retried")

    async def retry_many(self, task_ids: Sequence[UUID]) -> int:
        """Start over those of `task_ids` that ended badly; return how many."""
        restarted = await restart(self._database, task_ids)
        try:
            await restarted.announce(self._broker)
        except (RedisError, OSError) as error:
            log.warning("push_left_to_the_relay", tasks=len(restarted.task_ids), error=str(error))
        return len(restarted.task_ids)

    async def _cancel(self, task_ids: Sequence[UUID], *, running: bool = True) -> Cancelled:
        cancelled = await cancel(self._database, task_ids, running=running)
        try:
            await cancelled.announce(self._broker)
        except (RedisError, OSError) as error:
            log.warning("cancel_not_announced", tasks=len(cancelled.rows), error=str(error))
        return cancelled

    async def _refuse(self, task_id: UUID, verb: str) -> NoReturn:
        status = await self._database.pool.fetchval(sql.status_of, task_id)
        if status is None:
            raise TaskNotFoundError(f"There is no task {task_id}.", task_id=str(task_id))
        raise IllegalTransitionError(f"A task that is {status} cannot be {verb}.", status=status)

    async def _announce(self, rows: Sequence[TaskRow], inserted: Inserted) -> None:
        """After the commit: put in line what need not wait, and tell who was affected."""
        new = [handle for handle in inserted.handles if handle.is_new]
        await self.dispatch(new)
        try:
            if inserted.freed:
                await announce(self._broker.dispatch, inserted.freed)
            if inserted.cancelled is not None:
                await inserted.cancelled.announce(self._broker)
            if new and any(row.parent_task_id is not None for row in rows):
                await self._note_children(rows)
        except (RedisError, OSError) as error:
            log.warning("announcement_left_to_the_relay", tasks=len(rows), error=str(error))
        await self._middleware.after_enqueue(rows if len(new) == len(rows) else _those_of(new, rows))

    async def _note_children(self, rows: Iterable[TaskRow]) -> None:
        pairs = [(edge.parent_id, row.task_id) for row in rows for edge in row.parents]
        pairs += [(row.parent_task_id, row.task_id) for row in rows if row.parent_task_id and not row.parents]
        await self._broker.dispatch.add_dependencies(pairs)


def _those_of(handles: Iterable[TaskHandle[Any]], rows: Iterable[TaskRow]) -> list[TaskRow]:
    ids = {handle.task_id for handle in handles}
    return [row for row in rows if row.task_id in ids]


def _by_id(handles: Iterable[TaskHandle[Any]]) -> dict[UUID, TaskHandle[Any]]:
    return {handle.task_id: handle for handle in handles}
