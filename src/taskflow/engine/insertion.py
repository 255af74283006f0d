"""How prepared tasks become rows: one by one when they hold a key, else all in one COPY. The caller commits."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from taskflow.db.pool import Connection
from taskflow.engine.keys import hold_idempotency_key, hold_unique_key
from taskflow.engine.requests import COPY_COLUMNS, OPTION_COLUMNS, TaskHandle, TaskRow
from taskflow.engine.store import sql


class Inserted(NamedTuple):
    """What became of a task: its handle, or that of the task which holds its key; and whom it replaces."""

    handle: TaskHandle[Any]
    replaced: UUID | None = None


class InsertedMany(NamedTuple):
    """The handles of many tasks, in their order, and whom they replace."""

    handles: list[TaskHandle[Any]]
    replaced: list[UUID]


async def insert(connection: Connection, row: TaskRow) -> Inserted:
    """Insert a task; one with a key needs a transaction around this.

    Raises:
        TaskKeyReusedError, DuplicateTaskError: its key says so.
        UniqueViolationError: a task of this id is there.
    """
    replaced = None
    if row.idempotency_key is not None:
        hold = await hold_idempotency_key(connection, row)
        if hold.holder is not None:
            return Inserted(TaskHandle(*hold.holder, row.queue, row.priority, is_new=False))
    if row.unique is not None:
        hold = await hold_unique_key(connection, row, row.unique)
        if hold.holder is not None:
            return Inserted(TaskHandle(*hold.holder, row.queue, row.priority, is_new=False))
        replaced = hold.replaced
    await connection.execute(
        sql.insert_task, row.task_id, row.task_name, row.queue, row.priority, row.max_retries, row.timeout,
        row.scheduled_at, row.parent_task_id, row.created_by, row.args, row.kwargs, row.delay, row.payload_version,
        row.tags or None, row.expires_at, row.expires_in,
    )  # fmt: skip
    return Inserted(row.handle(), replaced)


async def insert_many(connection: Connection, rows: Sequence[TaskRow]) -> InsertedMany:
    """Insert many tasks; when one of them has a unique key, the caller has a transaction around this.

    Raises:
        DuplicateTaskError: a key says so.
        UniqueViolationError: a task of one of these ids is there.
    """
    keyed = sorted((row for row in rows if row.unique is not None), key=_key)  # keys are locked in one order
    if not keyed:
        await _copy(connection, rows)
        return InsertedMany([row.handle() for row in rows], [])
    free = [row for row in rows if row.unique is None]
    if free:
        await _copy(connection, free)
    made = {row.task_id: await insert(connection, row) for row in keyed}
    handles = [made[row.task_id].handle if row.task_id in made else row.handle() for row in rows]
    return InsertedMany(handles, sorted({one.replaced for one in made.values() if one.replaced is not None}))


async def _copy(connection: Connection, rows: Sequence[TaskRow]) -> None:
    now: datetime | None = None
    if any(row.waits or row.expires_in is not None for row in rows):
        now = await connection.fetchval("SELECT now()")
    columns: Sequence[str] = COPY_COLUMNS
    records = [row.record(now) for row in rows]
    if any(row.has_options for row in rows):
        columns = (*COPY_COLUMNS, *OPTION_COLUMNS)
        records = [record + row.option_record(now) for record, row in zip(records, rows, strict=True)]
    await connection.copy_records_to_table("tasks", records=records, columns=columns)


def _key(row: TaskRow) -> tuple[str, str]:
    return row.task_name, row.unique.key if row.unique else ""
