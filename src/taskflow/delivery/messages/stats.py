"""Counts of messages over time: what a tile of a dashboard shows."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, Self

import asyncpg
from pydantic import BaseModel, Field

from taskflow.base.errors import InvalidInputError
from taskflow.delivery.states import RecipientStatus

Interval = Literal["hour", "day"]

_STEPS: dict[Interval, timedelta] = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
_USUAL: dict[Interval, timedelta] = {"hour": timedelta(days=1), "day": timedelta(days=30)}
_MOST: dict[Interval, timedelta] = {"hour": timedelta(days=31), "day": timedelta(days=366)}


class StatsRangeError(InvalidInputError):
    """These are too many intervals, or none: counts by hour go over 31 days at most, by day over 366."""

    code = "stats_range"


@dataclass(frozen=True, slots=True)
class Span:
    """A time, cut into hours or days of UTC; its end is not in it."""

    start: datetime
    end: datetime
    interval: Interval

    @classmethod
    def of(cls, start: datetime | None, end: datetime | None, interval: Interval) -> Self:
        """Return a span; by default the last 24 hours, or 30 days by day.

        Raises:
            StatsRangeError: it is too long for its interval, or ends before it starts.
        """
        end = end or datetime.now(UTC)
        start = start or end - _USUAL[interval]
        if not timedelta() < end - start <= _MOST[interval]:
            raise StatsRangeError(
                f"From {start.isoformat()} to {end.isoformat()} is not between nothing and {_MOST[interval].days} days,"
                f" the most by {interval}."
            )
        return cls(start, end, interval)

    def starts(self) -> list[datetime]:
        """Return where each interval starts."""
        midnight = self.start.replace(minute=0, second=0, microsecond=0)
        first = midnight if self.interval == "hour" else midnight.replace(hour=0)
        count = -((first - self.end) // _STEPS[self.interval])
        return [first + number * _STEPS[self.interval] for number in range(count)]


class StatsItem(BaseModel):
    """Messages that were submitted in one interval."""

    at: datetime = Field(description="When it starts, UTC.")
    counts: dict[RecipientStatus, int] = Field(description="By the status that they have now; what is missing is 0.")


class StatsOut(BaseModel):
    """How many messages without a campaign have which status."""

    created_after: datetime
    created_before: datetime
    interval: Interval
    messages: int
    counts: dict[RecipientStatus, int] = Field(description="By status, over the whole time.")
    items: list[StatsItem] = Field(description="Every interval, oldest first, also those without a message.")

    @classmethod
    def of(cls, span: Span, rows: Sequence[asyncpg.Record]) -> Self:
        """Put counts together."""
        totals: Counter[RecipientStatus] = Counter()
        found: dict[datetime, dict[RecipientStatus, int]] = defaultdict(dict)
        for row in rows:
            status = RecipientStatus(row["status"])
            totals[status] += row["messages"]
            found[row["at"]][status] = row["messages"]
        return cls(
            created_after=span.start,
            created_before=span.end,
            interval=span.interval,
            messages=totals.total(),
            counts=dict(totals),
            items=[StatsItem(at=at, counts=found[at]) for at in sorted({*span.starts(), *found})],
        )
