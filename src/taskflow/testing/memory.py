"""Where the servers of a test session keep their files: in memory where there is room.

A migrated database is some 800 files. On a disk a copy of them takes a quarter of a second, in memory a fortieth.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder with a random name is made in it
_PREFIX = "taskflow-tests-"
_ROOM = 4 * 1024**3  # bytes: far more than the tests of a process write


@contextmanager
def server_folder(on_disk: Callable[[], Path], memory: Path = _MEMORY, *, room: int = _ROOM) -> Iterator[Path]:
    """Make a folder in `memory` and remove it afterwards; without `room` for it there, use `on_disk` instead.

    A container may have 64 MB of it or none. What sessions left there that were killed is removed first.
    """
    if not _has(memory, room):
        yield on_disk()
        return
    _sweep(memory)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=memory))
    folder.chmod(0o755)  # the servers of root run as somebody else
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _has(memory: Path, room: int) -> bool:
    """Tell whether a folder can be made there, and how large it may become."""
    try:
        return os.access(memory, os.W_OK | os.X_OK) and shutil.disk_usage(memory).free >= room
    except OSError:
        return False


def _sweep(memory: Path) -> None:
    """Remove the folders of processes that are no more."""
    for left in memory.glob(f"{_PREFIX}*-*"):
        pid = left.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdigit() and not Path("/proc", pid).exists():
            shutil.rmtree(left, ignore_errors=True)
