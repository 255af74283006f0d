"""What our processes do once at their start."""

import ctypes
import gc
import os
import signal
import sys

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


def calm_collector() -> None:
    """Spare what the imports have left behind from every further garbage collection, and collect less often.

    Messages and leases die by their reference counts; looking for cycles took 4 % of a busy worker's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 20, 20)
