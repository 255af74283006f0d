"""How many task slots a queue wants: those that run, and enough beside them to work off what waits in time.

    slots = running + ready · seconds of one · lateness / target

`lateness` is the age of the oldest waiting task in units of the target, from 1 to 4: a backlog that has already waited
too long counts more, also where the seconds of one task are known badly. In steady state this is the offered load
(tasks a second times seconds of one), under a backlog it grows until the backlog is gone. An empty queue wants 0, so
that its workers can go; more slots than tasks are never wanted.
"""

import math
from dataclasses import dataclass

_MOST_LATE = 4.0


@dataclass(frozen=True, slots=True)
class QueueLoad:
    """What is known of a queue.

    Attributes:
        ready: tasks that may start now.
        running: tasks that run.
        oldest_seconds: how long the oldest ready one has waited; None when none is ready.
        task_seconds: how long one takes.
    """

    queue: str
    ready: int
    running: int
    oldest_seconds: float | None
    task_seconds: float


def desired_slots(load: QueueLoad, target_seconds: float) -> float:
    """Return how many tasks should run at a time, so that what waits is worked off within `target_seconds`."""
    if not load.ready:
        return float(load.running)
    lateness = min(max((load.oldest_seconds or 0.0) / target_seconds, 1.0), _MOST_LATE)
    backlog = load.ready * load.task_seconds * lateness / target_seconds
    return max(1.0, min(load.running + backlog, float(load.running + load.ready)))


def workers_for(slots: float, slots_per_worker: int) -> int:
    """Return how many workers have so many slots."""
    return math.ceil(slots / slots_per_worker)
