"""What PostgreSQL keeps of the use of providers, so that a flush of Redis forgets no budget.

Redis decides (`budgets.lua`), and what it has given out is added to `provider_usage` by minute, behind the senders:
one statement at a time, everything that came up meanwhile in the next. Nothing more is reserved while `UNWRITTEN`
messages or more are not written yet. Providers that have only a budget by the second, or none, have nothing to lose:
their use is written about once a second, and nobody waits for it.

That is the slack. After a flush, or a restart with an old snapshot, a budget may be exceeded by `UNWRITTEN` messages
and one window for each sender, for each process that was sending. Without one it is never exceeded: what a process had
reserved when it died stays counted.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from taskflow.base.logging import get_logger
from taskflow.db.columns import columns_of
from taskflow.db.outages import TRANSIENT
from taskflow.db.pool import Pool
from taskflow.db.queries import load
from taskflow.delivery.router.models import Change

log = get_logger(__name__)
sql = load(__file__)

UNWRITTEN = 100
_MINUTE = 60_000  # ms
_LONGEST_REASON = 500
_TIDY_SECONDS = 3600.0
_IDLE_SECONDS = 1.0


class UsageLog:
    """The writer of one process."""

    def __init__(self, pool: Pool, slot: int) -> None:
        """`slot`: the rows of this process; each has its own, so that none waits for another's."""
        self._pool = pool
        self._slot = slot
        self._use: Counter[tuple[str, int]] = Counter()
        self._first: set[str] = set()
        self._changes: list[Change] = []
        self._unwritten = 0
        self._writer: asyncio.Task[None] | None = None
        self._later: asyncio.TimerHandle | None = None
        self._closing = False
        self._written = asyncio.Event()
        self._tidied = 0.0

    def add(self, provider: str, at: int, messages: int, *, is_urgent: bool) -> None:
        """Note messages given to a provider `at` ms; below 0 for what is given back. `is_urgent`: a budget needs it."""
        self._use[provider, at // _MINUTE] += messages
        if is_urgent:
            self._unwritten += abs(messages)
            self._wake()
        else:
            self._wake_later()

    def note(self, first: Iterable[str], changes: Iterable[Change]) -> None:
        """Note providers that were used for the first time, and breakers that changed."""
        before = len(self._first) + len(self._changes)
        self._first.update(first)
        self._changes.extend(changes)
        if len(self._first) + len(self._changes) > before:
            self._wake()

    async def has_room(self, seconds: float) -> bool:
        """Wait until little is unwritten; False when it takes longer than that."""
        ends = time.monotonic() + seconds
        while self._unwritten >= UNWRITTEN:
            self._written.clear()
            try:
                async with asyncio.timeout(ends - time.monotonic()):
                    await self._written.wait()
            except TimeoutError:
                return False
        return True

    async def close(self) -> None:
        """Write what is left, unless PostgreSQL does not answer."""
        self._closing = True
        if self._later is not None:
            self._wake()
        if self._writer is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await self._writer

    def _wake(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all())

    def _wake_later(self) -> None:
        if self._later is None:
            self._later = asyncio.get_running_loop().call_later(_IDLE_SECONDS, self._wake)

    async def _write_all(self) -> None:
        wait = 0.05
        while self._use or self._first or self._changes:
            use, first, changes = self._use, self._first, self._changes
            self._use, self._first, self._changes = Counter(), set(), []
            size = self._unwritten
            try:
                await self._write(use, first, changes)
            except TRANSIENT as error:
                log.warning("usage_waits", error=str(error) or type(error).__name__, wait=wait)
                # What is given back is not repeated: twice, it would make room that is not there.
                self._use.update({key: messages for key, messages in use.items() if messages > 0})
                self._first |= first
                self._changes[:0] = changes
                await asyncio.sleep(wait)
                wait = min(2.0, wait * 2)
                continue
            except Exception:
                log.exception("usage_lost", messages=size)  # sending goes on; a flush would forget these
            wait = 0.05
            self._unwritten -= size
            self._written.set()
            if self._use and not (self._unwritten or self._first or self._changes or self._closing):
                self._wake_later()
                break

    async def _write(self, use: Counter[tuple[str, int]], first: set[str], changes: Sequence[Change]) -> None:
        """Write it in one transaction; repeated after a lost reply, it counts use twice: the safe side."""
        rows = sorted((provider, minute, messages) for (provider, minute), messages in use.items() if messages)
        async with self._pool.acquire() as connection, connection.transaction():
            if first:
                await connection.execute(sql.note_first_use, sorted(first))
            if rows:
                await connection.execute(
                    sql.add_usage, self._slot, *columns_of(rows, ("provider", "minute", "messages"))
                )
            if changes:
                told = [(change.provider, change.state, change.reason[:_LONGEST_REASON]) for change in changes]
                await connection.execute(sql.note_changes, *columns_of(told, ("provider", "state", "reason")))
            if time.monotonic() - self._tidied > _TIDY_SECONDS:
                await connection.execute(sql.forget_usage)
                await connection.execute(sql.forget_changes)
                self._tidied = time.monotonic()


async def known(pool: Pool) -> list[dict[str, Any]]:
    """Return what PostgreSQL knows of providers, as `restore.lua` reads it."""
    async with pool.acquire() as connection:
        rows = await connection.fetch(sql.known)
        used = await connection.fetch(sql.recent_usage)
    return [
        {
            "name": row["provider"],
            "forced": row["override"] or "",
            "state": row["state"] or "closed",
            "first": -1 if row["first_day"] is None else row["first_day"],
            "hours": [(use["hour"], use["messages"]) for use in used if use["provider"] == row["provider"]],
            "recent": sum(use["recent"] for use in used if use["provider"] == row["provider"]),
        }
        for row in rows
    ]
