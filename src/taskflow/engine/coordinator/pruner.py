"""Pruner: makes the partitions to come and deletes what has expired, a batch at a time."""

from typing import ClassVar

from taskflow.db import partitions
from taskflow.db.queries import load
from taskflow.engine.coordinator.duty import DutyContext
from taskflow.engine.coordinator.retention import Retention
from taskflow.settings import CoordinatorSettings

sql = load(__file__)
fires_sql = load(__file__, "schedules.sql")

BATCH = 5000
_INTERVAL = 600.0


class Pruner:
    """Keeps the tables in shape."""

    name: ClassVar[str] = "pruner"

    def __init__(self) -> None:
        """Start the walk over ended tasks at the oldest."""
        self._retention = Retention()

    def interval(self, settings: CoordinatorSettings) -> float:  # noqa: ARG002 - not a setting
        """Return ten minutes."""
        return _INTERVAL

    async def run_once(self, context: DutyContext) -> int:
        """Make partitions, delete a batch of whatever has expired; return how many rows and partitions went."""
        context.check()  # making a partition twice is harmless
        await partitions.ensure(context.database.pool)
        deleted = 0
        for statement in (sql.expire_idempotency_keys, sql.expire_task_keys, sql.expire_results):
            async with context.leading() as connection:
                deleted += _count(await connection.execute(statement, BATCH))
        async with context.leading() as connection:
            days = context.settings.coordinator.schedule_fire_days
            deleted += _count(await connection.execute(fires_sql.expire_fires, days, BATCH))
        return deleted + await self._retention.run_once(context)


def _count(tag: str) -> int:
    return int(tag.rpartition(" ")[2])
