"""Keys that name one task: idempotency keys and unique keys. Both are rows of `task_keys`.

An idempotency key stands for one call: within a day the same call under it returns the first task, and another call is
an error. A unique key stands for one task at a time: while it is held, `on_conflict` says what becomes of another task.

The key's row is written or locked first, in the transaction that inserts the task, and the holder is looked at in a
second statement: its snapshot is taken with the lock in hand, so that it sees what whoever held the lock before has
committed. Two at once therefore never both win.
"""

from typing import NamedTuple
from uuid import UUID

from taskflow.base.errors import ConflictError, InvalidInputError
from taskflow.db.pool import Connection
from taskflow.db.queries import load
from taskflow.engine.requests import TaskRow, UniqueClaim
from taskflow.engine.states import TERMINAL, TaskStatus

sql = load(__file__, "keys.sql")

_IDEMPOTENCY_SECONDS = 86_400.0


class TaskKeyReusedError(InvalidInputError):
    """This idempotency key was used for another call."""

    code = "task_key_reused"


class DuplicateTaskError(ConflictError):
    """Another task holds this unique key."""

    code = "duplicate_task"


class Holder(NamedTuple):
    """The task that holds a key already."""

    task_id: UUID
    status: TaskStatus


class Hold(NamedTuple):
    """Who else holds the key, or whom the new holder replaces; neither: it was free."""

    holder: Holder | None = None
    replaced: UUID | None = None


async def hold_idempotency_key(connection: Connection, row: TaskRow) -> Hold:
    """Take a task's idempotency key.

    Raises:
        TaskKeyReusedError: it was used for another call.
    """
    held = await connection.fetchrow(
        sql.hold_idempotency_key, row.task_name, row.idempotency_key, row.task_id, _IDEMPOTENCY_SECONDS, row.fingerprint
    )
    assert held is not None  # noqa: S101 - the statement always answers
    if held["task_id"] == row.task_id:
        return Hold()
    if None not in (held["fingerprint"], row.fingerprint) and held["fingerprint"] != row.fingerprint:
        raise TaskKeyReusedError(
            f"The idempotency key {row.idempotency_key!r} of {row.task_name} was used with other arguments.",
            task_id=str(held["task_id"]),
        )
    return Hold(await _look(connection, held["task_id"]))


async def answer_with(connection: Connection, row: TaskRow, holder: Holder) -> None:
    """Let a task's idempotency key, which the caller has just taken, stand for the task that it turned out to be."""
    await connection.execute(sql.answer_with, row.task_name, row.idempotency_key, holder.task_id)


async def hold_unique_key(connection: Connection, row: TaskRow, claim: UniqueClaim) -> Hold:
    """Take a task's unique key, if need be from the task that it replaces.

    Raises:
        DuplicateTaskError: it is held, and `on_conflict` is "raise".
    """
    scope = f"unique {row.task_name}"
    held = await connection.fetchrow(sql.lock_unique_key, scope, claim.key, row.task_id, claim.seconds)
    assert held is not None  # noqa: S101 - the statement always answers
    if held["task_id"] == row.task_id:
        return Hold()
    holder = await _look(connection, held["task_id"])
    lives = holder.status not in TERMINAL
    replaced = None
    if lives if held["while_live"] else not held["has_expired"]:
        if claim.on_conflict == "return":
            return Hold(holder)
        if claim.on_conflict == "raise":
            raise DuplicateTaskError(
                f"The task {holder.task_id} holds the unique key {claim.key!r} of {row.task_name}.",
                task_id=str(holder.task_id),
            )
        replaced = holder.task_id if lives else None
    await connection.execute(sql.take_unique_key, scope, claim.key, row.task_id, claim.seconds)
    return Hold(replaced=replaced)


async def _look(connection: Connection, task_id: UUID) -> Holder:
    status = await connection.fetchval(sql.status_of_holder, task_id)
    return Holder(task_id, TaskStatus(status or TaskStatus.COMPLETED))  # one that was pruned had ended
