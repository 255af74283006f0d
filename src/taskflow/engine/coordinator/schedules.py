"""Schedules: what is due fires, on the database's clock.

One round is one transaction: schedules whose instant has come are locked, the policies say what becomes of each
instant (`engine/schedules/policies.py`), fires and tasks are inserted, `next_fire_at` moves on. Ids are pushed after
the commit; what a crash leaves there, the relay finds. A second coordinator passes over the locked rows, and the
primary key of `schedule_fires` stands behind it.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import repeat
from typing import ClassVar
from uuid import UUID

import asyncpg

from taskflow.base.errors import InvalidInputError
from taskflow.base.failpoints import failpoint
from taskflow.base.logging import get_logger
from taskflow.db.pool import Connection
from taskflow.db.queries import load
from taskflow.engine.coordinator.duty import DutyContext
from taskflow.engine.dependencies.steering import cancel_in
from taskflow.engine.schedules.firing import Fire, entries, fire, release
from taskflow.engine.schedules.firing import sql as fires_sql
from taskflow.engine.schedules.policies import (
    Due,
    FireCause,
    FireStatus,
    MisfirePolicy,
    OverlapPolicy,
    due,
    jitter,
    judge,
)
from taskflow.engine.schedules.timetable import Timetable
from taskflow.settings import CoordinatorSettings

sql = load(__file__, "schedules.sql")
log = get_logger(__name__)

BATCH = 200  # schedules a round
FIRES = 1000  # instants a round
_FIRES_OF_ONE = 100  # instants of one schedule a round


class Schedules:
    """Fires schedules."""

    name: ClassVar[str] = "schedules"

    def interval(self, settings: CoordinatorSettings) -> float:
        """Return `schedules_seconds`."""
        return settings.schedules_seconds

    async def run_once(self, context: DutyContext) -> int:
        """Fire up to a batch of what is due; return how many schedules moved on or were released."""
        if not await context.database.hot.fetchval(sql.something_to_fire):
            return 0
        async with context.leading(hot=True) as connection:
            free = [row["schedule_id"] for row in await connection.fetch(sql.lock_waiting, BATCH)]
            await connection.execute(fires_sql.settle_fires, free)
            made = await release(connection, free)
            rows = await connection.fetch(sql.lock_due, BATCH)
            plan = await self._plan(
                connection, rows, timedelta(seconds=context.settings.coordinator.misfire_grace_seconds)
            )
            fires, overtaken = await self._judge(connection, plan)
            made += await fire(connection, fires, FireCause.TIMER)
            cancelled = await cancel_in(connection, overtaken) if overtaken else None
            await self._move_on(connection, plan)
        failpoint("fired_before_push")
        context.check()
        await context.broker.dispatch.push(entries(made))
        if cancelled is not None:
            await cancelled.announce(context.broker)
        return len(made) + len(rows)

    @staticmethod
    async def _plan(
        connection: Connection, rows: Sequence[asyncpg.Record], grace: timedelta
    ) -> list[tuple[asyncpg.Record, Due]]:
        """Return the schedules of this round with their due instants."""
        plan, count = [], 0
        for row in rows:
            if count >= FIRES:
                break
            try:
                found = due(
                    Timetable.of(dict(row)),
                    row["next_fire_at"],
                    row["now"],
                    MisfirePolicy(row["misfire_policy"]),
                    window=timedelta(seconds=row["misfire_window_seconds"]),
                    grace=grace,
                    limit=_FIRES_OF_ONE,
                )
            except InvalidInputError as error:  # a zone that this machine does not know
                log.error("schedule_paused", schedule=row["name"], error=str(error))  # noqa: TRY400 - its sentence says it
                await connection.execute(sql.give_up, row["schedule_id"])
                continue
            if not found.instants:
                log.warning("schedule_missed", schedule=row["name"], since=row["next_fire_at"].isoformat())
            count += len(found.instants)
            plan.append((row, found))
        return plan

    @staticmethod
    async def _judge(
        connection: Connection, plan: Sequence[tuple[asyncpg.Record, Due]]
    ) -> tuple[list[Fire], list[UUID]]:
        """Return what becomes of each instant, and the tasks that are to be cancelled for it."""
        watched = sorted(row["schedule_id"] for row, _ in plan if row["overlap_policy"] != OverlapPolicy.ALLOW)
        under_way: defaultdict[UUID, list[UUID]] = defaultdict(list)
        waiting: set[UUID] = set()
        if watched:
            await connection.execute(fires_sql.settle_fires, watched)
            for schedule_id, task_id in await connection.fetch(fires_sql.occupying, watched):
                if task_id is None:
                    waiting.add(schedule_id)
                else:
                    under_way[schedule_id].append(task_id)
        fires: list[Fire] = []
        overtaken: list[UUID] = []
        for row, found in plan:
            schedule_id, policy = row["schedule_id"], OverlapPolicy(row["overlap_policy"])
            if policy is OverlapPolicy.CANCEL_PREVIOUS and found.instants and not row["draining"]:
                overtaken += under_way[schedule_id]
            verdicts: Iterable[FireStatus] = judge(
                policy, len(found.instants), occupied=bool(under_way[schedule_id]), waiting=schedule_id in waiting
            )
            if row["draining"]:  # its queue takes no new tasks
                verdicts = repeat(FireStatus.SKIPPED, len(found.instants))
            for instant, status in zip(found.instants, verdicts, strict=True):
                due_at = instant + jitter(schedule_id, instant, row["jitter_seconds"])
                fires.append(Fire(schedule_id, instant, due_at, status, policy is not OverlapPolicy.ALLOW))
        return fires, sorted(overtaken)

    @staticmethod
    async def _move_on(connection: Connection, plan: Sequence[tuple[asyncpg.Record, Due]]) -> None:
        moves = [
            (row["schedule_id"], found.next_fire_at, found.instants[-1] if found.instants else None)
            for row, found in plan
        ]
        if moves:
            await connection.execute(sql.move_on, *zip(*moves, strict=True))
