"""A schedule as its maker writes it down."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from taskflow.engine.schedules.policies import MisfirePolicy, OverlapPolicy
from taskflow.engine.schedules.timetable import At, Cron, Every, InvalidScheduleError, Timing, check_instant, timing_of

MAX_NAME_CHARS = 255
MAX_JITTER_SECONDS = 86_400
MAX_WINDOW_SECONDS = 366 * 86_400
DAY_SECONDS = 86_400

Misfire = MisfirePolicy | Literal["skip", "once", "all"]
Overlap = OverlapPolicy | Literal["allow", "skip", "queue_one", "cancel_previous"]


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a task starts again, and what if it cannot.

        Schedule("nightly", Cron("0 3 * * MON-FRI", "Europe/Berlin"), overlap="skip")

    Args:
        name: unique.
        timing: `Cron`, `Every` or `At`.
        starts_at, ends_at: no instant before the one and after the other.
        jitter: seconds by which an instant may be put off, to spread the tasks of many schedules.
        misfire: what becomes of instants that were missed because no coordinator ran.
        misfire_window: how many seconds back those still count.
        overlap: what becomes of an instant while the last task is under way.
        paused: make it without letting it fire.

    Raises:
        InvalidScheduleError: it does not add up.
    """

    name: str
    timing: Timing
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    jitter: int = 0
    misfire: Misfire = MisfirePolicy.ONCE
    misfire_window: int = DAY_SECONDS
    overlap: Overlap = OverlapPolicy.ALLOW
    paused: bool = False

    def __post_init__(self) -> None:
        """Check what the types cannot say."""
        if not 1 <= len(self.name) <= MAX_NAME_CHARS or not self.name.isprintable():
            raise InvalidScheduleError(f"A name has 1 to {MAX_NAME_CHARS} printable characters.", field="name")
        for name in ("starts_at", "ends_at"):
            if (instant := getattr(self, name)) is not None:
                check_instant(name, instant)
        if self.starts_at and self.ends_at and self.ends_at < self.starts_at:
            raise InvalidScheduleError("It ends before it starts.", field="ends_at")
        if not 0 <= self.jitter <= MAX_JITTER_SECONDS:
            raise InvalidScheduleError(f"Jitter takes 0 to {MAX_JITTER_SECONDS:,} seconds.", field="jitter_seconds")
        if not 0 <= self.misfire_window <= MAX_WINDOW_SECONDS:
            raise InvalidScheduleError(
                f"The misfire window takes 0 to {MAX_WINDOW_SECONDS:,} seconds.", field="misfire_window_seconds"
            )
        for name, kind in (("misfire", MisfirePolicy), ("overlap", OverlapPolicy)):
            try:
                object.__setattr__(self, name, kind(getattr(self, name)))
            except ValueError as error:
                raise InvalidScheduleError(f"{name} is one of {', '.join(kind)}.", field=f"{name}_policy") from error

    @classmethod
    def of(cls, columns: Mapping[str, Any]) -> "Schedule":
        """Read the columns of a row."""
        return cls(
            name=columns["name"],
            timing=timing_of(columns),
            starts_at=columns["starts_at"],
            ends_at=columns["ends_at"],
            jitter=columns["jitter_seconds"],
            misfire=columns["misfire_policy"],
            misfire_window=columns["misfire_window_seconds"],
            overlap=columns["overlap_policy"],
            paused=columns["paused"],
        )

    def columns(self) -> dict[str, Any]:
        """Return the columns that hold it."""
        timing = self.timing
        return {
            "name": self.name,
            "kind": "cron" if isinstance(timing, Cron) else "interval" if isinstance(timing, Every) else "at",
            "cron": timing.expression if isinstance(timing, Cron) else None,
            "time_zone": timing.zone if isinstance(timing, Cron) else "UTC",
            "interval_seconds": timing.seconds if isinstance(timing, Every) else None,
            "run_at": timing.instant if isinstance(timing, At) else None,
            "starts_at": self.starts_at,
            "ends_at": self.ends_at,
            "jitter_seconds": self.jitter,
            "misfire_policy": MisfirePolicy(self.misfire).value,
            "misfire_window_seconds": self.misfire_window,
            "overlap_policy": OverlapPolicy(self.overlap).value,
            "paused": self.paused,
        }
