"""Expiry: tasks that have not begun by their time end CANCELLED, a batch in one statement, on the database's clock.

A claim leaves such a task alone, so it does not begin late even while no coordinator runs. One that had an attempt
before has begun, and its retries do not expire.
"""

from typing import ClassVar

from taskflow.db.queries import load
from taskflow.engine.coordinator.duty import DutyContext
from taskflow.engine.dependencies.release import release
from taskflow.engine.dependencies.steering import Cancelled
from taskflow.settings import CoordinatorSettings

sql = load(__file__)

BATCH = 1000


class Expiry:
    """Ends what came too late."""

    name: ClassVar[str] = "expiry"

    def interval(self, settings: CoordinatorSettings) -> float:
        """Return `expiry_seconds`."""
        return settings.expiry_seconds

    async def run_once(self, context: DutyContext) -> int:
        """End up to a batch of expired tasks and take them out of line; return how many."""
        if not await context.database.hot.fetchval(sql.something_has_expired):
            return 0
        async with context.leading(hot=True) as connection:
            rows = await connection.fetch(sql.expire_tasks, BATCH)
            freed = await release(connection, [row["task_id"] for row in rows if row["has_children"]])
        await Cancelled(rows, freed).announce(context.broker)
        return len(rows)
