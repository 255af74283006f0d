"""`/api/v1/stats`: the figures of the overview, and the source of the gauges in `/metrics`.

Counting a large backlog takes a while. So each process counts at most every two seconds, and not before ten times as
long has passed as the last count took; everybody who asks in between gets the same figures.
"""

import asyncio
import time
from collections import Counter
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from taskflow.db.pool import Database
from taskflow.db.queries import load
from taskflow.delivery.uncertain import count_uncertain
from taskflow.engine.states import TaskStatus
from taskflow.identity.access import require, service
from taskflow.identity.models import Role

sql = load(__file__, "stats.sql")

_FRESH_SECONDS = 2.0
_REST_FACTOR = 10
_MINUTES = 60
_WAITING = frozenset({TaskStatus.PENDING, TaskStatus.SCHEDULED, TaskStatus.BLOCKED})

router = APIRouter(prefix="/stats", tags=["stats"])


class QueueStats(BaseModel):
    """One queue."""

    queue: str
    ready: int = Field(description="PENDING tasks.")
    scheduled: int = Field(description="SCHEDULED and BLOCKED tasks.")
    running: int
    paused: bool = Field(description="Hands out nothing.")
    oldest_seconds: float | None = Field(description="How long the oldest PENDING task has waited.")
    completed_per_second: float = Field(description="Over the last minute.")


class TaskStats(BaseModel):
    """Tasks."""

    by_status: dict[TaskStatus, int] = Field(
        description="All tasks that have not ended, and those of the last hour that have."
    )
    queues: list[QueueStats]
    completed_per_second: float = Field(description="Over the last minute.")
    failed_last_hour: int


class WorkerStats(BaseModel):
    """Worker nodes that live."""

    active: int
    capacity: int
    load: int


class CampaignStats(BaseModel):
    """Campaigns."""

    running: int


class MessageStats(BaseModel):
    """Messages, of campaigns and without one."""

    uncertain: int = Field(description="UNCERTAIN ones: a person, or a search at the provider, decides.")


class Minute(BaseModel):
    """What ended in one minute."""

    t: datetime
    completed: int
    failed: int


class Stats(BaseModel):
    """The figures of the overview."""

    tasks: TaskStats
    workers: WorkerStats
    campaigns: CampaignStats
    messages: MessageStats
    dead_letters: int = Field(description="Those that nobody has requeued.")
    throughput: list[Minute] = Field(description="The last 60 minutes, of tasks created in the last hour.")


class StatsCounter:
    """Counts, and remembers for a while."""

    def __init__(self, database: Database) -> None:
        """Take the pools."""
        self._pool = database.pool
        self._lock = asyncio.Lock()
        self._known: Stats | None = None
        self._fresh_until = 0.0

    async def read(self) -> Stats:
        """Return figures that are fresh enough."""
        async with self._lock:
            if self._known is None or time.monotonic() >= self._fresh_until:
                started = time.monotonic()
                self._known = await self._count()
                took = time.monotonic() - started
                self._fresh_until = time.monotonic() + max(_FRESH_SECONDS, took * _REST_FACTOR)
            return self._known

    async def _count(self) -> Stats:
        async with self._pool.acquire() as connection:
            live = await connection.fetch(sql.live)
            recent = await connection.fetch(sql.recent)
            rest = await connection.fetchrow(sql.rest)
            uncertain = await count_uncertain(connection)
            paused = {row["name"] for row in await connection.fetch(sql.paused_queues)}
        assert rest is not None  # noqa: S101 - a SELECT without FROM has a row
        by_status: Counter[TaskStatus] = Counter(dict.fromkeys(TaskStatus, 0))
        queues: dict[str, Counter[TaskStatus]] = {}
        oldest: dict[str, float] = {}
        completed: Counter[str] = Counter()
        for row in live:
            status = TaskStatus(row["status"])
            by_status[status] += row["tasks"]
            queues.setdefault(row["queue"], Counter())[status] += row["tasks"]
            if status is TaskStatus.PENDING:
                oldest[row["queue"]] = max(0.0, row["oldest_seconds"])
        minutes: dict[datetime, Counter[str]] = {}
        for row in recent:
            status = TaskStatus(row["status"])
            by_status[status] += row["tasks"]
            queues.setdefault(row["queue"], Counter())  # quiet now, but in use
            if status is TaskStatus.COMPLETED:
                completed[row["queue"]] += row["last_minute"]
            kind = "completed" if status is TaskStatus.COMPLETED else "failed"
            if status is not TaskStatus.CANCELLED:
                minutes.setdefault(row["minute"], Counter())[kind] += row["tasks"]
        present = rest["now"].replace(second=0, microsecond=0)
        axis = [present - timedelta(minutes=back) for back in range(_MINUTES - 1, -1, -1)]
        return Stats(
            tasks=TaskStats(
                by_status=dict(by_status),
                queues=[
                    _queue(name, counts, oldest.get(name), completed[name], paused=name in paused)
                    for name, counts in sorted(queues.items())
                ],
                completed_per_second=round(completed.total() / 60, 2),
                failed_last_hour=rest["failed_last_hour"],
            ),
            workers=WorkerStats(active=rest["active"], capacity=rest["capacity"], load=rest["load"]),
            campaigns=CampaignStats(running=rest["campaigns_running"]),
            messages=MessageStats(uncertain=uncertain),
            dead_letters=rest["dead_letters"],
            throughput=[
                Minute(t=t, **{k: minutes.get(t, Counter())[k] for k in ("completed", "failed")}) for t in axis
            ],
        )


@router.get("", dependencies=[require(Role.VIEWER)])
async def get_stats(counter: Annotated[StatsCounter, service(StatsCounter)]) -> Stats:
    """Get the figures of the overview."""
    return await counter.read()


def _queue(
    name: str, counts: Counter[TaskStatus], oldest_seconds: float | None, last_minute: int, *, paused: bool
) -> QueueStats:
    ready = counts[TaskStatus.PENDING]
    return QueueStats(
        queue=name,
        ready=ready,
        scheduled=sum(counts[status] for status in _WAITING) - ready,
        running=counts[TaskStatus.RUNNING],
        paused=paused,
        oldest_seconds=oldest_seconds,
        completed_per_second=round(last_minute / 60, 2),
    )
