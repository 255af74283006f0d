"""CPU time of processes and of all they have started, read from the kernel.

Wall time drifts with whatever else the machine does; CPU time per task hardly does, and adds up over processes.
"""

import contextlib
import os
import time
from collections.abc import Mapping
from pathlib import Path

_TICK = 1 / os.sysconf("SC_CLK_TCK")
_PARENT, _CHILDREN_USER, _CHILDREN_SYSTEM = 1, 13, 14  # fields of /proc/<pid>/stat after the name


class CpuMeter:
    """CPU seconds that named processes (each with its descendants) spend from its making on."""

    def __init__(self, **pids: int) -> None:
        """Begin. A process named beside one of its ancestors is counted under its own name only."""
        self._pids = pids
        self._before = _used(pids)

    @staticmethod
    def since_start(**pids: int) -> dict[str, float]:
        """Return the seconds that each has used since it was started."""
        return _used(pids)

    def seconds(self) -> dict[str, float]:
        """Return what each has used since the making of this meter."""
        now = _used(self._pids)
        return {name: max(0.0, now[name] - self._before[name]) for name in self._pids}

    def per(self, count: int) -> dict[str, float]:
        """Return the microseconds of each, and of all of them (`total`), for each of `count` pieces of work."""
        found = {name: seconds * 1e6 / count for name, seconds in self.seconds().items()}
        return found | {"total": sum(found.values())}


def peak_mb(pid: int) -> float:
    """Return the most memory a process has had in RAM so far, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise LookupError(f"process {pid} tells nothing of its memory")


def children(pid: int) -> list[int]:
    """Return the processes that a process has started and that live."""
    return [child for child, fields in _table().items() if int(fields[_PARENT]) == pid]


def descendants(pid: int) -> list[int]:
    """Return the processes that a process has started, and those that they have."""
    found = children(pid)
    return found + [later for child in found for later in descendants(child)]


def _table() -> dict[int, list[str]]:
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                found[int(entry.name)] = (entry / "stat").read_text().rpartition(")")[2].split()
    return found


def _used(pids: Mapping[str, int]) -> dict[str, float]:
    """Return the CPU seconds of each tree: its living processes, and what they have reaped."""
    table = _table()
    names = {pid: name for name, pid in pids.items()}
    sums = dict.fromkeys(pids, 0.0)
    for pid, fields in table.items():
        owner = pid
        while owner not in names and owner in table:
            owner = int(table[owner][_PARENT])
        if owner in names:
            reaped = (int(fields[_CHILDREN_USER]) + int(fields[_CHILDREN_SYSTEM])) * _TICK
            with contextlib.suppress(OSError):
                sums[names[owner]] += time.clock_gettime(_cpu_clock(pid)) + reaped
    return sums


def _cpu_clock(pid: int) -> int:
    """Return the kernel's clock of a process's CPU time, exact to the nanosecond (MAKE_PROCESS_CPUCLOCK)."""
    return (~pid << 3) | 2
