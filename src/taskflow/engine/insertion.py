"""How prepared tasks become rows: one by one when they hold a key, with their edges, else all in one COPY.

The caller commits, and announces afterwards what was cancelled and who need not wait.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from taskflow.db.copying import copy_into
from taskflow.db.pool import Connection
from taskflow.engine.dependencies.insertion import insert_graph
from taskflow.engine.dependencies.models import InvalidDependencyError
from taskflow.engine.dependencies.release import Freed
from taskflow.engine.dependencies.steering import Cancelled, cancel_in
from taskflow.engine.handles import Client, TaskHandle
from taskflow.engine.keys import answer_with, hold_idempotency_key, hold_unique_key
from taskflow.engine.payload import json_text
from taskflow.engine.requests import COPY_COLUMNS, OPTION_COLUMNS, TaskRow
from taskflow.engine.store import sql
from taskflow.engine.tracing import producing


class Inserted(NamedTuple):
    """The handles of tasks, in their order: each its own, or that of the task which holds its key.

    `freed`: children that did not have to wait, or ended at once. `cancelled`: whom they replace.
    """

    handles: list[TaskHandle[Any]]
    freed: Sequence[Freed] = ()
    cancelled: Cancelled | None = None


def needs_transaction(rows: Sequence[TaskRow]) -> bool:
    """Tell whether more than one statement inserts these."""
    return any(row.parents or _has_key(row) for row in rows)


async def insert(connection: Connection, row: TaskRow, client: Client | None = None) -> Inserted:
    """Insert a task; its handle asks `client`.

    Raises:
        TaskKeyReusedError, DuplicateTaskError: its key says so.
        ParentNotFoundError: it waits for a task that does not exist.
        UniqueViolationError: a task of this id is there.
    """
    cancelled = None
    if row.idempotency_key is not None:
        hold = await hold_idempotency_key(connection, row)
        if hold.holder is not None:
            return Inserted([row.handle_of(*hold.holder, client)])
    if row.unique is not None:
        hold = await hold_unique_key(connection, row, row.unique)
        if hold.holder is not None:
            if row.idempotency_key is not None:
                await answer_with(connection, row, hold.holder)
            return Inserted([row.handle_of(*hold.holder, client)])
        if hold.replaced is not None:
            cancelled = await cancel_in(connection, [hold.replaced])
    if row.parents:
        return Inserted(*await insert_graph(connection, [row], client), cancelled)
    async with producing(connection, [row]):
        await connection.execute(
            sql.insert_task, row.task_id, row.task_name, row.queue, row.priority, row.max_retries, row.timeout,
            row.scheduled_at, row.parent_task_id, row.created_by, json_text(row.args), json_text(row.kwargs),
            row.delay, row.payload_version, row.tags or None, row.expires_at, row.expires_in, row.dispatch_key,
        )  # fmt: skip
    return Inserted([row.handle(client)], cancelled=cancelled)


async def insert_many(connection: Connection, rows: Sequence[TaskRow], client: Client | None = None) -> Inserted:
    """Insert many tasks, all or none; their handles ask `client`.

    Raises:
        TaskKeyReusedError, DuplicateTaskError: a key says so.
        ParentNotFoundError: one waits for a task that neither is among them nor exists.
        InvalidDependencyError: some have parents, and some keys.
        UniqueViolationError: a task of one of these ids is there.
    """
    keyed = sorted((row for row in rows if _has_key(row)), key=_key)  # keys are locked in one order
    if any(row.parents for row in rows):
        if keyed:
            raise InvalidDependencyError(
                f"{keyed[0].task_name} has a key: it may turn out to be another task, which nothing in a graph can"
                " wait for. Submit it by itself."
            )
        return Inserted(*await insert_graph(connection, rows, client))
    if not keyed:
        await _copy(connection, rows)
        return Inserted([row.handle(client) for row in rows])
    free = [row for row in rows if not _has_key(row)]
    if free:
        await _copy(connection, free)
    made = {row.task_id: await insert(connection, row, client) for row in keyed}
    handles = [made[row.task_id].handles[0] if row.task_id in made else row.handle(client) for row in rows]
    parts = [one.cancelled for one in made.values() if one.cancelled is not None]
    cancelled = Cancelled([row for part in parts for row in part.rows], [one for part in parts for one in part.freed])
    return Inserted(handles, cancelled=cancelled)


async def _copy(connection: Connection, rows: Sequence[TaskRow]) -> None:
    now: datetime | None = None
    if any(row.waits or row.expires_in is not None for row in rows):
        now = await connection.fetchval("SELECT now()")
    columns: Sequence[str] = COPY_COLUMNS
    records = [row.record(now) for row in rows]
    if any(row.has_options for row in rows):
        columns = (*COPY_COLUMNS, *OPTION_COLUMNS)
        records = [record + row.option_record(now) for record, row in zip(records, rows, strict=True)]
    async with producing(connection, rows):
        await copy_into(connection, "tasks", columns, records)


def _has_key(row: TaskRow) -> bool:
    return row.unique is not None or row.idempotency_key is not None


def _key(row: TaskRow) -> tuple[str, str, str]:
    return row.task_name, row.idempotency_key or "", row.unique.key if row.unique else ""
