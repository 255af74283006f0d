"""The board: memory that a child shares with its parent, so that the parent knows what ran when the child dies.

A claimed task is RUNNING in PostgreSQL before its function starts. The child therefore marks real starts here; after
its crash only what is marked counts a crash, and the rest of its claims goes back free.

Layout: a header of eight-byte fields, then entries of (state, epoch, task id, deadline), then lines of (task name, ends
by counter, seconds), then series of (name, value) of task libraries (`engine.metering`). The child writes, the parent
reads; each field is written whole, so there is nothing to lock.
"""

import mmap
import os
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple
from uuid import UUID

_ENTRY = struct.Struct("<ii16sd")
_COUNT = struct.Struct("<Q")
_TIME = struct.Struct("<d")
_DEADLINE_OFFSET = _ENTRY.size - _TIME.size
_HEADER_BYTES = 128
ENTRIES = 2048
_LINE = struct.Struct("<64s8Qd")
_LINES_AT = _HEADER_BYTES + ENTRIES * _ENTRY.size
NAMES = 100  # task names that are counted apart; the last line is everybody else's
OTHER = "other"
_SERIES = struct.Struct("<120sd")
_SERIES_AT = _LINES_AT + NAMES * _LINE.size
SERIES = 1024  # of task libraries; later ones are not counted
SIZE = _SERIES_AT + SERIES * _SERIES.size


class Counter(IntEnum):
    """What a child counts; the number is the field in the header."""

    COMPLETED = 1
    FAILED = 2
    RETRIED = 3
    TIMED_OUT = 4
    CANCELLED = 5
    CRASHED = 6
    RELEASED = 7
    STALE = 8
    RUNNING = 9
    HELD = 10


GAUGES = frozenset({Counter.RUNNING, Counter.HELD})


ENDS = tuple(counter for counter in Counter if counter not in GAUGES)


class TaskLine(NamedTuple):
    """What attempts of a task name came to, in the order of `ENDS`, and how many seconds they ran."""

    task_name: str
    ends: tuple[int, ...]
    seconds: float


class Started(NamedTuple):
    """A task whose function has started and not ended. `deadline` is on the monotonic clock."""

    task_id: UUID
    lease_epoch: int
    deadline: float


def make_board() -> int:
    """Return the descriptor of a new board, to be inherited by a child."""
    if sys.platform == "linux":
        descriptor = os.memfd_create("taskflow-board", 0)
    else:
        descriptor, path = tempfile.mkstemp(prefix="taskflow-board-")
        os.unlink(path)  # noqa: PTH108 - the descriptor is all there is to it
    os.ftruncate(descriptor, SIZE)
    return descriptor


class Board:
    """Either side's view of a board."""

    def __init__(self, descriptor: int) -> None:
        """Map the board behind `descriptor`."""
        self._memory = mmap.mmap(descriptor, SIZE)
        self._free = list(range(ENTRIES - 1, -1, -1))
        self._lines: dict[str, int] = {}
        self._series: dict[str, int] = {}

    def close(self) -> None:
        """Unmap it."""
        self._memory.close()

    def tick(self) -> None:
        """Say that the event loop turns."""
        _TIME.pack_into(self._memory, 0, time.monotonic())

    @property
    def last_tick(self) -> float:
        """When (monotonic seconds) the event loop last turned; 0 before it first did."""
        return float(_TIME.unpack_from(self._memory, 0)[0])

    def start(self, task_id: UUID, lease_epoch: int, deadline: float) -> int:
        """Mark a real start; return the entry to give to `end`."""
        entry = self._free.pop()
        _ENTRY.pack_into(self._memory, _HEADER_BYTES + entry * _ENTRY.size, 1, lease_epoch, task_id.bytes, deadline)
        return entry

    def extend(self, entry: int, deadline: float) -> None:
        """Move a deadline: the function has shown a sign of life."""
        _TIME.pack_into(self._memory, _HEADER_BYTES + entry * _ENTRY.size + _DEADLINE_OFFSET, deadline)

    def end(self, entry: int) -> None:
        """Unmark it: the function has returned or raised."""
        struct.pack_into("<i", self._memory, _HEADER_BYTES + entry * _ENTRY.size, 0)
        self._free.append(entry)

    def started(self) -> Iterator[Started]:
        """Yield what is marked."""
        for entry in range(ENTRIES):
            state, epoch, raw, deadline = _ENTRY.unpack_from(self._memory, _HEADER_BYTES + entry * _ENTRY.size)
            if state:
                yield Started(UUID(bytes=raw), epoch, deadline)

    def count(self, counter: Counter, by: int = 1) -> None:
        """Add to a counter."""
        self.set(counter, self.read(counter) + by)

    def set(self, counter: Counter, value: int) -> None:
        """Set a gauge."""
        _COUNT.pack_into(self._memory, counter * _COUNT.size, value)

    def read(self, counter: Counter) -> int:
        """Read a counter or gauge."""
        return int(_COUNT.unpack_from(self._memory, counter * _COUNT.size)[0])

    def tally(self, task_name: str, counter: Counter, by: int) -> None:
        """Add ends of a task name."""
        at = self._line(task_name) + 64 + ENDS.index(counter) * _COUNT.size
        _COUNT.pack_into(self._memory, at, _COUNT.unpack_from(self._memory, at)[0] + by)

    def tally_seconds(self, task_name: str, seconds: float) -> None:
        """Add seconds that tasks of a name ran."""
        at = self._line(task_name) + _LINE.size - _TIME.size
        _TIME.pack_into(self._memory, at, _TIME.unpack_from(self._memory, at)[0] + seconds)

    def lines(self) -> Iterator[TaskLine]:
        """Yield what is counted by task name."""
        for number in range(NAMES):
            name, *ends, seconds = _LINE.unpack_from(self._memory, _LINES_AT + number * _LINE.size)
            if name[0]:
                yield TaskLine(name.rstrip(b"\0").decode("utf-8", "ignore"), tuple(ends), seconds)

    def add(self, series: str, by: float) -> None:
        """Add to a series of a task library; of its name 120 bytes are kept."""
        number = self._series.get(series)
        if number is None:
            number = len(self._series)
            if number == SERIES:
                return
            self._series[series] = number
        at = _SERIES_AT + number * _SERIES.size
        _, value = _SERIES.unpack_from(self._memory, at)
        _SERIES.pack_into(self._memory, at, series.encode()[:120], value + by)

    def series(self) -> Iterator[tuple[str, float]]:
        """Yield the series of task libraries and their values."""
        for number in range(SERIES):
            name, value = _SERIES.unpack_from(self._memory, _SERIES_AT + number * _SERIES.size)
            if not name[0]:
                return
            yield name.rstrip(b"\0").decode("utf-8", "ignore"), value

    def _line(self, task_name: str) -> int:
        """Return where the line of a name begins; a name that comes too late shares the last one."""
        number = self._lines.get(task_name)
        if number is None:
            number = min(len(self._lines), NAMES - 1)
            written = OTHER if number == NAMES - 1 else task_name
            struct.pack_into("<64s", self._memory, _LINES_AT + number * _LINE.size, written.encode()[:64])
            if number < NAMES - 1:
                self._lines[task_name] = number
        return _LINES_AT + number * _LINE.size
