"""Waiting for something to become true, with a deadline instead of a sleep."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(
    probe: Callable[[], T | Awaitable[T]], *, seconds: float = 10.0, every: float = 0.02, what: str = ""
) -> T:
    """Call `probe` until it returns something true, and return that; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = probe()
        found: T = await value if inspect.isawaitable(value) else value
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what or probe!r}; last value: {found!r}")
        await asyncio.sleep(every)


def eventually_sync(probe: Callable[[], T], *, seconds: float = 10.0, every: float = 0.02, what: str = "") -> T:
    """Do the same where there is no event loop."""
    deadline = time.monotonic() + seconds
    while not (found := probe()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what or probe!r}; last value: {found!r}")
        time.sleep(every)
    return found
