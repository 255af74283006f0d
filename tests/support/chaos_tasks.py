"""Tasks whose bodies keep a ledger outside the product: which attempt began, and which returned."""

import asyncio
import os
import random
import time
from pathlib import Path

from support.chaos_ledger import Ledger
from taskflow.engine import NoRetry, Retry, current_task, task

BODIES = "CHAOS_BODIES"
_ledgers: dict[int, Ledger] = {}


def _note(event: str, label: str) -> None:
    pid = os.getpid()  # a forked slot opens its own
    if pid not in _ledgers:
        _ledgers[pid] = Ledger(Path(os.environ[BODIES]))
    attempt = current_task()
    _ledgers[pid].write(event=event, label=label, task_id=str(attempt.task_id), epoch=attempt.lease_epoch, pid=pid)


async def _work(label: str, seconds: float) -> None:
    _note("start", label)
    await asyncio.sleep(seconds)
    _note("end", label)


@task(name="chaos_quick", queue="chaos")
async def quick(label: str) -> None:
    """Return nothing: the commonest completion."""
    await _work(label, random.uniform(0.0, 0.02))  # noqa: S311


@task(name="chaos_tells", queue="chaos")
async def tells(label: str) -> dict[str, int]:
    """Return the epoch of the attempt, which the kept result must agree with."""
    await _work(label, random.uniform(0.0, 0.02))  # noqa: S311
    return {"epoch": current_task().lease_epoch}


@task(name="chaos_flaky", queue="chaos")
async def flaky(label: str) -> None:
    """Fail the first attempt."""
    if current_task().attempt == 1:
        _note("start", label)
        raise Retry("not yet", after=0.1)
    await _work(label, 0.0)


@task(name="chaos_doomed", queue="chaos")
async def doomed(label: str) -> None:
    """Fail for good."""
    _note("start", label)
    raise NoRetry("as it was told")


@task(name="chaos_slot", queue="chaos")
def slot(label: str) -> dict[str, int]:
    """Do the same in a process of its own."""
    _note("start", label)
    time.sleep(random.uniform(0.0, 0.02))  # noqa: S311
    _note("end", label)
    return {"epoch": current_task().lease_epoch}


@task(name="chaos_holds", queue="chaos")
async def holds(label: str, seconds: float) -> None:
    """Take so long that it can be stopped in the middle."""
    await _work(label, seconds)
