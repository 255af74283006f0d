"""Retention: tasks that ended long ago are deleted in batches, and their history is dropped by the week.

**Tasks** are walked in the order of their ids, which is that of their birth, 5,000 a transaction. What has not ended
stays, however old; so does what somebody may still want to start over: a task with a dead letter (those have their own
retention), and one of a campaign that did not end well; and parents of what has not ended stay, whose results it may
take. No index is needed for that, and none is kept.

**History** (attempts, results, logs, progress) lies in partitions a week wide. A week is dropped when none of its tasks
is left, so whatever a task has is there as long as the task is. Rows of tasks whose week went earlier are in the
DEFAULT partitions; they are deleted once their task is gone.
"""

from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from taskflow.base.logging import get_logger
from taskflow.db import partitions
from taskflow.db.queries import load
from taskflow.engine.coordinator.duty import DutyContext

sql = load(__file__, "retention.sql")
log = get_logger(__name__)

BATCH = 5000
_LOCK_PATIENCE = 0.2  # seconds; everybody who writes history waits behind us meanwhile
_FIRST = UUID(int=0)
_SWEEPS = (sql.sweep_executions, sql.sweep_results, sql.sweep_logs, sql.sweep_progress)


class Retention:
    """Ends the retention of tasks and of their history; remembers how far the walk has come."""

    def __init__(self) -> None:
        """Begin at the oldest task."""
        self._after = _FIRST

    async def run_once(self, context: DutyContext) -> int:
        """Delete up to a batch of tasks and drop the weeks that are free; return 0 when nothing is left to do now."""
        days, history_days = context.settings.retention.task_days, context.settings.retention.history_days
        if not days and not history_days:
            return 0
        now: datetime = await context.database.pool.fetchval("SELECT now()")
        going_on = await self._delete_tasks(context, now - timedelta(days=days)) if days else False
        if going_on:
            return 1
        dropped = await self._drop_weeks(context, now, days, history_days)
        return dropped + await self._sweep(context)

    async def _delete_tasks(self, context: DutyContext, before: datetime) -> bool:
        """Delete what of the next batch has ended before `before`; tell whether the walk goes on."""
        async with context.leading(hot=True) as connection:
            row = await connection.fetchrow(sql.delete_ended, self._after, partitions.id_floor(before), BATCH, before)
        if row is None or row["seen"] < BATCH:
            self._after = _FIRST
            return False
        self._after = row["through"]
        return True

    @staticmethod
    async def _drop_weeks(context: DutyContext, now: datetime, days: int, history_days: int) -> int:
        dropped = 0
        shortest = min(limit for limit in (days, history_days) if limit)
        for week in await partitions.weeks_before(context.database.pool, now - timedelta(days=shortest)):
            overdue = history_days and week.end <= now - timedelta(days=history_days)
            if not overdue and await context.database.pool.fetchval(sql.tasks_between, *week.bounds):
                continue
            try:
                async with context.leading() as connection:
                    await partitions.drop(connection, week, patience=_LOCK_PATIENCE)
            except asyncpg.LockNotAvailableError:
                log.info("history_not_dropped_yet", partition=week.name)
            else:
                log.info("history_dropped", partition=week.name)
                dropped += 1
        return dropped

    @staticmethod
    async def _sweep(context: DutyContext) -> int:
        swept = 0
        for statement in _SWEEPS:
            async with context.leading() as connection:
                swept += int((await connection.execute(statement, BATCH)).rpartition(" ")[2])
        return swept
