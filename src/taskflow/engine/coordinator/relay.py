"""Relay: Redis holds what PostgreSQL says is PENDING. The heart of law 1.

Enqueueing commits a row and then pushes its id. Everything that can go wrong after the commit ends here:

- **Redis forgot** (a flush, a restart, a failover, an old snapshot): the dispatch is closed, emptied, and built anew:
  rules of the keys, a window of each key's backlog, then the generation that lets workers claim again. The same when it
  was PostgreSQL that forgot (a backup was restored, a standby promoted that had not seen the last rebuild).
- **The backlog is longer than a window**: keys in overflow are refilled behind their window's last id.
- **A push was lost** (a crash between commit and push): a sweep walks the backlog a bounded piece at a time and pushes
  what Redis does not know. A small backlog is covered whole every second.
- **An id was handed out and forgotten** (a crash between pop and claim): once its lease has run out, PostgreSQL says
  whether it goes back in line, still runs, or has ended and only needs its event. What a dead worker held runs, and
  counts for its limits, until the rescuer has put it back.

A rebuild counts what runs before it hands out anything, so that no limit is exceeded over a flush. It names the new
life in PostgreSQL first: a worker that still holds suggestions of the old one cannot claim limited tasks with them any
more, so what runs at that moment is all that runs (`engine/queries.sql:claim_limited`).

There is no watermark by creation time: a long transaction commits behind it. And pushing too much is harmless: a ghost
fails the claim's compare-and-set and is dropped.
"""

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import ClassVar
from uuid import UUID

from taskflow.base.ids import uuid7
from taskflow.base.logging import get_logger
from taskflow.broker.redis.dispatch import Entry, Place, Settled
from taskflow.engine.coordinator import backlog
from taskflow.engine.coordinator.backlog import START, sql
from taskflow.engine.coordinator.duty import DutyContext
from taskflow.engine.coordinator.rules import RuleMender, apply_rules, read_rules
from taskflow.settings import CoordinatorSettings

log = get_logger(__name__)

SWEEP_SECONDS = 1.0
SWEEP_ROWS = 5000
_SWEEP_PAGE = 1000
_FEW = 20
_LEASES = 1000
_CLAIMS = 200


