"""Cancelling and starting over, with what that means for children."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

import asyncpg

from taskflow.broker.redis.broker import RedisBroker
from taskflow.broker.redis.dispatch import Entry, Settled
from taskflow.db.pool import Connection, Database
from taskflow.engine.dependencies.release import Freed, announce, release
from taskflow.engine.dependencies.release import sql as dependencies_sql
from taskflow.engine.states import TERMINAL, TaskStatus
from taskflow.engine.store import sql


class Cancelled(NamedTuple):
    """Tasks that were cancelled or are asked to stop, as rows, and children that heard of it."""

    rows: list[asyncpg.Record]
    freed: list[Freed]

    async def announce(self, broker: RedisBroker) -> None:
        """After the commit: tell the world of those that have ended, and the workers of those that run."""
        ended = [row for row in self.rows if row["status"] in TERMINAL]
        await broker.dispatch.settle(Settled(row["dispatch_key"], str(row["task_id"]), "CANCELLED") for row in ended)
        for row in self.rows:
            if row["status"] not in TERMINAL:
                await broker.workers.command(row["worker_id"], f"cancel:{row['task_id']}")
        await announce(broker.dispatch, self.freed)


class Restarted(NamedTuple):
    """Tasks that start over: how many, which of them wait in line, and what their end means (groups end at once)."""

    count: int
    waiting: list[Entry]
    freed: list[Freed]

    async def announce(self, broker: RedisBroker) -> None:
        """After the commit: put them in line."""
        await broker.dispatch.push(self.waiting)
        await announce(broker.dispatch, self.freed)


async def cancel(database: Database, task_ids: Iterable[UUID]) -> Cancelled:
    """Cancel those of `task_ids` that wait, ask the holders of those that run, and tell the children of the cancelled."""
    async with database.hot.acquire() as connection, connection.transaction():
        rows = await connection.fetch(sql.request_cancel, sorted(task_ids))
        ended = [row["task_id"] for row in rows if row["has_children"] and row["status"] in TERMINAL]
        return Cancelled(rows, await release(connection, ended))


async def restart(database: Database, task_ids: Sequence[UUID]) -> Restarted:
    """Start over those of `task_ids` that ended badly.

    They wait for their parents that have not ended, which may be among them, and for no others.
    """
    async with database.hot.acquire() as connection, connection.transaction():
        parents = [row[0] for row in await connection.fetch(dependencies_sql.parents_of, sorted(task_ids))]
        if parents:  # none of them may end between the look at it and the commit
            await connection.execute(dependencies_sql.hold, sorted({*parents, *task_ids}))
        rows = await connection.fetch(sql.retry_by_hand, sorted(task_ids))
        blocked, freed = await _wait_again(connection, [row["task_id"] for row in rows]) if parents else (set(), [])
    waiting = [
        Entry(row["dispatch_key"], row["priority"], str(row["task_id"])) for row in rows if row[0] not in blocked
    ]
    return Restarted(len(rows), waiting, freed)


async def _wait_again(connection: Connection, task_ids: Sequence[UUID]) -> tuple[set[UUID], list[Freed]]:
    """Block those of restarted tasks that have to wait; return these and the groups that have ended, and what follows."""
    blocked = {row[0] for row in await connection.fetch(dependencies_sql.reopen, sorted(task_ids))}
    judged = await connection.fetch(dependencies_sql.judge_groups, sorted(set(task_ids) - blocked))
    groups = [Freed(row["task_id"], TaskStatus(row["status"]), row["dispatch_key"], row["priority"]) for row in judged]
    ended = [group.task_id for group in groups]
    return blocked | set(ended), groups + await release(connection, ended)
