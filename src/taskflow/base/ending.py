"""Ends tasks that would go on for ever."""

import asyncio
from collections.abc import Iterable
from typing import Any

_ASK_AGAIN_SECONDS = 0.5


async def end_tasks(tasks: Iterable["asyncio.Task[Any]"], *, seconds: float | None = None) -> set["asyncio.Task[Any]"]:
    """Cancel tasks and wait until they have ended, `seconds` at most; return those that have not.

    They are asked again and again: before Python 3.12, `asyncio.wait_for`, through which redis-py sends every command,
    swallows a cancellation that comes in the moment in which it has its result.
    """
    pending = set(tasks)
    loop = asyncio.get_running_loop()
    deadline = None if seconds is None else loop.time() + seconds
    while pending and (deadline is None or loop.time() < deadline):
        for task in pending:
            task.cancel()
        left = _ASK_AGAIN_SECONDS if deadline is None else min(_ASK_AGAIN_SECONDS, max(0.0, deadline - loop.time()))
        ended, pending = await asyncio.wait(pending, timeout=left)
        for task in ended:
            if not task.cancelled():
                task.exception()  # whoever cares has looked, or will
    return pending
