"""Rescuer: what a dead node or process held goes back in line.

1. A node whose last beat is older than `dead_after_seconds` on the database's clock is marked DEAD.
2. The claim journal names what it had taken. Each task that still runs under such a claim is put back, or cancelled
   (when somebody had asked for it). The loss of a node names no culprit: all it held are suspects now, and run alone
   from then on (`engine/worker/suspects.py`). Only a suspect that was lost while it ran alone can be quarantined in the
   dead letters, at `crash_limit` crashes. The lost attempt gets its execution row CRASHED in the same statement. The
   epoch is not touched: the next claim raises it, and until then a holder that was only slow is turned away because its
   row no longer runs.
3. The same for claims of processes that their living node no longer lists: its parent died half-way through.

Rescuing twice changes nothing: the claim row is locked, then gone, and a task counts only while it still runs under
that very claim.

A beat that could not be written proves nothing. After an outage of PostgreSQL or Redis, at the start of a term, and
after this process itself was suspended, nobody is declared dead for one heartbeat period.
"""

import time
from typing import ClassVar
from uuid import UUID

from taskflow.base.ids import uuid7
from taskflow.base.logging import get_logger
from taskflow.broker.redis.dispatch import Entry, Settled
from taskflow.broker.redis.events import Event
from taskflow.db.queries import load
from taskflow.engine.coordinator.duty import DutyContext
from taskflow.engine.dead_letters.faults import CRASH
from taskflow.engine.dependencies.release import announce, release
from taskflow.engine.states import TERMINAL
from taskflow.settings import CoordinatorSettings

log = get_logger(__name__)
sql = load(__file__)

_CLAIMS = 5  # of up to `max_batch` tasks each: one small transaction
_SPENT_CLAIMS = 100
_SPENT_AFTER_BEATS = 6
_PATIENCE = 1.2  # heartbeat periods that everybody gets after an outage


class Rescuer:
    """Buries dead nodes and brings back what they held."""

    name: ClassVar[str] = "rescuer"

    def __init__(self) -> None:
        """Hold off at first."""
        self._term = -1
        self._last_run = 0.0
        self._hold_until = 0.0
        self._healthy = False
        self._spent_cursor = UUID(int=0)

    def interval(self, settings: CoordinatorSettings) -> float:
        """Return `rescuer_seconds`."""
        return settings.rescuer_seconds

    async def run_once(self, context: DutyContext) -> int:
        """Bury, reconcile a few abandoned claims, tidy the journal; return how many tasks were rescued."""
        was_healthy, self._healthy = self._healthy, False
        await context.broker.redis.ping()
        server_age = await context.database.pool.fetchval(sql.server_age)
        self._healthy = True
        if not self._may_bury(context, was_healthy, server_age):
            return 0
        await self._bury(context)
        rescued = await self._reconcile(context)
        if not rescued:
            await self._forget_spent(context)
        return rescued

    def _may_bury(self, context: DutyContext, was_healthy: bool, server_age: float) -> bool:
        """Tell whether a missing beat means something yet."""
        now = time.monotonic()
        beat = context.settings.worker.heartbeat_seconds
        suspended = now - self._last_run > context.settings.coordinator.rescuer_seconds + beat
        if self._term != context.lease.term or not was_healthy or suspended:
            self._hold_until = now + beat * _PATIENCE
        self._term, self._last_run = context.lease.term, now
        return now >= self._hold_until and server_age >= beat * _PATIENCE

    async def _bury(self, context: DutyContext) -> None:
        async with context.leading() as connection:
            buried = await connection.fetch(sql.bury_workers, context.settings.coordinator.dead_after_seconds)
        for row in buried:
            worker_id: UUID = row["worker_id"]
            log.warning(
                "worker_died", worker_id=str(worker_id), hostname=row["hostname"], last_beat=str(row["last_heartbeat"])
            )
            await context.broker.workers.forget(worker_id)
        await context.broker.events.publish(
            Event("workers", "worker.status", {"worker_id": str(row["worker_id"]), "status": "DEAD"}) for row in buried
        )

    async def _reconcile(self, context: DutyContext) -> int:
        """Bring back what still runs under a few abandoned claims, and forget those claims."""
        grace = context.settings.worker.heartbeat_seconds
        async with context.leading(hot=True) as connection:
            claims = await connection.fetch(sql.abandoned_claims, grace, _CLAIMS)
            if not claims:
                return 0
            held = sorted((task_id, claim["claim_id"]) for claim in claims for task_id in claim["task_ids"])
            rows = await connection.fetch(
                sql.rescue,
                [task_id for task_id, _ in held],
                [claim_id for _, claim_id in held],
                [uuid7() for _ in held],
                context.settings.worker.crash_limit,
                CRASH,
            )
            await connection.execute(sql.forget_claims, [claim["claim_id"] for claim in claims])
            freed = await release(
                connection, [row["task_id"] for row in rows if row["has_children"] and row["status"] in TERMINAL]
            )
        log.warning("claims_rescued", claims=len(claims), tasks=len(rows))
        context.check()
        # Settling announces what became of each and ends its lease; what waits is pushed behind that.
        dispatch = context.broker.dispatch
        await dispatch.settle(Settled(row["dispatch_key"], str(row["task_id"]), row["status"]) for row in rows)
        await dispatch.push(
            Entry(row["dispatch_key"], row["priority"], str(row["task_id"]))
            for row in rows
            if row["status"] == "PENDING"
        )
        await announce(dispatch, freed)
        return max(1, len(rows))

    async def _forget_spent(self, context: DutyContext) -> None:
        """Delete old journal rows under which nothing runs any more: their worker crashed before it could."""
        age = context.settings.worker.heartbeat_seconds * _SPENT_AFTER_BEATS
        claims = await context.database.hot.fetch(sql.spent_claims, age, self._spent_cursor, _SPENT_CLAIMS)
        self._spent_cursor = claims[-1]["claim_id"] if len(claims) == _SPENT_CLAIMS else UUID(int=0)
        if not claims:
            return
        pairs = sorted((task_id, claim["claim_id"]) for claim in claims for task_id in claim["task_ids"])
        ids, owners = [task_id for task_id, _ in pairs], [claim_id for _, claim_id in pairs]
        busy = {row[0] for row in await context.database.hot.fetch(sql.running_under, ids, owners)}
        spent = [claim["claim_id"] for claim in claims if claim["claim_id"] not in busy]
        if spent:
            async with context.leading() as connection:
                await connection.execute(sql.forget_claims, spent)
