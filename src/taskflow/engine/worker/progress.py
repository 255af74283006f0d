"""Progress between a task that reports it and the row that keeps it: only the newest counts, once in a while.

A task may say how far it is a million times. What it said last is written about once a second, and once more right
before its end.
"""

from collections.abc import Collection
from uuid import UUID

from taskflow.engine.store import ProgressLine

_EVERY = 1.0


class ProgressBuffer:
    """The newest word of each running attempt that has not been written."""

    def __init__(self, every: float = _EVERY) -> None:
        """Let a task's progress be written every so many seconds."""
        self._every = every
        self._lines: dict[UUID, ProgressLine] = {}
        self._next: dict[UUID, float] = {}  # when a task may be written again

    def put(self, line: ProgressLine) -> None:
        """Take a task's newest progress."""
        self._lines[line.task_id] = line

    def take(self, now: float, ending: Collection[UUID] = ()) -> list[ProgressLine]:
        """Return what is to be written now: what is due, and of the tasks that are `ending` all there is."""
        if not self._lines and not self._next:
            return []
        due = [task_id for task_id in self._lines if task_id in ending or now >= self._next.get(task_id, now)]
        lines = [self._lines.pop(task_id) for task_id in due]
        self._next = {task_id: at for task_id, at in self._next.items() if at > now}
        self._next.update(dict.fromkeys(due, now + self._every))
        for task_id in ending:
            self._next.pop(task_id, None)
        return lines

    def wait(self, now: float) -> float | None:
        """Return in how many seconds something is due; None when nothing waits."""
        return min((max(0.0, self._next.get(task_id, now) - now) for task_id in self._lines), default=None)
