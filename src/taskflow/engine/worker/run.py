"""One call under way, and why it may be stopped."""

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import Literal
from uuid import UUID

from taskflow.engine.store import Lease

Reason = Literal["timeout", "cancel", "drain"]


class TimeLimitReached(BaseException):
    """The task's time is up, and it did not let the event loop turn."""


class Run:
    """One call under way: a single task, or the batch that shares it."""

    __slots__ = ("deadline", "heartbeat", "leases", "limit", "open", "reason", "started", "stop", "task", "unwanted")

    def __init__(self, leases: Sequence[Lease], seconds: float, heartbeat: float | None = None) -> None:
        """`seconds`: its time limit; `heartbeat`: how long it may go without a sign of life."""
        self.leases = leases
        self.started = monotonic()
        self.limit = self.started + seconds
        self.heartbeat = heartbeat
        self.deadline = self.limit
        self.open: dict[UUID, int] = {}  # what has not been reported, and its entry on the board
        self.unwanted: set[UUID] = set()  # tasks of a batch that somebody wants cancelled
        self.reason: Reason | None = None
        self.stop: asyncio.Event | None = None  # set to stop a slot
        self.task: asyncio.Task[None] | None = None

    def beat(self) -> None:
        """Take a sign of life; the function's start is the first."""
        if self.heartbeat is not None:
            self.deadline = min(self.limit, monotonic() + self.heartbeat)
