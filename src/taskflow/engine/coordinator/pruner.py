"""Pruner: makes the partitions to come and deletes what has expired, a batch at a time."""

import time
from typing import ClassVar

from taskflow.base.ids import uuid7_floor
from taskflow.db import partitions
from taskflow.db.queries import load
from taskflow.engine.coordinator.duty import DutyContext
from taskflow.engine.coordinator.retention import Retention
from taskflow.engine.tracing import sql as traces_sql
from taskflow.engine.webhooks.repository import sql as webhooks_sql
from taskflow.settings import CoordinatorSettings

sql = load(__file__)
fires_sql = load(__file__, "schedules.sql")

BATCH = 5000
_INTERVAL = 600.0
_TRACE_SECONDS = 7 * 86_400


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
        """Make partitions, delete a batch of what has expired of each kind; return how many rows and partitions."""
        context.check()  # making a partition twice is harmless
        await partitions.ensure(context.database.pool)
        deleted = 0
        for statement in (sql.expire_idempotency_keys, sql.expire_task_keys, sql.expire_results):
            async with context.leading() as connection:
                deleted += _count(await connection.execute(statement, BATCH))
        async with context.leading() as connection:
            days = context.settings.coordinator.schedule_fire_days
            deleted += _count(await connection.execute(fires_sql.expire_fires, days, BATCH))
        async with context.leading() as connection:
            old = uuid7_floor(int((time.time() - _TRACE_SECONDS) * 1000))
            deleted += _count(await connection.execute(traces_sql.expire_traces, old, BATCH))
        async with context.leading() as connection:
            days = context.settings.webhook.delivery_days
            deleted += _count(await connection.execute(webhooks_sql.expire_deliveries, days, BATCH))
        return deleted + await self._retention.run_once(context)


def _count(tag: str) -> int:
    return int(tag.rpartition(" ")[2])
