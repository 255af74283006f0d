"""Reads schedules and what they fired."""

from datetime import datetime
from uuid import UUID

import asyncpg

from taskflow.base.pagination import decode_cursor
from taskflow.db.pool import Pool
from taskflow.db.queries import load
from taskflow.engine.repository import Rows, before, moment, page
from taskflow.engine.schedules.service import found

sql = load(__file__)


class ScheduleReader:
    """Reading statements over the ordinary pool."""

    def __init__(self, pool: Pool) -> None:
        """Take the pool."""
        self._pool = pool

    async def schedule(self, schedule_id: UUID) -> asyncpg.Record:
        """Return a schedule's row, or raise ScheduleNotFoundError."""
        return found(await self._pool.fetchrow(sql.get_schedule, schedule_id), schedule_id)

    async def now(self) -> datetime:
        """Return the time of the database."""
        moment: datetime = await self._pool.fetchval(sql.now)
        return moment

    async def list_schedules(
        self, name: str | None, task_name: str | None, paused: bool | None, cursor: str | None, limit: int
    ) -> tuple[Rows, str | None]:
        """Return a page of schedules, newest first."""
        rows = await self._pool.fetch(sql.list_schedules, name, task_name, paused, before(cursor), limit + 1)
        return page(rows, limit, "schedule_id")

    async def list_fires(self, schedule_id: UUID, cursor: str | None, limit: int) -> tuple[Rows, str | None]:
        """Return a page of what a schedule fired, newest instant first."""
        await self.schedule(schedule_id)
        [earlier_than] = decode_cursor(cursor, moment) if cursor else (None,)
        return page(await self._pool.fetch(sql.list_fires, schedule_id, earlier_than, limit + 1), limit, "fire_at")
