"""Timetables: which instants a schedule has. Pure arithmetic on the database's clock, in UTC.

`Cron`, `Every` and `At` are what a caller writes down; a `Timetable` is one of them within its bounds.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from taskflow.base.errors import InvalidInputError
from taskflow.engine.schedules.cron import CronExpression
from taskflow.engine.schedules.zones import find_zone

MAX_INTERVAL_SECONDS = 366 * 86_400
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)  # the smallest difference between two instants
_FIRST_LOOK = timedelta(minutes=1)


class InvalidScheduleError(InvalidInputError):
    """The schedule does not add up."""

    code = "invalid_schedule"


@dataclass(frozen=True, slots=True)
class Cron:
    """By a cron expression on the clocks of a time zone.

    Raises:
        InvalidCronError, UnknownTimeZoneError: as they say.
    """

    expression: str
    zone: str = "UTC"
    _parsed: CronExpression = field(init=False, repr=False, compare=False)
    _zone: ZoneInfo = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Read the expression and find the zone."""
        object.__setattr__(self, "_parsed", CronExpression.parse(self.expression))
        object.__setattr__(self, "_zone", find_zone(self.zone))

    def next_after(self, after: datetime, _anchor: datetime) -> datetime | None:
        """Return the first instant later than `after`."""
        return self._parsed.next_after(after, self._zone)


@dataclass(frozen=True, slots=True)
class Every:
    """Every so many seconds, counted from the schedule's `starts_at` or else from its making.

    Raises:
        InvalidScheduleError: less than a second, or more than a year.
    """

    seconds: int

    def __post_init__(self) -> None:
        """Check the bounds."""
        if not 1 <= self.seconds <= MAX_INTERVAL_SECONDS:
            raise InvalidScheduleError(f"An interval takes 1 to {MAX_INTERVAL_SECONDS:,} seconds.")

    def next_after(self, after: datetime, anchor: datetime) -> datetime | None:
        """Return the first instant later than `after`."""
        step = timedelta(seconds=self.seconds)
        return anchor + ((after - anchor) // step + 1) * step


@dataclass(frozen=True, slots=True)
class At:
    """Once, at an instant.

    Raises:
        InvalidScheduleError: it has no time zone, or is centuries away.
    """

    instant: datetime

    def __post_init__(self) -> None:
        """Check that it is an instant."""
        check_instant("run_at", self.instant)

    def next_after(self, after: datetime, _anchor: datetime) -> datetime | None:
        """Return the instant if it is later than `after`."""
        return self.instant if self.instant > after else None


Timing = Cron | Every | At


@dataclass(frozen=True, slots=True)
class Timetable:
    """A timing within its bounds: no instant before `starts_at`, none after `ends_at`."""

    timing: Timing
    anchor: datetime
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Timetable":
        """Read a row of `schedules`."""
        return cls(
            timing_of(row),
            row["starts_at"] or row["created_at"].replace(microsecond=0),
            row["starts_at"],
            row["ends_at"],
        )

    def unbounded(self) -> "Timetable":
        """Return the same timing without bounds."""
        return Timetable(self.timing, self.anchor)

    def next_after(self, after: datetime) -> datetime | None:
        """Return the first instant later than `after`, or None when there is none any more."""
        if self.starts_at is not None:
            after = max(after, self.starts_at - _TICK)
        found = self.timing.next_after(after, self.anchor)
        if found is None or found > (self.ends_at or _LATEST):
            return None
        return found

    def between(self, first: datetime, last: datetime) -> Iterator[datetime]:
        """Yield the instants from `first` to `last`, both included."""
        found = self.next_after(first - _TICK)
        while found is not None and found <= last:
            yield found
            found = self.next_after(found)

    def newest(self, first: datetime, last: datetime) -> datetime | None:
        """Return the last instant from `first` to `last`: looks back ever further instead of walking all of them."""
        span = _FIRST_LOOK
        while first <= last:
            start = max(first, last - span)
            found = deque(self.between(start, last), maxlen=1)
            if found or start == first:
                return found.pop() if found else None
            span *= 2
        return None


def timing_of(row: Mapping[str, Any]) -> Timing:
    """Return what a schedule's columns say."""
    if row["cron"] is not None:
        return Cron(row["cron"], row["time_zone"])
    if row["interval_seconds"] is not None:
        return Every(row["interval_seconds"])
    return At(row["run_at"])


def check_instant(name: str, instant: datetime) -> None:
    """Raise unless `instant` has a time zone and lies between 1970 and 2200.

    Raises:
        InvalidScheduleError: naming the field.
    """
    if instant.tzinfo is None:
        raise InvalidScheduleError(f"{name} needs a time zone: 2026-01-31T09:00:00+01:00.", field=name)
    if not _EARLIEST <= instant <= _LATEST:
        raise InvalidScheduleError(f"{name} lies outside of the years 1970 to 2199.", field=name)
