"""Tasks that the tests run."""

import asyncio
import contextlib
import ctypes
import os
import signal
import time
from pathlib import Path

from taskflow.engine import Batch, NoRetry, Retry, current_task, task, worker_context


@task
async def noop() -> None:
    """Do nothing."""


@task
async def add(left: int, right: int) -> int:
    """Add."""
    return left + right


@task
async def collect(numbers: list[int]) -> int:
    """Add many."""
    return sum(numbers)


@task
def add_in_a_slot(left: int, right: int) -> int:
    """Add in a process of its own."""
    current_task().log("adding", left=left)
    return left + right


@task(max_retries=2)
async def always_fails(word: str) -> None:
    """Fail."""
    current_task().log(f"about to fail over {word}", level="WARNING")
    raise ValueError(word)


@task
async def fails_for_good() -> None:
    """Fail without another try."""
    raise NoRetry("no use")


@task
async def succeeds_at_third() -> int:
    """Fail twice quickly, then return the number of the attempt."""
    attempt = current_task().attempt
    if attempt < 3:
        raise Retry("not yet", after=0.05)
    return attempt


@task(timeout=1, max_retries=0)
async def spins() -> None:
    """Block the event loop for ever."""
    while True:
        pass


@task(timeout=1, max_retries=0)
async def spins_and_catches() -> None:
    """Block the event loop and catch whatever tries to end it."""
    while True:
        try:
            while True:
                pass
        except BaseException:  # noqa: BLE001, S110
            pass


@task(timeout=1, max_retries=0)
async def swallows_cancellation() -> None:
    """Ignore every cancellation."""
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)


@task(timeout=1, max_retries=0)
def spins_in_a_slot() -> None:
    """Block a slot for ever."""
    while True:
        pass


@task(timeout=1, max_retries=0)
def ignores_sigterm() -> None:
    """Block a slot and refuse to be asked."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(60)


@task
async def sleeps(seconds: float) -> str:
    """Sleep, politely."""
    await asyncio.sleep(seconds)
    return "rested"


@task
def sleeps_in_a_slot(seconds: float) -> str:
    """Sleep in a process of its own."""
    time.sleep(seconds)
    return "rested"


@task
def segfaults() -> None:
    """Crash the slot."""
    ctypes.string_at(0)


@task
async def exits_the_process() -> None:
    """Take the whole child down."""
    os._exit(3)


@task
async def needs(path: str) -> str:
    """Fail for good unless a file is there."""
    if not Path(path).exists():  # noqa: ASYNC240
        raise NoRetry(f"{path} is missing")
    return path


@task
async def returns_rubbish() -> object:
    """Return what is no JSON."""
    return object()


@task
async def returns_a_list(count: int) -> list[int]:
    """Return a list."""
    return list(range(count))


@task
async def writes_line(path: str, line: str) -> None:
    """Append a line to a file."""
    with Path(path).open("a", encoding="utf-8") as file:  # noqa: ASYNC230
        file.write(line + "\n")


_company: dict[str, int] = {}


def _joins(who: str) -> None:
    """Note that one more is at it in this process, for everybody who is."""
    _company[who] = 0
    for known, seen in _company.items():
        _company[known] = max(seen, len(_company))


@task
async def counts_company(seconds: float) -> int:
    """Sleep, and return how many were at it at once in this process."""
    _joins(str(current_task().task_id))
    await asyncio.sleep(seconds)
    return _company.pop(str(current_task().task_id))


@task(batch=50)
async def counts_company_in_a_batch(batch: Batch) -> None:
    """Do the same for each task of a batch."""
    for item in batch.items:
        _joins(str(item.task_id))
    await asyncio.sleep(0.1)
    for item in batch.items:
        batch.complete(item, _company.pop(str(item.task_id)))


@task
async def waits_for(path: str) -> int:
    """Wait until a file exists, and return how many were at it at once in this process."""
    _joins(str(current_task().task_id))
    while not Path(path).exists():  # noqa: ASYNC110, ASYNC240 - a test says when, from another process
        await asyncio.sleep(0.05)
    return _company.pop(str(current_task().task_id))


@task
async def waits_for_and_exits(path: str) -> None:
    """Wait until a file exists, then take the whole child down."""
    while not Path(path).exists():  # noqa: ASYNC110, ASYNC240
        await asyncio.sleep(0.05)
    os._exit(3)


@task(batch=50)
async def in_batches(batch: Batch) -> None:
    """Complete even numbers, fail odd ones for good, and hand sevens back once."""
    for item in batch.items:
        number = item.kwargs["number"]
        if number % 7 == 0 and item.lease_epoch == 1:
            batch.release(item)
        elif number % 2:
            batch.fail(item, f"{number} is odd", retry=False)
        else:
            batch.complete(item, {"size": len(batch.items)})


@task
async def checks_word(word: str) -> str:
    """Fail over every word but the right one."""
    if word != "right":
        raise ValueError(f"{word} is not right")
    return word


@task(concurrency=2, concurrency_key=lambda tenant: tenant)
async def serve(tenant: str, seconds: float = 0.0) -> None:
    """Write down when it runs: `served` is a table that the test has made."""
    context = current_task()
    pool = worker_context().database.pool
    await pool.execute(
        "INSERT INTO served VALUES ($1, $2, $3, clock_timestamp())", context.task_id, context.lease_epoch, tenant
    )
    await asyncio.sleep(seconds)
    await pool.execute(
        "UPDATE served SET ended_at = clock_timestamp() WHERE task_id = $1 AND epoch = $2",
        context.task_id,
        context.lease_epoch,
    )


@task(concurrency=1)
async def alone(seconds: float = 0.0) -> None:
    """Run by itself."""
    await asyncio.sleep(seconds)


@task
async def add_by_another(left: int, right: int) -> str:
    """Enqueue an addition and return the id of its task."""
    return str((await add.enqueue(left, right)).task_id)
