"""The direct client: enqueues and steers tasks for code that shares the database.

Enqueueing is an INSERT. `enqueue` runs it in a transaction of its own and puts the id in line right after the commit.
`enqueue_in` runs it in the caller's transaction: no task without the commit, none lost after it; call `dispatch` with
the handle once it has committed, or leave it to the relay, which finds it within a second.
"""

from collections.abc import Iterable, Sequence
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
from taskflow.engine.definition import InvalidTaskArgumentsError, Task
from taskflow.engine.dependencies.graph import Graph
from taskflow.engine.dependencies.insertion import Inserted, insert
from taskflow.engine.dependencies.release import Freed, announce
from taskflow.engine.dependencies.service import DependencyService, TaskNotFoundError
from taskflow.engine.dependencies.steering import Cancelled, cancel, restart
from taskflow.engine.requests import COPY_COLUMNS, Request, TaskHandle, TaskRow, prepare
from taskflow.engine.schedules.models import Schedule
from taskflow.engine.schedules.service import ScheduleService
from taskflow.engine.states import IllegalTransitionError, TaskStatus
from taskflow.engine.store import sql

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
        self.schedules = ScheduleService(database, broker)
        self.dependencies = DependencyService(database, broker)

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
        return await self._insert(connection, prepare(_request(task, args, kwargs), task))

    async def submit_graph(self, graph: Graph) -> dict[UUID, TaskHandle[Any]]:
        """Submit tasks that wait for each other, all or none; return their handles by the ids of their nodes.

        Raises:
            CyclicDependencyError: some wait for each other in a circle.
            ParentNotFoundError: one waits for a task that does not exist.
        """
        return _by_id(await self.submit_rows(graph.rows()))

    async def submit_graph_in(self, connection: Connection, graph: Graph) -> dict[UUID, TaskHandle[Any]]:
        """Submit a graph in the transaction of `connection` (asyncpg): it exists if and only if that commits."""
        return _by_id((await insert(connection, graph.rows())).handles)

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
        if row.parents and request.idempotency_key is None:
            return (await self.submit_rows([row]))[0]
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
            if row.parent_task_id is not None:
                await self._note_children([row])
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
        return await self.submit_rows(rows)

    async def enqueue_many(self, task: Task[P, R], calls: Iterable[dict[str, Any]]) -> list[TaskHandle[R]]:
        """Enqueue one task many times, each with the keyword arguments of a dict of `calls`: one COPY, all or none."""
        return await self.submit_rows([prepare(_request(task, (), call), task) for call in calls])

    async def submit_rows(self, rows: Sequence[TaskRow]) -> list[TaskHandle[Any]]:
        """Enqueue what was prepared, all or none, and put in line what need not wait."""
        are_children = any(row.parents for row in rows)
        try:
            inserted = await (self._insert_graph(rows) if are_children else self._copy(rows))
        except asyncpg.UniqueViolationError:  # given ids that are all there already: see `Request.task_id`
            return [replace(row.handle(), is_new=False) for row in rows]
        await self.dispatch(inserted.handles)
        if are_children:
            await self._announce(inserted.freed)
            await self._note_children(rows)
        return inserted.handles

    async def _insert_graph(self, rows: Sequence[TaskRow]) -> Inserted:
        async def work() -> Inserted:
            async with self._database.hot.acquire() as connection, connection.transaction():
                return await insert(connection, rows)

        return await repeat_when_deadlocked(work)

    async def _copy(self, rows: Sequence[TaskRow]) -> Inserted:
        async with self._database.pool.acquire() as connection:
            now = await connection.fetchval("SELECT now()") if any(row.waits for row in rows) else None
            records = [row.record(now) for row in rows]
            await connection.copy_records_to_table("tasks", records=records, columns=COPY_COLUMNS)
        return Inserted([row.handle() for row in rows], [])

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

    async def cancel_many(self, task_ids: Sequence[UUID]) -> int:
        """Cancel those of `task_ids` that wait, and ask to cancel those that run; return how many."""
        return len((await self._cancel(task_ids)).rows)

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
            log.warning("push_left_to_the_relay", tasks=restarted.tasks, error=str(error))
        return restarted.tasks

    async def _cancel(self, task_ids: Sequence[UUID]) -> Cancelled:
        cancelled = await cancel(self._database, task_ids)
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

    async def _insert(self, connection: Connection, row: TaskRow) -> TaskHandle[Any]:
        if row.idempotency_key is not None:
            holder = await connection.fetchval(
                sql.reserve_key, row.task_name, row.idempotency_key, row.task_id, _KEY_SECONDS
            )
            if holder != row.task_id:
                status = await connection.fetchval(sql.status_of, holder)
                return TaskHandle(holder, TaskStatus(status or "PENDING"), row.queue, row.priority, is_new=False)
        if row.parents:
            async with connection.transaction():
                return (await insert(connection, [row])).handles[0]
        await connection.execute(
            sql.insert_task, row.task_id, row.task_name, row.queue, row.priority, row.max_retries, row.timeout,
            row.scheduled_at, row.parent_task_id, row.created_by, row.args, row.kwargs, row.delay,
        )  # fmt: skip
        return row.handle()

    async def _insert_once(self, connection: Connection, row: TaskRow) -> TaskHandle[Any]:
        try:
            return await self._insert(connection, row)
        except asyncpg.UniqueViolationError:
            status = await connection.fetchval(sql.status_of, row.task_id)
            return TaskHandle(row.task_id, TaskStatus(status), row.queue, row.priority, is_new=False)

    async def _note_children(self, rows: Iterable[TaskRow]) -> None:
        pairs = [(edge.parent_id, row.task_id) for row in rows for edge in row.parents]
        pairs += [(row.parent_task_id, row.task_id) for row in rows if row.parent_task_id and not row.parents]
        try:
            await self._broker.dispatch.add_dependencies(pairs)
        except (RedisError, OSError) as error:
            log.warning("children_not_noted", children=len(pairs), error=str(error))

    async def _announce(self, freed: Sequence[Freed]) -> None:
        try:
            await announce(self._broker.dispatch, freed)
        except (RedisError, OSError) as error:
            log.warning("push_left_to_the_relay", tasks=len(freed), error=str(error))


def _by_id(handles: Iterable[TaskHandle[Any]]) -> dict[UUID, TaskHandle[Any]]:
    return {handle.task_id: handle for handle in handles}


def _request(task: Task[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Request:
    return Request(task.name, args, kwargs, idempotency_key=task.idempotency_key, after=task.after)
