"""Processes that must not outlive their parent."""

import ctypes
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
