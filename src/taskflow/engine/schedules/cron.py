"""Cron expressions: five fields and names, on the clocks of a time zone.

CronSim reads the expression and finds the next matching time on a clock that is never set (docs/adr/0017-schedules.md
says why it, and why only that). What the setting of clocks does is decided here, as Debian's cron decides it:

- An expression whose minute or hour begins with `*` runs **by elapsed time**. Times that a clock leaves out do not
  exist for it; times that a clock shows twice are two instants, and it fires at both.
- Any other expression names **times of day**. A time that the clock leaves out fires at the first moment after the
  gap (several such times, once); a time that it shows twice fires at its first showing only.

Both hold for every setting of a clock, also by 30 minutes (Australia/Lord_Howe) or by a day (Pacific/Apia 2011).
"""

import copy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from taskflow.base.errors import InvalidInputError

MAX_CHARS = 200
MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FIELDS = {  # each field as CronSim numbers it, and what it takes
    "minute": "0-59",
    "hour": "0-23",
    "day-of-month": "1-31, L (the last day) or LW (the last weekday)",
    "month": "1-12 or JAN-DEC",
    "day-of-week": "0-7 (Sunday is 0 and 7) or SUN-SAT, 5L (the last Friday), MON#2 (the second Monday)",
}
_NAMES = tuple(_FIELDS)
_STAR = "*"
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)
_EPOCH = datetime(2000, 1, 1)  # noqa: DTZ001 - a clock on a wall, which knows no zone


class InvalidCronError(InvalidInputError):
    """The cron expression is not valid."""

    code = "invalid_cron"


@dataclass(frozen=True)
class CronExpression:
    """A parsed expression; `parse` makes one."""

    text: str
    is_by_elapsed_time: bool
    _parsed: CronSim

    @classmethod
    def parse(cls, text: str) -> "CronExpression":
        """Read five fields or a macro.

        Raises:
            InvalidCronError: naming the field and what is wrong with it.
        """
        return _parse(text)

    def next_after(self, after: datetime, zone: ZoneInfo) -> datetime | None:
        """Return the first instant later than `after` that matches on the clocks of `zone` (in UTC), or None."""
        after = after.astimezone(UTC)
        try:
            return self._elapsed(after, zone) if self.is_by_elapsed_time else self._time_of_day(after, zone)
        except (StopIteration, OverflowError):  # nothing within 50 years, or the calendar's end
            return None

    def _elapsed(self, after: datetime, zone: ZoneInfo) -> datetime:
        since, offset = after, _offset(after, zone)
        while True:
            found = self._on_the_wall((after + offset).replace(tzinfo=None)).replace(tzinfo=UTC) - offset
            change = _first_change(since, found, zone)
            if change is None:
                return found
            # The clock is set before that: go on from the first moment of the new time, which may match itself.
            after, since, offset = change - _SECOND, change, _offset(change, zone)

    def _time_of_day(self, after: datetime, zone: ZoneInfo) -> datetime:
        wall = after.astimezone(zone).replace(tzinfo=None)
        while True:
            wall = self._on_the_wall(wall)
            found = _instant_of(wall, zone)
            if found > after:
                return found

    def _on_the_wall(self, wall: datetime) -> datetime:
        """Return the next match after `wall` on a clock that is never set."""
        walk = copy.copy(self._parsed)
        walk.dt = wall.replace(microsecond=0)
        return next(walk)


@lru_cache(maxsize=2048)
def _parse(text: str) -> CronExpression:
    fields = text.split()
    if len(text) > MAX_CHARS:
        raise InvalidCronError(f"A cron expression has at most {MAX_CHARS} characters.", field=None)
    if len(fields) == 1 and fields[0].startswith("@"):
        macro = MACROS.get(fields[0].lower())
        if macro is None:
            raise InvalidCronError(f"{fields[0]!r} is none of {', '.join(MACROS)}.", field=None)
        fields = macro.split()
    if len(fields) != len(_FIELDS):
        raise InvalidCronError(
            f"A cron expression has five fields ({', '.join(_FIELDS)}); {text!r} has {len(fields)}.", field=None
        )
    try:
        parsed = CronSim(" ".join(fields), _EPOCH)
    except CronSimError as error:
        raise _explain(fields, str(error)) from error
    return CronExpression(" ".join(text.split()), any(field.startswith(_STAR) for field in fields[:2]), parsed)


def _explain(fields: list[str], message: str) -> InvalidCronError:
    """Say which field is wrong, which part of it, and what the field takes."""
    name = message.removeprefix("Bad ")
    field = fields[_NAMES.index(name)]
    culprit = next((part for part in field.split(",") if not _is_good(name, part)), None)
    if culprit is None:  # each part is well, but no month has such a day
        return InvalidCronError(f"{name} {field!r}: none of the months has such a day; it never fires.", field=name)
    ends = culprit.split("-")
    if culprit == "":
        reason = "is an empty item of a list"
    elif len(ends) == 2 and all(_is_good(name, end) for end in ends):
        reason = "is a range that ends before it begins"
    elif culprit.partition("/")[2].strip("0") == "" and "/0" in culprit:
        reason = "needs a step of 1 or more behind the '/'"
    else:
        reason = f"is none of its values: it takes {_FIELDS[name]}, *, lists (1,2), ranges (1-5) and steps (*/2)"
    return InvalidCronError(f"{name} {culprit!r} {reason}.", field=name)


def _is_good(name: str, part: str) -> bool:
    """Tell whether `part` alone would do in the field `name`."""
    try:
        CronSim(" ".join(part if other == name else "*" for other in _NAMES), _EPOCH)
    except CronSimError:
        return False
    return part != ""


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    offset = moment.astimezone(zone).utcoffset()
    assert offset is not None  # noqa: S101 - a zone has one
    return offset


def _first_change(after: datetime, until: datetime, zone: ZoneInfo) -> datetime | None:
    """Return the first moment in (after, until] at which the clocks of `zone` have been set, to the second."""
    offset = _offset(after, zone)
    low = after
    while low < until:
        high = min(low + _DAY, until)
        if _offset(high, zone) != offset:
            return _bisect(low, high, zone)
        low = high
    return None


def _bisect(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """Return the first whole second of (low, high] with the offset of `high`; clocks are set between the two."""
    new = _offset(high, zone)
    low, high = low.replace(microsecond=0), high.replace(microsecond=0)
    while high - low > _SECOND:
        middle = low + ((high - low) // 2 // _SECOND) * _SECOND
        low, high = (low, middle) if _offset(middle, zone) == new else (middle, high)
    return high


def _instant_of(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant (in UTC) of a time of day: its first showing, or the end of the gap that swallows it."""
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) == wall:
        return first
    return _bisect(wall.replace(tzinfo=zone, fold=1).astimezone(UTC), first, zone)
