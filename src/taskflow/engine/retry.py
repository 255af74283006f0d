"""Retries: how long to wait before the next attempt, and how a task asks for one."""

import random

DELAYS = (1.0, 2.0, 4.0, 8.0, 16.0)
_JITTER = 0.2


class Retry(Exception):  # noqa: N818 - read as a verb: `raise Retry(after=30)`
    """Raise it inside a task to try again later; the attempt counts."""

    def __init__(self, reason: str = "asked for a retry", *, after: float | None = None) -> None:
        """`after`: seconds until the next attempt; the usual delay when None."""
        super().__init__(reason)
        self.after = after


class NoRetry(Exception):  # noqa: N818 - read as a verb
    """Raise it inside a task to fail for good: no further attempt, straight to the dead letters."""


def delay(retry_count: int) -> float:
    """Return the seconds before attempt `retry_count` + 2: 1, 2, 4, 8, 16, give or take a fifth.

    The jitter spreads tasks that failed together, so that they do not come back together.
    """
    base = DELAYS[min(retry_count, len(DELAYS) - 1)]
    return base * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - spreading load, not guarding a secret
