"""What attempts came to, by task name: counted when their ends are committed.

Names are the label of a metric, so there are at most `NAMES` of them a process; what comes later is `other`.
"""

from collections import Counter as Sums
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self
from uuid import UUID

from taskflow.engine.states import TaskStatus
from taskflow.engine.store import Outcome
from taskflow.engine.worker.board import ENDS, Board, Counter

_COUNTERS = {
    TaskStatus.COMPLETED: Counter.COMPLETED,
    TaskStatus.FAILED: Counter.FAILED,
    TaskStatus.SCHEDULED: Counter.RETRIED,
    TaskStatus.TIMEOUT: Counter.TIMED_OUT,
    TaskStatus.CANCELLED: Counter.CANCELLED,
    TaskStatus.PENDING: Counter.RELEASED,
}


@dataclass(slots=True)
class Tally:
    """Ends by task name, the seconds that tasks of a name ran, and the series of task libraries."""

    ends: Sums[tuple[str, Counter]] = field(default_factory=Sums)
    seconds: Sums[str] = field(default_factory=Sums)  # of floats
    series: Sums[str] = field(default_factory=Sums)  # of floats

    @classmethod
    def of(cls, outcomes: Iterable[Outcome], stale: set[UUID]) -> Self:
        """Count a flush; `stale` are the tasks whose lease was gone."""
        tally = cls()
        for outcome in outcomes:
            lease = outcome.lease
            if lease.task_id in stale:
                end = Counter.STALE
            elif outcome.crashes:
                end = Counter.CRASHED
            else:
                end = _COUNTERS[outcome.status]
            tally.ends[lease.task_name, end] += 1
            if outcome.seconds:
                tally.seconds[lease.task_name] += outcome.seconds  # type: ignore[assignment]  # a Counter adds floats too
        return tally

    def update(self, other: "Tally") -> None:
        """Add another one."""
        self.ends.update(other.ends)
        self.seconds.update(other.seconds)
        self.series.update(other.series)


def tally_of(board: Board) -> Tally:
    """Read what a child has counted."""
    tally = Tally()
    for line in board.lines():
        for counter, count in zip(ENDS, line.ends, strict=True):
            if count:
                tally.ends[line.task_name, counter] += count
        tally.seconds[line.task_name] += line.seconds  # type: ignore[assignment]
    for series, value in board.series():
        tally.series[series] += value  # type: ignore[assignment]
    return tally
