"""Firing: instants become rows of `schedule_fires` and tasks, in one statement, in the caller's transaction.

The primary key (schedule_id, fire_at) is the promise that an instant fires once, whoever tries: two coordinators, a
duty that is run twice, a backfill over what has fired already. A task row is its own outbox: what a crash leaves
unpushed after the commit, the relay pushes.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from taskflow.base.ids import uuid7
from taskflow.broker.redis.dispatch import Entry
from taskflow.db.pool import Connection
from taskflow.db.queries import load
from taskflow.engine.schedules.policies import FireCause, FireStatus

sql = load(__file__)


class Fire(NamedTuple):
    """What becomes of one instant. `occupies`: the overlap policy has to know of its task."""

    schedule_id: UUID
    fire_at: datetime
    due_at: datetime
    status: FireStatus
    occupies: bool = False
    task_id: UUID | None = None


class Made(NamedTuple):
    """A task that was made; `status` is PENDING, or SCHEDULED while its jitter lasts."""

    task_id: UUID
    dispatch_key: str
    priority: int
    status: str


async def fire(
    connection: Connection, fires: Sequence[Fire], cause: FireCause, created_by: UUID | None = None
) -> list[Made]:
    """Write what becomes of instants; return the tasks that were made, in the order of the instants."""
    if not fires:
        return []
    task_ids = [(one.task_id or uuid7()) if one.status is FireStatus.FIRED else None for one in fires]
    rows = await connection.fetch(
        sql.fire,
        [one.schedule_id for one in fires],
        [one.fire_at for one in fires],
        [one.due_at for one in fires],
        [one.status.value for one in fires],
        task_ids,
        cause.value,
        [one.occupies and one.status is FireStatus.FIRED for one in fires],
        created_by,
    )
    return _made(rows)


async def release(connection: Connection, schedule_ids: Sequence[UUID]) -> list[Made]:
    """Make tasks of the instants that waited for the last task of these schedules to end."""
    if not schedule_ids:
        return []
    return _made(await connection.fetch(sql.release, schedule_ids, [uuid7() for _ in schedule_ids]))


def entries(made: Iterable[Made]) -> list[Entry]:
    """Return what is put in line after the commit."""
    return [Entry(task.dispatch_key, task.priority, str(task.task_id)) for task in made if task.status == "PENDING"]


def _made(rows: Iterable[asyncpg.Record]) -> list[Made]:
    return sorted(Made(*row) for row in rows)
