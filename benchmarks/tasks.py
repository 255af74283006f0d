"""The tasks that the benchmarks enqueue."""

import asyncio
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
    _write(number)


@task
async def free(tenant: int, number: int) -> None:
    """Do nothing, without a limit."""


@task(concurrency=1_000_000, concurrency_key=lambda tenant: tenant)
async def counted(tenant: int, number: int) -> None:
    """Do nothing, under a limit that is never reached."""


@task(concurrency=2, concurrency_key=lambda tenant: tenant)
async def limited(tenant: int, number: int) -> None:
    """Do nothing, two of a tenant at a time."""


@task(concurrency=2, concurrency_key=lambda tenant: tenant)
async def witnessed(tenant: int, number: int) -> None:  # noqa: ARG001 - the key's
    """Write down when it begins (an even number) and ends (an odd one)."""
    _write(2 * number)
    await asyncio.sleep(0.005)
    _write(2 * number + 1)


def _write(number: int) -> None:
    now = time.monotonic()
    if not _stamps:
        _stamps.append(os.open(os.environ["BENCH_STAMPS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600))
    os.write(_stamps[0], STAMP.pack(number, now))
