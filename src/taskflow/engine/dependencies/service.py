"""The dependency graph manager: reads graphs, adds to them, and steers a task together with what hangs on it."""

from collections import defaultdict
from typing import NamedTuple
from uuid import UUID

import asyncpg
from redis.exceptions import RedisError

from taskflow.base.logging import get_logger
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Connection, Database
from taskflow.engine.dependencies.insertion import hold
from taskflow.engine.dependencies.models import (
    After,
    FailurePolicy,
    InvalidDependencyError,
    OnFailure,
    OnSuccess,
    SuccessPolicy,
)
from taskflow.engine.dependencies.order import topological
from taskflow.engine.dependencies.release import Freed, announce, release, sql
from taskflow.engine.dependencies.steering import cancel, restart
from taskflow.engine.states import IllegalTransitionError
from taskflow.engine.store import sql as tasks_sql
from taskflow.engine.waiting import TaskNotFoundError

log = get_logger(__name__)

MAX_GRAPH = 10_000


class TaskGraph(NamedTuple):
    """Tasks that hang together, and the edges between them. `truncated`: there are more of them."""

    task_id: UUID
    nodes: list[asyncpg.Record]
    edges: list[asyncpg.Record]
    truncated: bool


class DependencyService:
    """Dependencies for code that shares the database."""

    def __init__(self, database: Database, broker: RedisBroker) -> None:
        """Use the pools and the broker of this process."""
        self._database = database
        self._broker = broker

    async def add_dependency(
        self,
        parent_id: UUID,
        child_id: UUID,
        *,
        on_failure: FailurePolicy = OnFailure.FAIL,
        on_success: SuccessPolicy = OnSuccess.RUN,
    ) -> None:
        """Let a task that has not started wait for one more; saying it again changes nothing.

        Raises:
            CyclicDependencyError: the parent waits for the child already, by whatever way.
            ParentNotFoundError, TaskNotFoundError: there is no such parent, no such child.
            IllegalTransitionError: the child has started.
        """
        edge = After(parent_id, on_failure, on_success).edge()
        if parent_id == child_id:
            raise InvalidDependencyError(f"Task {child_id} cannot wait for itself.")
        async with self._database.hot.acquire() as connection, connection.transaction():
            await connection.execute(sql.one_at_a_time)
            await self._check(connection, child_id, parent_id)
            await connection.execute(sql.hold, sorted([parent_id, child_id]))
            ended = await hold(connection, {parent_id})
            values = (parent_id, child_id, edge.on_success.value, edge.on_failure.value)
            if await connection.fetchval(sql.add_edge, *values) is None:
                return
            if await connection.fetchval(sql.block, child_id) is None:
                status = await connection.fetchval(tasks_sql.status_of, child_id)
                if status is None:
                    raise _not_found(child_id)
                raise IllegalTransitionError(f"A task that is {status} can no longer wait for another.", status=status)
            freed = await release(connection, ended)
        await self._announce(freed)

    async def get_children(
        self, task_id: UUID, *, after: UUID | None = None, limit: int = 1_000
    ) -> list[asyncpg.Record]:
        """Return the edges to a task's children, with their names and statuses, by id."""
        return await self._database.hot.fetch(sql.children, task_id, after, limit)

    async def get_parents(self, task_id: UUID, *, limit: int = 1_000) -> list[asyncpg.Record]:
        """Return the edges from a task's parents, with their names and statuses, by id."""
        return await self._database.hot.fetch(sql.parents, task_id, limit)

    async def check_circular(self, task_id: UUID) -> None:
        """Look for a circle below a task, depth first.

        Raises:
            CyclicDependencyError: there is one, although nothing here lets one in.
        """
        async with self._database.hot.acquire() as connection:
            await self._check(connection, task_id)

    async def trigger_children(self, task_id: UUID) -> int:
        """Tell the children of a task that has ended, should that not have been done; return how many wait no longer.

        Every end does this by itself, and the coordinator's duty looks for what was missed.
        """
        async with self._database.hot.acquire() as connection, connection.transaction():
            ended = await hold(connection, {task_id})
            freed = await release(connection, ended)
        await self._announce(freed)
        return len(freed)

    async def graph(self, task_id: UUID, *, limit: int = 1_000) -> TaskGraph:
        """Return all tasks that hang together with one, nearest first, up to `limit` of them.

        Raises:
            TaskNotFoundError: there is no such task.
        """
        async with self._database.hot.acquire() as connection:
            ids = [row[0] for row in await connection.fetch(sql.connected, task_id, limit + 1)]
            nodes = await connection.fetch(sql.nodes, ids[:limit])
            if task_id not in {row["task_id"] for row in nodes}:
                raise _not_found(task_id)
            edges = await connection.fetch(sql.edges_to, ids[:limit]) if len(ids) > 1 else []
        among = {row["task_id"] for row in nodes}
        return TaskGraph(task_id, nodes, [edge for edge in edges if edge["parent_id"] in among], len(ids) > limit)

    async def cancel_subtree(self, task_id: UUID) -> int:
        """Cancel a task and all that waits for it, however far down and whatever else it waits for; return how many.

        Those that run are asked to stop. A task that has ended may have a subtree that has not.

        Raises:
            TaskNotFoundError: there is no such task.
            IllegalTransitionError: all of it has ended.
        """
        ids = [row[0] for row in await self._database.hot.fetch(sql.subtree, task_id)]
        cancelled = await cancel(self._database, ids)
        if not cancelled.rows:
            await self._refuse(task_id, "The task and all below it have ended: there is nothing to cancel.")
        try:
            await cancelled.announce(self._broker)
        except (RedisError, OSError) as error:
            log.warning("cancel_not_announced", tasks=len(cancelled.rows), error=str(error))
        return len(cancelled.rows)

    async def retry_from_failed(self, task_id: UUID) -> int:
        """Start over what failed above a task or below it, and all that failed or was skipped because of that.

        What has completed is left alone. Return how many start over.

        Raises:
            TaskNotFoundError: there is no such task.
            IllegalTransitionError: nothing has failed there.
        """
        ids = [row[0] for row in await self._database.hot.fetch(sql.failed_around, task_id)]
        restarted = await restart(self._database, ids, judge=True)
        if not restarted.task_ids:
            await self._refuse(task_id, "Neither the task nor anything above or below it has failed.")
        try:
            await restarted.announce(self._broker)
        except (RedisError, OSError) as error:
            log.warning("push_left_to_the_relay", tasks=len(restarted.task_ids), error=str(error))
        return len(restarted.task_ids)

    async def _announce(self, freed: list[Freed]) -> None:
        try:
            await announce(self._broker.dispatch, freed)
        except (RedisError, OSError) as error:
            log.warning("push_left_to_the_relay", tasks=len(freed), error=str(error))

    async def _refuse(self, task_id: UUID, sentence: str) -> None:
        status = await self._database.pool.fetchval(tasks_sql.status_of, task_id)
        if status is None:
            raise _not_found(task_id)
        raise IllegalTransitionError(sentence, status=status)

    @staticmethod
    async def _check(connection: Connection, task_id: UUID, parent_id: UUID | None = None) -> None:
        parents: defaultdict[UUID, list[UUID]] = defaultdict(list)
        if parent_id is not None:
            parents[task_id].append(parent_id)
        for child, parent in await connection.fetch(sql.edges_below, task_id):
            parents[child].append(parent)
        topological(parents)


def _not_found(task_id: UUID) -> TaskNotFoundError:
    return TaskNotFoundError(f"There is no task {task_id}.", task_id=str(task_id))
