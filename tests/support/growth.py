"""Proving that a cost grows no faster than its input, in processor time: a crowded machine changes nothing."""

import inspect
import math
import time
from collections.abc import Awaitable, Callable

_TIMES = 4
_FACTOR = 10.0
"""Four times the input costs 4 times as much when the cost is linear, 16 times when it is quadratic."""
_NOISE_SECONDS = 0.02
_ROUNDS = 4

Work = Callable[[int], Awaitable[object] | object]


async def grows_linearly(work: Work, size: int) -> None:
    """Do `work` of `size` and of a quarter of it, and fail when the whole costs what quadratic work would.

    The cost is this process's processor time, the least of a few rounds; one round is enough when it is fair. Choose a
    `size` that takes a second when the cost is quadratic.
    """
    small = large = math.inf
    for _ in range(_ROUNDS):
        small = min(small, await _processor_seconds(work, size // _TIMES))
        large = min(large, await _processor_seconds(work, size))
        if large <= _FACTOR * small + _NOISE_SECONDS:
            return
    raise AssertionError(f"{_TIMES} times the input costs {large / small:.1f} times as much as {small:.3f} s")


async def _processor_seconds(work: Work, size: int) -> float:
    started = time.process_time()
    done = work(size)
    if inspect.isawaitable(done):
        await done
    return time.process_time() - started
