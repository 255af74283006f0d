"""Partitions by time: makes the coming ones before rows arrive.

A UUIDv7 is a time, so a range of ids is a range of time. History tables get a partition a week, the ledger one a
month; each also has a DEFAULT partition, so that a row outside every range (a requeue after its week was dropped)
still finds a home instead of failing its batch. `ensure` must run before rows of a new range land in DEFAULT; it
makes ranges far ahead, and it leaves a range alone whose rows are already there.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg

from taskflow.base.ids import uuid7_floor
from taskflow.base.logging import get_logger
from taskflow.db.pool import Pool

log = get_logger(__name__)

HISTORY_TABLES = ("task_executions", "task_results", "task_logs", "task_progress")
_STORAGE = {"task_progress": "WITH (fillfactor = 50)"}  # rewritten in place
LEDGER_STORAGE = "WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05)"
_WEEKS_AHEAD = 8
_MONTHS_AHEAD = 3


@dataclass(frozen=True, slots=True)
class Span:
    """A partition to be: its table, name and half-open time range."""

    table: str
    name: str
    start: datetime
    end: datetime
    storage: str = ""

    def ddl(self) -> str:
        """Return the CREATE TABLE statement; names and bounds are made here and never come from outside."""
        lower, upper = (uuid7_floor(int(moment.timestamp() * 1000)) for moment in (self.start, self.end))
        return (
            f"CREATE TABLE IF NOT EXISTS {self.name} PARTITION OF {self.table} "
            f"FOR VALUES FROM ('{lower}') TO ('{upper}') {self.storage}"
        )


def coming_spans(now: datetime) -> list[Span]:
    """Return the partitions that should exist at `now`: this week and month, and those ahead."""
    spans: list[Span] = []
    monday = (now - timedelta(days=now.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
    for week in range(_WEEKS_AHEAD + 1):
        start = monday + timedelta(weeks=week)
        year, number, _ = start.isocalendar()
        spans += [
            Span(table, f"{table}_{year}w{number:02d}", start, start + timedelta(weeks=1), _STORAGE.get(table, ""))
            for table in HISTORY_TABLES
        ]
    for offset in range(_MONTHS_AHEAD + 1):
        months = now.year * 12 + now.month - 1 + offset
        start = datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)
        end = datetime((months + 1) // 12, (months + 1) % 12 + 1, 1, tzinfo=UTC)
        spans.append(Span("email_recipients", f"email_recipients_{start:%Ym%m}", start, end, LEDGER_STORAGE))
    return spans


async def ensure(pool: Pool) -> int:
    """Create the partitions that are missing; return how many there now are ahead and present."""
    now: datetime = await pool.fetchval("SELECT now()")
    existing = {
        row["relname"]
        for row in await pool.fetch("SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r'")
    }
    spans = coming_spans(now)
    for span in spans:
        if span.name in existing:
            continue
        try:
            await pool.execute(span.ddl())
        except asyncpg.CheckViolationError:
            log.warning("partition_skipped", partition=span.name, why="rows of its range are in the default partition")
        except (asyncpg.DuplicateTableError, asyncpg.UniqueViolationError):
            continue  # another process made it at the same moment
    return len(spans)
