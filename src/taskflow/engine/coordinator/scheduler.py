"""Scheduler: SCHEDULED tasks become PENDING when their time comes, on the database's clock.

The scan starts a little below the last promoted `due_at`, so that it does not wade through the index entries of what
was promoted before; the slack covers transactions that commit after their own due time. Once a minute it starts from
the very beginning, for what the slack did not cover.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from taskflow.broker.redis.dispatch import Entry
from taskflow.db.queries import load
from taskflow.engine.coordinator.duty import DutyContext
from taskflow.settings import CoordinatorSettings

sql = load(__file__)

BATCH = 1000
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_SLACK = timedelta(seconds=10)
_RESET_SECONDS = 60.0
_MIRROR_SECONDS = 1.0
_MIRROR_SIZE = 1000


class Scheduler:
    """Promotes due tasks, and mirrors the coming minute into `task:scheduled`."""

    name: ClassVar[str] = "scheduler"

    def __init__(self) -> None:
        """Start from the beginning."""
        self._lower = _BEGINNING
        self._reset_at = time.monotonic()
        self._mirrored_at = -_MIRROR_SECONDS
        self._mirror: set[str] | None = None

    def interval(self, settings: CoordinatorSettings) -> float:
        """Return `scheduler_seconds`."""
        return settings.scheduler_seconds

    async def run_once(self, context: DutyContext) -> int:
        """Promote up to a batch of due tasks and put them in line; return how many."""
        now = time.monotonic()
        if now - self._reset_at >= _RESET_SECONDS:
            self._lower, self._reset_at = _BEGINNING, now
        promoted = await self._promote(context)
        if now - self._mirrored_at >= _MIRROR_SECONDS:
            self._mirrored_at = now
            await self._write_mirror(context)
        return promoted

    async def _promote(self, context: DutyContext) -> int:
        if not await context.database.hot.fetchval(sql.something_is_due, self._lower):
            return 0
        async with context.leading(hot=True) as connection:
            rows = await connection.fetch(sql.promote_due, self._lower, BATCH)
        if not rows:
            return 0
        self._lower = max(self._lower, max(row["due_at"] for row in rows) - _SLACK)
        await context.broker.dispatch.push(
            Entry(row["dispatch_key"], row["priority"], row["task_id"])
            for row in sorted(rows, key=lambda row: row["due_at"])
        )
        return len(rows)

    async def _write_mirror(self, context: DutyContext) -> None:
        due = {row["task_id"]: row["due"] for row in await context.database.hot.fetch(sql.due_soon, _MIRROR_SIZE)}
        context.check()
        if self._mirror is None:  # whatever another leader left there
            await context.broker.redis.delete(context.broker.keys.scheduled)
        gone = (self._mirror or set()) - due.keys()
        self._mirror = set(due)
        if due or gone:
            await context.broker.dispatch.mirror_scheduled(due, sorted(gone))
