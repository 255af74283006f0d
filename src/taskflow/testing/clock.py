"""Schedules on a virtual clock: the timetable and the policies of real ones, without a coordinator.

Tasks run inline end before the next instant, so no overlap policy has anything to decide here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from taskflow.base.ids import uuid7
from taskflow.engine.definition import Task
from taskflow.engine.schedules.models import Schedule
from taskflow.engine.schedules.policies import MisfirePolicy, due, jitter
from taskflow.engine.schedules.timetable import Timetable
from taskflow.settings import CoordinatorSettings

_GRACE = timedelta(seconds=CoordinatorSettings().misfire_grace_seconds)
_MOST = 100_000


@dataclass(slots=True)
class _Timer:
    schedule_id: UUID
    schedule: Schedule
    task: Task[..., Any]
    kwargs: dict[str, Any]
    timetable: Timetable
    next_fire_at: datetime | None


class Timers:
    """The schedules of one test."""

    def __init__(self) -> None:
        """Start without any."""
        self._timers: dict[str, _Timer] = {}

    def declare(self, schedule: Schedule, task: Task[..., Any], kwargs: dict[str, Any], now: datetime) -> UUID:
        """Add a schedule, or change the one of that name."""
        timetable = Timetable(schedule.timing, schedule.starts_at or now, schedule.starts_at, schedule.ends_at)
        known = self._timers.get(schedule.name)
        schedule_id = known.schedule_id if known else uuid7()
        following = None if schedule.paused else timetable.next_after(now)
        self._timers[schedule.name] = _Timer(schedule_id, schedule, task, kwargs, timetable, following)
        return schedule_id

    def coming(self) -> Iterator[datetime]:
        """Yield the next instant of every schedule that has one."""
        for timer in self._timers.values():
            if timer.next_fire_at is not None:
                yield timer.next_fire_at

    def on_time(self, now: datetime) -> Iterator[tuple[Task[..., Any], dict[str, Any], datetime]]:
        """Yield task, arguments and due time of every instant up to `now`."""
        for timer in self._timers.values():
            while timer.next_fire_at is not None and timer.next_fire_at <= now:
                instant = timer.next_fire_at
                timer.next_fire_at = timer.timetable.next_after(instant)
                yield self._fire(timer, instant)

    def late(self, now: datetime) -> Iterator[tuple[Task[..., Any], dict[str, Any], datetime]]:
        """Yield the same when nobody was there until `now`: what the misfire policies leave."""
        for timer in self._timers.values():
            if timer.next_fire_at is None or timer.next_fire_at > now:
                continue
            found = due(
                timer.timetable,
                timer.next_fire_at,
                now,
                MisfirePolicy(timer.schedule.misfire),
                window=timedelta(seconds=timer.schedule.misfire_window),
                grace=_GRACE,
                limit=_MOST,
            )
            timer.next_fire_at = found.next_fire_at
            for instant in found.instants:
                yield self._fire(timer, instant)

    @staticmethod
    def _fire(timer: _Timer, instant: datetime) -> tuple[Task[..., Any], dict[str, Any], datetime]:
        return timer.task, timer.kwargs, instant + jitter(timer.schedule_id, instant, timer.schedule.jitter)
