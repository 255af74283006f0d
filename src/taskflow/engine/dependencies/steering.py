"""Cancelling and starting over, with what that means for children."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

import asyncpg

from taskflow.broker.redis.broker import RedisBroker
from taskflow.broker.redis.dispatch import Entry, Settled
from taskflow.db.deadlocks import repeat_when_deadlocked
from taskflow.db.pool import Connection, Database
from taskflow.engine.dependencies.release import Freed, announce, release
from taskflow.engine.dependencies.release import sql as dependencies_sql
from taskflow.engine.states import RETRIABLE, TERMINAL
from taskflow.engine.store import sql


class Cancelled(NamedTuple):
    """Tasks that were cancelled or are asked to stop, as rows, and children that heard of it."""

    rows: list[asyncpg.Record]
    freed: list[Freed]

    async def announce(self, broker: RedisBroker) -> None:
        """After the commit: tell the world of those that have ended, and the workers of those that run."""
        ended = [row for row in self.rows if row["status"] in TERMINAL]
        lines: defaultdict[str, list[str]] = defaultdict(list)
        for row in ended:
            lines[row["dispatch_key"]].append(str(row["task_id"]))
        for key, ids in lines.items():
            await broker.dispatch.remove(key, ids)
        await broker.dispatch.settle(Settled(row["dispatch_key"], str(row["task_id"]), "CANCELLED") for row in ended)
        for row in self.rows:
            if row["status"] not in TERMINAL:
                await broker.workers.command(row["worker_id"], f"cancel:{row['task_id']}")
        await announce(broker.dispatch, self.freed)


class Restarted(NamedTuple):
    """Tasks that start over, those of them that need not wait, and children that heard of groups among them."""

    task_ids: list[UUID]
    waiting: list[Entry]
    freed: list[Freed]

    async def announce(self, broker: RedisBroker) -> None:
        """After the commit: put in line what need not wait."""
        await broker.dispatch.push(self.waiting)
        await announce(broker.dispatch, self.freed)


async def cancel(database: Database, task_ids: Iterable[UUID], *, running: bool = True) -> Cancelled:
    """Cancel those of `task_ids` that wait, which their children hear of, and ask the holders of those that run.

    Not `running`: leave alone what has begun, also since the ids were read.
    """

    async def work() -> Cancelled:
        async with database.hot.acquire() as connection, connection.transaction():
            return await cancel_in(connection, task_ids, running=running)

    return await repeat_when_deadlocked(work)


async def cancel_in(connection: Connection, task_ids: Iterable[UUID], *, running: bool = True) -> Cancelled:
    """Do the same in the transaction of `connection`."""
    rows = await connection.fetch(sql.request_cancel, sorted(task_ids), running)
    ended = [row["task_id"] for row in rows if row["has_children"] and row["status"] in TERMINAL]
    return Cancelled(rows, await release(connection, ended))


async def restart(database: Database, task_ids: Sequence[UUID], *, judge: bool = False) -> Restarted:
    """Start over those of `task_ids` that ended badly. They wait for their parents that have not ended.

    `judge`: their parents that have ended are asked again too, so that a task fails once more whose parent has failed
    and stays so. Otherwise a task runs whatever has failed above it: that is what somebody wants who names it.
    """

    async def work() -> Restarted:
        async with database.hot.acquire() as connection, connection.transaction():
            return await restart_in(connection, task_ids, judge=judge)

    return await repeat_when_deadlocked(work)


async def restart_in(connection: Connection, task_ids: Iterable[UUID], *, judge: bool = False) -> Restarted:
    """Do the same in the transaction of `connection`."""
    ids = sorted(task_ids)
    parents = [row[0] for row in await connection.fetch(dependencies_sql.parents_of, ids)]
    if parents:  # none of them may end between the look at it and the commit
        await connection.execute(dependencies_sql.hold, sorted({*parents, *ids}))
    rows = await connection.fetch(sql.retry_by_hand, ids)
    freed: list[Freed] = []
    if parents and rows:
        rows = await connection.fetch(dependencies_sql.reopen, sorted(row["task_id"] for row in rows), judge)
        freed = await release(connection, parents)
    failed = {child.task_id for child in freed if child.status in RETRIABLE}
    waiting = [
        Entry(row["dispatch_key"], row["priority"], str(row["task_id"])) for row in rows if row["status"] == "PENDING"
    ]
    return Restarted([row["task_id"] for row in rows if row["task_id"] not in failed], waiting, freed)
