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

    __slots__ = ("deadline", "leases", "open", "reason", "started", "stop", "task")

    def __init__(self, leases: Sequence[Lease], seconds: float) -> None:
        """`seconds`: its time limit."""
        self.leases = leases
        self.started = monotonic()
        self.deadline = self.started + seconds
        self.open: dict[UUID, int] = {}  # what has not been reported, and its entry on the board
        self.reason: Reason | None = None
        self.stop: asyncio.Event | None = None  # set to stop a slot
        self.task: asyncio.Task[None] | None = None
