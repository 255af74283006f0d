"""Runs a command that the kernel kills when its parent dies: `python -m taskflow.embedded.leash PARENT PROGRAM ARG…`.

The signal is set here and survives the exec, so that the supervisor needs no code between fork and exec. Killed, not
asked: the supervisor is gone and its PostgreSQL with it, and every process of ours may be killed at any time anyway.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Arm the signal, look whether the parent is still there, become the program."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606  # the supervisor's own command line


if __name__ == "__main__":
    main()
