"""Reads tasks, their history and workers for people: lists with filters, one thing with all its parts."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from taskflow.base.errors import NotFoundError
from taskflow.base.pagination import InvalidCursorError, decode_cursor, encode_cursor
from taskflow.db.pool import Pool
from taskflow.db.queries import load
from taskflow.engine.dependencies.release import sql as dependencies_sql
from taskflow.engine.states import TERMINAL, TaskStatus
from taskflow.engine.waiting import TaskNotFoundError

sql = load(__file__, "reading.sql")

_FAILURES = frozenset({TaskStatus.FAILED, TaskStatus.TIMEOUT})
_LIVE = frozenset(TaskStatus) - TERMINAL
_SLICE = 500
_MOST_PARENTS = 1_000

Rows = list[asyncpg.Record]


class WorkerNotFoundError(NotFoundError):
    """There is no such worker."""

    code = "worker_not_found"


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Which tasks to list; what is None does not matter."""

    statuses: frozenset[TaskStatus] | None = None
    task_name: str | None = None
    queue: str | None = None
    campaign_id: UUID | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    tags: frozenset[str] | None = None  # all of them


@dataclass(frozen=True, slots=True)
class TaskHistory:
    """A task and everything that happened to it."""

    task: asyncpg.Record
    progress: asyncpg.Record | None
    executions: Rows
    result: asyncpg.Record | None
    logs: Rows
    parents: Rows


class EngineReader:
    """Reading statements over the ordinary pool."""

    def __init__(self, pool: Pool) -> None:
        """Take the pool."""
        self._pool = pool

    async def list_tasks(self, wanted: TaskFilter, cursor: str | None, limit: int) -> tuple[Rows, str | None]:
        """Return a page of tasks and the next cursor: newest first; failures without a tag by when they failed."""
        statuses = sorted(wanted.statuses) if wanted.statuses else None
        values = (
            statuses,
            wanted.task_name,
            wanted.queue,
            wanted.campaign_id,
            wanted.created_after,
            wanted.created_before,
        )
        if wanted.tags:
            rows = await self._pool.fetch(
                sql.list_tagged_tasks, *values, before(cursor), limit + 1, sorted(wanted.tags)
            )
            return page(rows, limit, "task_id")
        if wanted.statuses and wanted.statuses <= _FAILURES:
            failed_at, task_id = decode_cursor(cursor, moment, UUID) if cursor else (None, None)
            rows = await self._pool.fetch(sql.list_failed_tasks, *values, failed_at, task_id, limit + 1)
            return page(rows, limit, "failed_at", "task_id")
        statement = sql.list_live_tasks if wanted.statuses and wanted.statuses <= _LIVE else sql.list_tasks
        return page(await self._pool.fetch(statement, *values, before(cursor), limit + 1), limit, "task_id")

    async def matching(self, wanted: TaskFilter, within: frozenset[TaskStatus]) -> AsyncIterator[list[UUID]]:
        """Yield the ids of tasks that match and have one of these statuses, slice by slice.

        It walks away from where new tasks come in, so that what happens to a slice brings nothing back into the walk.
        """
        statuses = within & (wanted.statuses or within)
        cursor = None
        while statuses:
            rows, cursor = await self.list_tasks(replace(wanted, statuses=statuses), cursor, _SLICE)
            yield [row["task_id"] for row in rows]
            if cursor is None:
                break

    async def task(self, task_id: UUID) -> asyncpg.Record:
        """Return a task's row, or raise TaskNotFoundError."""
        row = await self._pool.fetchrow(sql.get_task, task_id)
        if row is None:
            raise TaskNotFoundError(f"There is no task {task_id}.", task_id=str(task_id))
        return row

    async def history(self, task_id: UUID, log_limit: int) -> TaskHistory:
        """Return a task with its attempts, its result and its first log lines."""
        async with self._pool.acquire() as connection:
            task = await connection.fetchrow(sql.get_task, task_id)
            if task is None:
                raise TaskNotFoundError(f"There is no task {task_id}.", task_id=str(task_id))
            return TaskHistory(
                task,
                await connection.fetchrow(sql.progress, task_id),
                await connection.fetch(sql.executions, task_id),
                await connection.fetchrow(sql.result, task_id),
                await connection.fetch(sql.logs, task_id, None, log_limit),
                await connection.fetch(dependencies_sql.parents, task_id, _MOST_PARENTS),
            )

    async def logs(self, task_id: UUID, cursor: str | None, limit: int) -> tuple[Rows, str | None]:
        """Return a page of a task's log lines, oldest first."""
        await self.task(task_id)
        return page(await self._pool.fetch(sql.logs, task_id, before(cursor), limit + 1), limit, "log_id")

    async def list_workers(self, cursor: str | None, limit: int) -> tuple[Rows, str | None]:
        """Return a page of worker nodes."""
        return page(await self._pool.fetch(sql.list_workers, before(cursor), limit + 1), limit, "worker_id")

    async def worker(self, worker_id: UUID) -> asyncpg.Record:
        """Return a worker node's row, or raise WorkerNotFoundError."""
        row = await self._pool.fetchrow(sql.get_worker, worker_id)
        if row is None:
            raise WorkerNotFoundError(f"There is no worker {worker_id}.")
        return row

    async def want_worker(self, worker_id: UUID, wanted: str) -> asyncpg.Record | None:
        """Write what a node should do (RUN, PAUSE, DRAIN, STOP); None when it no longer lives."""
        return await self._pool.fetchrow(sql.want_worker, worker_id, wanted)


def before(cursor: str | None) -> UUID | None:
    """Return the id that a cursor names."""
    return decode_cursor(cursor, UUID)[0] if cursor else None


def page(rows: Rows, limit: int, *key: str) -> tuple[Rows, str | None]:
    """Cut `limit + 1` rows to a page and the cursor of the next one."""
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    return rows[:limit], encode_cursor(*(last[name] for name in key))


def moment(text: Any) -> datetime:
    """Return the instant that a cursor names."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise InvalidCursorError
    try:
        return found.astimezone(UTC)
    except OverflowError as error:
        raise InvalidCursorError from error
