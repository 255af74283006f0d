"""Tasks that use their context, options and dependencies; imported by workers that tests start and by the tests."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated

from taskflow.engine import (
    PROVIDED,
    Batch,
    Depends,
    TaskContext,
    WorkerContext,
    current_task,
    task,
    worker_context,
    worker_lifespan,
)


def note(path: str, line: str) -> None:
    """Append a line to a file that the test reads."""
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(line + "\n")


@task
async def reports(path: str) -> None:
    """Say how far it is, from the loop and from a thread, and wait for the test."""
    context = current_task()
    for step in range(40):
        context.progress(step, "warming up")
    await asyncio.to_thread(context.progress, 40, "rendering")
    while not Path(path).exists():  # noqa: ASYNC110, ASYNC240 - a test says when, from another process
        await asyncio.sleep(0.02)
    context.progress(done=8, total=8, message="rendered")


@task
def reports_from_a_slot() -> int:
    """Say how far it is, too often."""
    context = current_task()
    for step in range(1, 5001):
        context.progress(done=step, total=5000)
    return context.fence


@task(batch=10)
async def reports_in_a_batch(batch: Batch) -> None:
    """Say how far each task of a batch is."""
    for item in batch.items:
        item.context.progress(50, f"number {item.kwargs['number']}")
        item.context.log("halfway")


@task(max_retries=0)
def returns_when_cancelled(path: str) -> str:
    """Look at the flag, and tidy up in good order."""
    note(path, "started")
    while not current_task().cancelled:
        time.sleep(0.01)
    note(path, "tidied up")
    return "stopped by myself"


@task(max_retries=0)
async def tells_its_thread(path: str) -> None:
    """Let a thread run until it sees the flag."""

    def work(context: TaskContext) -> None:
        note(path, "started")
        while not context.cancelled:
            time.sleep(0.01)
        note(path, "thread stopped")

    await asyncio.to_thread(work, current_task())


@task(max_retries=0, heartbeat=0.6)
async def falls_silent(beats: int) -> int:
    """Give signs of life for a while, then none."""
    for _ in range(beats):
        await asyncio.sleep(0.2)
        current_task().heartbeat()
    await asyncio.sleep(60)
    return beats


@task(max_retries=0, heartbeat=0.6)
def beats_in_a_slot(beats: int) -> int:
    """Go on for longer than the heartbeat allows in silence."""
    for _ in range(beats):
        time.sleep(0.2)
        current_task().heartbeat()
    return beats


@task(keep_result=False)
async def keeps_nothing() -> str:
    """Return what nobody wants."""
    return "dropped"


@task(result_ttl=3600)
async def keeps_for_an_hour() -> str:
    """Return what is of use for a while."""
    return "fresh"


@task(max_result_bytes=100)
async def returns_bytes(count: int) -> str:
    """Return so many characters."""
    return "x" * count


@task(max_result_bytes=100)
def returns_bytes_from_a_slot(count: int) -> str:
    """Return so many characters."""
    return "x" * count


@task(tags=["nightly", "billing"], expires_in=3600)
async def tagged() -> None:
    """Do nothing."""


@task(unique_key=lambda account: f"account {account}")
async def sync_account(account: int, force: bool = False) -> None:
    """Do nothing."""


@task(version=3)
async def renamed(full_name: str, greeting: str = "Hello") -> str:
    """Take arguments that had other names once."""
    return f"{greeting} {full_name}"


@renamed.upgrade(1)
def join_the_names(arguments: dict[str, str]) -> dict[str, str]:
    """Version 2 had one name instead of two."""
    return {"name": f"{arguments['first']} {arguments['last']}"}


@renamed.upgrade(2)
def call_it_full_name(arguments: dict[str, str]) -> dict[str, str]:
    """Version 3 calls it what it is."""
    return {"full_name": arguments["name"]}


@task(version=2)
async def never_upgraded(word: str) -> str:
    """Have no way from version 1."""
    return word


# ── dependencies and lifespan ───────────────────────────────────────────────────────────────────────

_JOURNAL = os.environ.get("OPTION_TASKS_JOURNAL", os.devnull)


async def open_pool(context: WorkerContext) -> AsyncIterator[dict[str, str]]:
    """Open something that all tasks of a child share."""
    note(_JOURNAL, f"pool opened {os.getpid()}")
    yield {"worker": str(context.worker_id)}
    note(_JOURNAL, f"pool closed {os.getpid()}")


async def open_session(
    context: TaskContext, pool: Annotated[dict[str, str], Depends(open_pool, "process")]
) -> AsyncIterator[list[str]]:
    """Open something for one task, and see how it ends."""
    try:
        yield [context.task_name, pool["worker"]]
    except ValueError:
        note(_JOURNAL, "session rolled back")
        raise
    note(_JOURNAL, "session committed")


@task(max_retries=0)
async def uses_a_session(fails: bool, session: Annotated[list[str], Depends(open_session)] = PROVIDED) -> list[str]:
    """Use what it is given."""
    assert session[1] == str(worker_context().worker_id)
    if fails:
        raise ValueError("no")
    return session


def open_file() -> Iterator[str]:
    """Open something that all tasks of a slot share."""
    note(_JOURNAL, f"file opened {os.getpid()}")
    yield f"file of {os.getpid()}"
    note(_JOURNAL, f"file closed {os.getpid()}")


@task
def uses_a_file(file: Annotated[str, Depends(open_file, "process")] = PROVIDED) -> bool:
    """Use what its slot has opened."""
    return file == f"file of {os.getpid()}"


@task(batch=10)
async def batch_with_a_pool(
    batch: Batch, pool: Annotated[dict[str, str], Depends(open_pool, "process")] = PROVIDED
) -> None:
    """Give each task of a batch what the batch was given."""
    for item in batch.items:
        batch.complete(item, sorted(pool))


@worker_lifespan
async def around_a_child(context: WorkerContext) -> AsyncIterator[None]:
    """See a child come and go, or refuse to begin the first time."""
    spoiled = os.environ.get("OPTION_TASKS_CHILD_FAILS_ONCE")
    if spoiled and Path(spoiled).exists():  # noqa: ASYNC240
        Path(spoiled).unlink()  # noqa: ASYNC240
        raise OSError("no model yet")
    note(_JOURNAL, f"child begins {os.getpid()}")
    yield
    note(_JOURNAL, f"child ends {os.getpid()}")


@worker_lifespan
def around_a_slot() -> Iterator[None]:
    """See a slot come and go, or refuse to begin."""
    if os.environ.get("OPTION_TASKS_SLOT_FAILS"):
        raise OSError("no scratch space")
    note(_JOURNAL, f"slot begins {os.getpid()}")
    yield
    note(_JOURNAL, f"slot ends {os.getpid()}")