class Relay:
    """Keeps the windows in Redis true to the backlog in PostgreSQL."""

    name: ClassVar[str] = "relay"

    def __init__(self) -> None:
        """Start the sweep at the beginning."""
        self._mender = RuleMender()
        self._cursor: tuple[str, Place] | None = None
        self._swept_at = -SWEEP_SECONDS
        self._looked_at_leases = -SWEEP_SECONDS

    def interval(self, settings: CoordinatorSettings) -> float:
        """Return `relay_seconds`."""
        return settings.relay_seconds

    async def run_once(self, context: DutyContext) -> int:
        """Rebuild a dispatch that is not intact; else refill, sweep, and look after expired leases."""
        if not await context.broker.upkeep.is_intact():
            return await self.rebuild(context)
        done = await self.refill(context)
        now = time.monotonic()
        if now - self._swept_at >= SWEEP_SECONDS:
            self._swept_at = now
            if await self._is_foreign(context):
                return await self.rebuild(context)
            await self._mender.run_once(context)
            if await self.sweep(context):
                self._swept_at = -SWEEP_SECONDS  # where one was lost there may be more
        if now - self._looked_at_leases >= context.settings.worker.lease_seconds / 10:
            self._looked_at_leases = now
            await self.return_expired(context)
        return done

    @staticmethod
    async def _is_foreign(context: DutyContext) -> bool:
        """Tell whether Redis lives a life that PostgreSQL does not know: then nobody can claim limited tasks."""
        known = await context.database.pool.fetchval(sql.generation)
        return bool(known != await context.broker.dispatch.generation())

    async def rebuild(self, context: DutyContext) -> int:
        """Close the dispatch, build every window from PostgreSQL, and open it as a new generation."""
        context.check()
        started, generation, pushed = time.monotonic(), uuid7().hex, 0
        upkeep = context.broker.upkeep
        await upkeep.begin(generation)
        async with context.leading() as connection:
            await connection.execute(sql.begin_generation, generation)
        await self._hold_running(context, generation)
        await apply_rules(context, await read_rules(context))
        keys = await backlog.live_keys(context.database)
        await upkeep.mark_overflowing(keys)  # first, so that nobody appends behind a window that is being built
        for some in backlog.parts(keys):
            pushed += await self._fill_many(context, some)
        context.check()
        if not await upkeep.publish(generation):
            log.warning("dispatch_rebuild_interrupted", generation=generation)
            return 1
        seconds = round(time.monotonic() - started, 3)
        log.info("dispatch_rebuilt", generation=generation, tasks=pushed, seconds=seconds)
        return max(1, pushed)

    async def _hold_running(self, context: DutyContext, generation: str) -> None:
        """Count what runs as handed out."""
        after = UUID(int=0)
        while True:
            claims = await context.database.hot.fetch(sql.claims_after, after, _CLAIMS)
            pairs = sorted((task_id, claim["claim_id"]) for claim in claims for task_id in claim["task_ids"])
            running = defaultdict(list)
            for task_id, key in await context.database.hot.fetch(sql.running_of, *_columns(pairs)):
                running[key].append(task_id)
            context.check()
            await context.broker.upkeep.hold(generation, running, context.settings.worker.lease_seconds)
            if len(claims) < _CLAIMS:
                return
            after = claims[-1]["claim_id"]

    async def refill(self, context: DutyContext) -> int:
        """Fill up the windows that are less than half full and have more behind them in PostgreSQL."""
        window, pushed = context.settings.coordinator.window, 0
        keys = sorted(await context.broker.dispatch.overflowing())
        for key, (waiting, _) in zip(keys, await context.broker.dispatch.sizes(keys), strict=True):
            if waiting < window / 2:
                place = await context.broker.upkeep.window_end(key) or START
                pushed += await self._fill(context, key, place, window - waiting)
        return pushed

    async def _fill_many(self, context: DutyContext, keys: Sequence[str]) -> int:
        """Build the windows of keys that are marked as overflowing; return how many tasks are in line."""
        dispatch, pushed = context.broker.dispatch, 0
        heads = await backlog.heads(context.database, keys, _FEW)
        short = [key for key in keys if len(heads[key]) < min(_FEW, context.settings.coordinator.window)]
        context.check()
        pushed += await dispatch.push((entry for key in short for entry in heads[key]), refill=True)
        await dispatch.not_overflowing(short)  # and look again, as in `_fill`
        again = await backlog.heads(context.database, short, context.settings.coordinator.window)
        context.check()
        pushed += await dispatch.push(entry for entries in again.values() for entry in entries)
        for key in keys:
            if key not in short:
                pushed += await self._fill(context, key, START, context.settings.coordinator.window)
        return pushed

    async def _fill(self, context: DutyContext, key: str, place: Place, room: int) -> int:
        """Append up to `room` tasks behind `place` to an overflowing window; return how many were new."""
        dispatch, pushed = context.broker.dispatch, 0
        async for entries in backlog.pages_after(context.database, key, place, room):
            context.check()
            pushed += await dispatch.push(entries, refill=True)
            room -= len(entries)
            place = entries[-1].place if entries else place
        if room <= 0:
            await context.broker.upkeep.cut_behind(key, place)
            return pushed
        # Everything fits. Whoever was turned away before the flag fell had committed before: look again.
        await dispatch.not_overflowing([key])
        async for entries in backlog.pages_after(context.database, key, place, context.settings.coordinator.window):
            context.check()
            pushed += await dispatch.push(entries)
        return pushed

    async def sweep(self, context: DutyContext) -> int:
        """Push PENDING tasks that Redis does not know, from where the last sweep stopped; return how many."""
        first, place = self._cursor or ("", START)
        keys = [key for key in await backlog.live_keys(context.database) if key >= first]
        self._cursor = None
        overflowing = await context.broker.dispatch.overflowing()
        budget, found = SWEEP_ROWS, 0
        while keys and budget > 0:
            some, keys = keys[: backlog.KEYS], keys[backlog.KEYS :]
            heads = await backlog.heads(context.database, some, _FEW)
            long = [key for key in some if len(heads[key]) >= _FEW or key in overflowing]
            short = [entry for key in some if key not in long for entry in heads[key]]
            found += await self._push_unknown(context, short)
            budget -= len(some) + len(short)
            for key in long:
                start = place if key == first else START
                rows, pushed, stop = await self._sweep_key(context, key, start, max(1, budget), key in overflowing)
                budget -= rows
                found += pushed
                if budget <= 0:
                    self._cursor = (key, stop)
                    break
            else:
                self._cursor = (keys[0], START) if keys else None
        if found:
            log.info("lost_pushes_found", tasks=found)
        return found

    async def _sweep_key(
        self, context: DutyContext, key: str, start: Place, budget: int, is_overflowing: bool
    ) -> tuple[int, int, Place]:
        """Sweep up to `budget` tasks of a key behind `start`; return how many, how many were lost, and the last one."""
        rows, found = 0, 0
        end = await context.broker.upkeep.window_end(key) if is_overflowing else None
        if is_overflowing and end is None:
            return rows, found, start  # the refill starts at its head
        async for entries in backlog.pages_after(context.database, key, start, budget, page=_SWEEP_PAGE):
            found += await self._push_unknown(context, entries)
            rows += len(entries)
            start = entries[-1].place if entries else start
            if end is not None and start.is_behind(end):
                break  # from here on PostgreSQL is meant to be alone
        return rows, found, start

    @staticmethod
    async def _push_unknown(context: DutyContext, entries: Sequence[Entry]) -> int:
        unknown = {entry.task_id: entry for entry in await context.broker.dispatch.unknown(entries)} if entries else {}
        if not unknown:
            return 0
        # Some of them were claimed, or ended, between the two looks.
        now = await backlog.standings(context.database, list(unknown))
        context.check()
        return await context.broker.dispatch.push(unknown[s.task_id] for s in now if s.status == "PENDING")

    async def return_expired(self, context: DutyContext) -> int:
        """Settle what ids with an expired lease have become; return how many there were."""
        dispatch = context.broker.dispatch
        expired = defaultdict(list)
        for key, task_id in await dispatch.expired_leases(await context.broker.upkeep.running_keys(), _LEASES):
            expired[key].append(task_id)
        for key, ids in expired.items():
            now = await backlog.standings(context.database, ids)
            context.check()
            held = [s.task_id for s in now if s.status == "RUNNING" and s.dispatch_key == key]
            waiting = [Entry(s.dispatch_key or key, s.priority or 1, s.task_id) for s in now if s.status == "PENDING"]
            kept = {*held, *(entry.task_id for entry in waiting if entry.dispatch_key == key)}
            await dispatch.renew({key: held} if held else {}, context.settings.worker.lease_seconds)
            await dispatch.release(entry for entry in waiting if entry.dispatch_key == key)
            await dispatch.settle(
                Settled(key, s.task_id, "" if s.status in (None, "PENDING", "RUNNING") else s.status)
                for s in now
                if s.task_id not in kept
            )
            await dispatch.push(entry for entry in waiting if entry.dispatch_key != key)
        count = sum(map(len, expired.values()))
        if count:
            log.info("expired_leases_settled", tasks=count)
        return count


def _columns(pairs: Sequence[tuple[UUID, UUID]]) -> tuple[list[UUID], list[UUID]]:
    return [task_id for task_id, _ in pairs], [claim_id for _, claim_id in pairs]
