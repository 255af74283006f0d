"""Imports whose task has ended without them, tables that were left, and rejected rows that were kept long enough.

A task that was cancelled while it waited, killed too often, or out of attempts cannot write how its import ended; the
duty does, and the file goes with it. Nothing is undone: what was merged is counted.
"""

from typing import ClassVar

from taskflow.audience.imports.jobs.models import ImportStatus
from taskflow.audience.imports.jobs.run import end
from taskflow.audience.imports.jobs.staging import drop_orphans, sql
from taskflow.engine.coordinator.duty import DutyContext
from taskflow.settings import CoordinatorSettings

_INTERVAL = 2.0
_EXPIRED_ROWS = 5_000
_REASON = "Its task ended before it did."


class ImportsDuty:
    """Ends what was abandoned, and clears up."""

    name: ClassVar[str] = "imports"

    def interval(self, settings: CoordinatorSettings) -> float:  # noqa: ARG002 - not a setting
        """Return two seconds."""
        return _INTERVAL

    async def run_once(self, context: DutyContext) -> int:
        """End abandoned imports, drop tables that are left, delete a batch of expired rejections; return how many."""
        done = 0
        for row in await context.database.pool.fetch(sql.abandoned):
            cancelled = row["cancelled"] or row["status"] == "CANCELLED"
            async with context.leading() as connection:
                if cancelled:
                    await end(connection, row["import_id"], ImportStatus.CANCELLED)
                else:
                    reason = row["reason"] or _REASON
                    await end(connection, row["import_id"], ImportStatus.FAILED, "import_abandoned", reason)
            done += 1
        days = context.settings.imports.rejection_days
        async with context.leading() as connection:
            done += await drop_orphans(connection)
            tag = await connection.execute(sql.expire_rejections, days, _EXPIRED_ROWS)
        return done + int(tag.rpartition(" ")[2])
