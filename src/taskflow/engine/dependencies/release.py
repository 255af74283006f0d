"""Releasing: whatever ends a task that has children tells them, in the same transaction.

Every way to an end comes through here: a worker's `finish`, the rescuer, cancelling, a submission onto parents that
have ended already. The work goes by levels in whole sets, never task by task: `settle_edges` tells the children, `doom`
ends at once all that a policy ends further down, and only a group that ends makes another round.

An edge is satisfied once, under the lock of its parent's row, so doing it twice changes nothing. Children are locked in
the order of their ids; those of one submission are younger than their parents, which keeps rounds in order too. Where
they are not, PostgreSQL may find a deadlock: whoever it chooses says the same once more.
"""

from collections.abc import Sequence
from typing import NamedTuple, Self
from uuid import UUID

import asyncpg

from taskflow.broker.redis.dispatch import Dispatch, Entry, Settled
from taskflow.db.pool import Connection
from taskflow.db.queries import load
from taskflow.engine.states import TERMINAL, TaskStatus

sql = load(__file__)


class Freed(NamedTuple):
    """A child that no longer waits: PENDING, SCHEDULED, or ended without having run."""

    task_id: UUID
    status: TaskStatus
    dispatch_key: str
    priority: int

    @classmethod
    def of(cls, row: asyncpg.Record) -> Self:
        """Read a row."""
        return cls(row["task_id"], TaskStatus(row["status"]), row["dispatch_key"], row["priority"])


async def release(connection: Connection, parents: Sequence[UUID]) -> list[Freed]:
    """Tell the children of tasks that have ended, and theirs; return those that wait no longer.

    It belongs into the transaction that ends the parents, after the statement that did.
    """
    freed: list[Freed] = []
    while parents:
        told = await connection.fetch(sql.settle_edges, sorted(parents))
        ended = [row["task_id"] for row in told if row["has_children"] and row["status"] in TERMINAL]
        doomed = await connection.fetch(sql.doom, sorted(ended)) if ended else []
        freed += map(Freed.of, (*told, *doomed))
        parents = [*ended, *(row["task_id"] for row in doomed if row["has_children"])]
    return freed


async def announce(dispatch: Dispatch, freed: Sequence[Freed]) -> None:
    """After the commit: tell the world of children that ended, and put in line those that may run."""
    if freed:
        await dispatch.settle(
            Settled(child.dispatch_key, str(child.task_id), child.status) for child in freed if child.status in TERMINAL
        )
        await dispatch.push(
            Entry(child.dispatch_key, child.priority, str(child.task_id))
            for child in freed
            if child.status is TaskStatus.PENDING
        )
