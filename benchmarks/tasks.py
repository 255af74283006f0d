"""The tasks that the benchmarks enqueue."""

import os
import struct
import time

from taskflow.engine import task

STAMP = struct.Struct("<qd")
_stamps: list[int] = []


@task
async def noop() -> None:
    """Do nothing."""


@task
async def stamp(number: int) -> None:
    """Write down when this body ran: 16 bytes into the file that BENCH_STAMPS names."""
    now = time.monotonic()
    if not _stamps:
        _stamps.append(os.open(os.environ["BENCH_STAMPS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600))
    os.write(_stamps[0], STAMP.pack(number, now))
