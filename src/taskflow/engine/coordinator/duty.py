"""The frame of a duty: one thing the coordinator does again and again while it leads.

A duty is a small class with a `name`, an `interval` and `run_once`. It may keep cursors in memory but nothing that
matters: the next leader starts without them. `run_once` is safe to run twice, also by two processes at once. Writes
to PostgreSQL happen inside `context.leading()`; `context.check()` comes before writes to Redis.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol

from taskflow.broker.limits import Limit
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Connection, Database
from taskflow.engine.coordinator.election import Lease
from taskflow.settings import CoordinatorSettings, Settings


class DispatchRule(NamedTuple):
    """What PostgreSQL says of a queue, a dispatch key, or a part of any queue (`*/task:resize`)."""

    dispatch_key: str
    paused: bool = False
    limit: Limit = Limit()


RuleSource = Callable[[Database], Awaitable[Sequence[DispatchRule]]]
"""Whoever pauses and limits (queues, campaigns) registers one; the relay restores what Redis has lost."""


@dataclass(frozen=True, slots=True)
class DutyContext:
    """What a duty works with during one term."""

    database: Database
    broker: RedisBroker
    settings: Settings
    lease: Lease
    rule_sources: Sequence[RuleSource] = ()

    def leading(self, *, hot: bool = False) -> AbstractAsyncContextManager[Connection]:
        """Open a transaction that commits only while this process leads; `hot`: with pinned plans.

        Keep what such a transaction returns small (a thousand rows): a stopped leader's session is ended while it
        idles, not while the server still waits to hand it a large answer.

        Raises:
            LeadershipLostError: it no longer leads.
        """
        return self.lease.leading(self.database.hot if hot else self.database.pool)

    def check(self) -> None:
        """Raise unless this process still leads, as far as its own clock can tell.

        Raises:
            LeadershipLostError: it no longer leads.
        """
        self.lease.check()


class Duty(Protocol):
    """One thing the coordinator does."""

    name: ClassVar[str]

    def interval(self, settings: CoordinatorSettings) -> float:
        """Return the seconds between two runs that find nothing to do."""
        ...

    async def run_once(self, context: DutyContext) -> int:
        """Do what there is to do, up to a bound; return how many things. More than 0 asks to be run again at once."""
        ...
