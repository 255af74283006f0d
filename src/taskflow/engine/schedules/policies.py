"""What a schedule does when it is late, and when its last task is still under way. Pure functions.

**Misfire.** The coordinator looks every few milliseconds. An instant that it sees within the grace (seconds, a setting)
is on time and fires. One that it sees later (every coordinator was down) was missed:

- `skip`: what was missed is left out.
- `once`: one task stands for everything that was missed, under the newest instant; if an instant is on time, that
  is the one.
- `all`: everything that was missed within the window fires, oldest first.

Nothing older than the window fires at all. What passes during a pause is not missed: it was not wanted.

**Overlap.** An instant that comes while a task of the schedule has not ended:

- `allow`: another task.
- `skip`: none.
- `queue_one`: one waits until the schedule has no task under way; further ones are left out.
- `cancel_previous`: what is under way is cancelled (running tasks are asked to stop), and the new task starts.

**Jitter** spreads the tasks of many schedules: a delay of up to so many seconds, always the same for the same instant.
"""

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import NamedTuple
from uuid import UUID

from taskflow.engine.schedules.timetable import Timetable


class MisfirePolicy(StrEnum):
    """What becomes of instants that were missed."""

    SKIP = "skip"
    ONCE = "once"
    ALL = "all"


class OverlapPolicy(StrEnum):
    """What becomes of an instant while the schedule's last task is under way."""

    ALLOW = "allow"
    SKIP = "skip"
    QUEUE_ONE = "queue_one"
    CANCEL_PREVIOUS = "cancel_previous"


class FireStatus(StrEnum):
    """What became of an instant."""

    FIRED = "FIRED"
    WAITING = "WAITING"
    SKIPPED = "SKIPPED"


class FireCause(StrEnum):
    """Why an instant was dealt with: its time had come, somebody pressed run, or a backfill."""

    TIMER = "timer"
    RUN = "run"
    BACKFILL = "backfill"


class Due(NamedTuple):
    """The instants to deal with now, oldest first, and the next one to look at."""

    instants: list[datetime]
    next_fire_at: datetime | None


def due(
    timetable: Timetable,
    next_fire_at: datetime,
    now: datetime,
    policy: MisfirePolicy,
    *,
    window: timedelta,
    grace: timedelta,
    limit: int,
) -> Due:
    """Return which of the instants from `next_fire_at` to `now` fire; at most `limit`, the rest comes next time."""
    on_time = max(next_fire_at, now - grace)
    wanted = max(next_fire_at, now - window)
    first = min(wanted, on_time) if policy is MisfirePolicy.ALL else on_time
    instants = list(islice(timetable.between(first, now), limit))
    if not instants and policy is MisfirePolicy.ONCE:
        newest = timetable.newest(wanted, now)
        instants = [] if newest is None else [newest]
    done = instants[-1] if len(instants) == limit else now
    return Due(instants, timetable.next_after(done))


def judge(policy: OverlapPolicy, count: int, *, occupied: bool, waiting: bool) -> Iterator[FireStatus]:
    """Yield what becomes of each of `count` instants that come together, oldest first.

    `occupied`: a task of the schedule is under way. `waiting`: an instant waits for its end already.
    """
    for number in range(count):
        if policy is OverlapPolicy.CANCEL_PREVIOUS and number < count - 1:
            yield FireStatus.SKIPPED  # overtaken before it could begin
        elif policy in (OverlapPolicy.ALLOW, OverlapPolicy.CANCEL_PREVIOUS) or not (occupied or waiting):
            occupied = True
            yield FireStatus.FIRED
        elif policy is OverlapPolicy.QUEUE_ONE and not waiting:
            waiting = True
            yield FireStatus.WAITING
        else:
            yield FireStatus.SKIPPED


def jitter(schedule_id: UUID, instant: datetime, seconds: int) -> timedelta:
    """Return the delay of an instant: from 0 up to `seconds`, to the millisecond, the same whoever asks."""
    if not seconds:
        return timedelta()
    seed = hashlib.blake2b(schedule_id.bytes + str(instant.timestamp()).encode(), digest_size=8).digest()
    return timedelta(milliseconds=int.from_bytes(seed) % (seconds * 1000 + 1))
