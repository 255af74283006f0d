"""What our processes do once at their start."""

import contextlib
import ctypes
import gc
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def die_with_parent(number: signal.Signals = signal.SIGKILL) -> None:
    """Ask the kernel to send this process a signal when the thread that started it ends (Linux; elsewhere a no-op).

    Call it at once after the start, from a process whose parent started it from its main thread. A parent that has
    died in between is noticed by its absence.
    """
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(number))
    if os.getppid() != parent or parent == 1:
        os.kill(os.getpid(), number)


def stand_back(niceness: int) -> None:
    """Let the machine's other processes go first, before this one and all that it starts; 19 is as far as it goes.

    On Linux it is also scheduled as a batch: its waking up interrupts nobody. Where the kernel groups processes by
    their session (sched(7), autogroup), niceness counts inside a session only; one that this process leads stands back
    as a whole.
    """
    os.nice(niceness)
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError):  # a sandbox may forbid it: then it is only nice
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):  # a kernel without autogroups
            Path("/proc/self/autogroup").write_text(str(os.getpriority(os.PRIO_PROCESS, 0)), encoding="ascii")


def calm_collector() -> None:
    """Spare what the imports have left behind from every further garbage collection, and collect less often.

    Messages and leases die by their reference counts; looking for cycles took 4 % of a busy worker's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 20, 20)
