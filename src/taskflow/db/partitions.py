"""Partitions by time: makes the coming ones before rows arrive, and knows the old ones.

A UUIDv7 is a time, so a range of ids is a range of time. History tables get a partition a week, the ledgers one
a month; each also has a DEFAULT partition, so that a row outside every range (a requeue after its week was dropped)
still finds a home instead of failing its batch. `ensure` must run before rows of a new range land in DEFAULT; it
makes ranges far ahead, and it leaves a range alone whose rows are already there.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg

from taskflow.base.ids import uuid7_floor
from taskflow.base.logging import get_logger
from taskflow.db.pool import Connection, Pool

log = get_logger(__name__)

LEDGERS = ("email_recipients", "messages")
HISTORY_TABLES = ("task_executions", "task_results", "task_logs", "task_progress")
_STORAGE = {"task_progress": "WITH (fillfactor = 50)"}  # rewritten in place
LEDGER_STORAGE = "WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05)"
_WEEKS_AHEAD = 8
_WEEK = re.compile(r"(?P<table>[a-z_]+)_(?P<year>[0-9]{4})w(?P<week>[0-9]{2})")
_MONTHS_AHEAD = 3


@dataclass(frozen=True, slots=True)
class Span:
    """A partition to be: its table, name and half-open time range."""

    table: str
    name: str
    start: datetime
    end: datetime
    storage: str = ""

    @property
    def bounds(self) -> tuple[UUID, UUID]:
        """The smallest id in it, and the smallest behind it."""
        return id_floor(self.start), id_floor(self.end)

    def ddl(self) -> str:
        """Return the CREATE TABLE statement; names and bounds are made here and never come from outside."""
        lower, upper = self.bounds
        return (
            f"CREATE TABLE IF NOT EXISTS {self.name} PARTITION OF {self.table} "
            f"FOR VALUES FROM ('{lower}') TO ('{upper}') {self.storage}"
        )


def id_floor(moment: datetime) -> UUID:
    """Return the smallest id of a moment."""
    return uuid7_floor(int(moment.timestamp() * 1000))


def coming_spans(now: datetime) -> list[Span]:
    """Return the partitions that should exist at `now`: this week and month, and those ahead."""
    spans: list[Span] = []
    monday = (now - timedelta(days=now.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
    for week in range(_WEEKS_AHEAD + 1):
        start = monday + timedelta(weeks=week)
        spans += [_week(table, start) for table in HISTORY_TABLES]
    for offset in range(_MONTHS_AHEAD + 1):
        months = now.year * 12 + now.month - 1 + offset
        start = datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)
        end = datetime((months + 1) // 12, (months + 1) % 12 + 1, 1, tzinfo=UTC)
        spans += [Span(table, f"{table}_{start:%Ym%m}", start, end, LEDGER_STORAGE) for table in LEDGERS]
    return spans


async def ensure(pool: Pool) -> int:
    """Create the partitions that are missing; return how many there now are ahead and present."""
    now: datetime = await pool.fetchval("SELECT now()")
    existing = await _existing(pool)
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


async def weeks_before(pool: Pool, end: datetime) -> list[Span]:
    """Return the partitions of history tables that lie wholly before `end`, oldest first."""
    spans = [span for name in await _existing(pool) if (span := _week_called(name)) is not None]
    return sorted((span for span in spans if span.end <= end), key=lambda span: (span.start, span.table))


async def drop(connection: Connection, span: Span, *, patience: float) -> None:
    """Drop a partition, in the transaction of `connection`: all its rows at once, and their space with them.

    That takes the parent's table lock, for a moment, and everybody queues behind whoever waits for one. So it gives up
    after `patience` seconds.

    Raises:
        LockNotAvailableError: it did not get the lock in time.
    """
    await connection.execute(f"SET LOCAL lock_timeout = {int(patience * 1000)}")
    await connection.execute(f"DROP TABLE IF EXISTS {span.name}")


async def _existing(pool: Pool) -> set[str]:
    rows = await pool.fetch("SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r'")
    return {row["relname"] for row in rows}


def _week(table: str, monday: datetime) -> Span:
    year, number, _ = monday.isocalendar()
    storage = _STORAGE.get(table, "")
    return Span(table, f"{table}_{year}w{number:02d}", monday, monday + timedelta(weeks=1), storage)


def _week_called(name: str) -> Span | None:
    """Return the week that a partition's name tells of, or None for a partition of another kind."""
    match = _WEEK.fullmatch(name)
    if match is None or match["table"] not in HISTORY_TABLES:
        return None
    return _week(
        match["table"], datetime.fromisocalendar(int(match["year"]), int(match["week"]), 1).replace(tzinfo=UTC)
    )
