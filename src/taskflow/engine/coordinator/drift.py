"""Drift: Redis measured against PostgreSQL, as a metric. It changes nothing; the relay and the rescuer mend.

The two sides move while they are compared, so whatever looks wrong is looked at a second time before it counts.
"""

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

from taskflow.base.logging import get_logger
from taskflow.db.queries import load
from taskflow.engine.coordinator import backlog, metrics
from taskflow.engine.coordinator.duty import DutyContext
from taskflow.settings import CoordinatorSettings

log = get_logger(__name__)
sql = load(__file__)
dependencies_sql = load(__file__, "dependencies.sql")

_SAMPLE = 2000  # ids looked at per dispatch key and side


@dataclass(slots=True)
class Drift:
    """What one measurement found; see `metrics.DRIFT`."""

    missing: int = 0
    ghosts: int = 0
    running_lost: int = 0
    blocked_lost: int = 0
    orphans: int = 0

    def counts(self) -> dict[str, int]:
        """Return the kinds and their numbers."""
        return {
            "missing": self.missing,
            "ghosts": self.ghosts,
            "running_lost": self.running_lost,
            "blocked_lost": self.blocked_lost,
            "orphans": self.orphans,
        }


class DriftMeter:
    """Measures."""

    name: ClassVar[str] = "drift"

    def interval(self, settings: CoordinatorSettings) -> float:
        """Return `drift_seconds`."""
        return settings.drift_seconds

    async def run_once(self, context: DutyContext) -> int:
        """Measure, set the gauges, log what is wrong. Returns 0: a measurement does nothing."""
        generation = await context.broker.dispatch.generation()
        found = await self.measure(context)
        if generation is None or generation != await context.broker.dispatch.generation():
            return 0  # a rebuild is under way or came between: the two sides had no chance to agree
        for kind, count in found.counts().items():
            metrics.DRIFT.labels(kind).set(count)
        if any(found.counts().values()):
            log.warning("drift", **found.counts())
        return 0

    async def measure(self, context: DutyContext) -> Drift:
        """Compare the heads of all windows with the heads of their backlogs."""
        found = Drift()
        keys = await backlog.live_keys(context.database)
        for key in keys:
            found.missing += await self._missing(context, key)
            found.running_lost += await context.database.hot.fetchval(sql.running_without_worker, key, _SAMPLE)
        for some in backlog.parts(keys):
            found.blocked_lost += len(
                await context.database.hot.fetch(dependencies_sql.waiting_for_nobody, some, _SAMPLE)
            )
        queue_keys = await context.broker.upkeep.queue_keys()
        for key in queue_keys:
            found.ghosts += await self._ghosts(context, key)
        for statement in (sql.orphaned_executions, dependencies_sql.orphaned_edges):
            found.orphans += await context.database.hot.fetchval(statement, _SAMPLE)
        await self._measure_queues(context, sorted({*keys, *queue_keys}))
        return found

    async def _missing(self, context: DutyContext, key: str) -> int:
        entries = await backlog.page_after(context.database, key, backlog.START, _SAMPLE)
        for _ in range(2):
            if key in await context.broker.dispatch.overflowing():
                end = await context.broker.upkeep.window_end(key)
                entries = [entry for entry in entries if end is not None and not entry.place.is_behind(end)]
            unknown = await context.broker.dispatch.unknown(entries)
            now = await backlog.standings(context.database, [entry.task_id for entry in unknown]) if unknown else []
            pending = {standing.task_id for standing in now if standing.status == "PENDING"}
            entries = [entry for entry in entries if entry.task_id in pending]
        return len(entries)

    async def _ghosts(self, context: DutyContext, key: str) -> int:
        ids = await context.broker.dispatch.peek(key, _SAMPLE)
        if not ids:
            return 0
        wrong = [s.task_id for s in await backlog.standings(context.database, ids) if s.status != "PENDING"]
        return sum(await context.broker.upkeep.waits(key, wrong)) if wrong else 0

    async def _measure_queues(self, context: DutyContext, keys: list[str]) -> None:
        """Set the gauges of queues: the part of a dispatch key before its slash, so that campaigns add up."""
        waiting: Counter[str] = Counter()
        running: Counter[str] = Counter()
        for key, (ids, leases) in zip(keys, await context.broker.dispatch.sizes(keys), strict=True):
            queue = key.partition("/")[0]
            waiting[queue] += ids
            running[queue] += leases
        metrics.BACKLOG.clear()
        metrics.IN_FLIGHT.clear()
        for queue in waiting:
            metrics.BACKLOG.labels(queue).set(waiting[queue])
            metrics.IN_FLIGHT.labels(queue).set(running[queue])
