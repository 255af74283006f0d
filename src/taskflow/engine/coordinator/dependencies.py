"""Dependencies: the net under the release of children.

Whatever ends a task releases its children in the same transaction, so nothing here should ever find work. It looks all
the same for what a bug, a hand in the tables or the pruning of a parent left behind: edges that wait although their
parent has ended or is gone, and BLOCKED tasks that wait for nobody. Both go through the very statements that should
have done it. Edges of children that are gone are deleted.
"""

import time
from collections.abc import Sequence
from typing import ClassVar
from uuid import UUID

from taskflow.base.logging import get_logger
from taskflow.db.queries import load
from taskflow.engine.coordinator import backlog
from taskflow.engine.coordinator.duty import DutyContext
from taskflow.engine.dependencies.release import Freed, announce, release
from taskflow.engine.dependencies.release import sql as dependencies_sql
from taskflow.engine.states import TaskStatus
from taskflow.settings import CoordinatorSettings

sql = load(__file__, "dependencies.sql")
log = get_logger(__name__)

PAGE = 5_000  # edges looked at in a run
SAMPLE = 2_000  # tasks looked at per dispatch key
_PARENTS = 100  # whose children are released in one transaction
_PRUNE_SECONDS = 60.0
_START = (UUID(int=0), UUID(int=0))


async def release_children(context: DutyContext, parents: Sequence[UUID]) -> None:
    """Tell the children of tasks that a statement on the ordinary pool has ended, whose plans are not made for that."""
    freed = await _release(context, parents)
    context.check()
    await announce(context.broker.dispatch, freed)


async def _release(context: DutyContext, parents: Sequence[UUID]) -> list[Freed]:
    freed: list[Freed] = []
    for first in range(0, len(parents), _PARENTS):
        some = parents[first : first + _PARENTS]
        async with context.leading(hot=True) as connection:
            await connection.execute(dependencies_sql.hold, some)
            freed += await release(connection, some)
    return freed


class Dependencies:
    """Releases what was forgotten."""

    name: ClassVar[str] = "dependencies"

    def __init__(self) -> None:
        """Start both walks at the beginning."""
        self._cursor = _START
        self._prune_cursor = _START
        self._pruned_at = time.monotonic()

    def interval(self, settings: CoordinatorSettings) -> float:
        """Return `dependencies_seconds`."""
        return settings.dependencies_seconds

    async def run_once(self, context: DutyContext) -> int:
        """Look at a page of open edges and at the oldest tasks of each key; return how many tasks wait no longer."""
        freed = await self._release(context) + await self._unblock(context)
        if freed:
            log.warning("forgotten_children_released", tasks=len(freed))
            context.check()
            await announce(context.broker.dispatch, freed)
        now = time.monotonic()
        if now - self._pruned_at >= _PRUNE_SECONDS:
            self._pruned_at = now
            await self.prune(context)
        return len(freed)

    async def _release(self, context: DutyContext) -> list[Freed]:
        rows = await context.database.hot.fetch(sql.open_edges, *self._cursor, PAGE)
        over = [row["parent_id"] for row in rows if row["is_over"]]
        self._cursor = (rows[-1]["parent_id"], rows[-1]["last_child"]) if rows else _START
        return await _release(context, over)

    async def _unblock(self, context: DutyContext) -> list[Freed]:
        stuck: list[UUID] = []
        for keys in backlog.parts(await backlog.live_keys(context.database)):
            stuck += [row[0] for row in await context.database.hot.fetch(sql.waiting_for_nobody, keys, SAMPLE)]
        return await self._wait_anew(context, sorted(stuck)) if stuck else []

    @staticmethod
    async def _wait_anew(context: DutyContext, stuck: Sequence[UUID]) -> list[Freed]:
        async with context.leading(hot=True) as connection:
            parents = [row[0] for row in await connection.fetch(dependencies_sql.parents_of, stuck)]
            await connection.execute(dependencies_sql.hold, sorted({*parents, *stuck}))
            rows = [Freed.of(row) for row in await connection.fetch(dependencies_sql.reopen, stuck, True)]
            without_parents = [child for child in rows if child.status is TaskStatus.PENDING]
            return without_parents + await release(connection, parents)

    async def prune(self, context: DutyContext) -> int:
        """Delete the edges of children that are gone, from a page of all edges; return how many."""
        async with context.leading(hot=True) as connection:
            row = await connection.fetchrow(sql.prune_edges, *self._prune_cursor, PAGE)
        self._prune_cursor = (row["parent_id"], row["child_id"]) if row else _START
        return int(row["deleted"]) if row else 0
