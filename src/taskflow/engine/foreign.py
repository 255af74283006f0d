"""Enqueueing through somebody else's connection: any DB-API cursor on PostgreSQL, such as psycopg's or Django's.

    with transaction.atomic(), connection.cursor() as cursor:
        order.save()
        enqueue_through(cursor, send_receipt, order_id=order.pk)

A task is a row, so whoever can insert into the database can enqueue in their own transaction. Nobody tells Redis: the
relay finds the row within half a second of the commit.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ParamSpec, Protocol, TypeVar
from uuid import UUID

from taskflow.base.errors import InvalidInputError
from taskflow.engine.definition import Task
from taskflow.engine.requests import COPY_COLUMNS, Request, TaskHandle, json_text, prepare

P = ParamSpec("P")
R = TypeVar("R")

_JSON = frozenset({"task_args", "task_kwargs"})
_INSERT = f"INSERT INTO tasks ({', '.join(COPY_COLUMNS)}) VALUES ({', '.join(['%s'] * len(COPY_COLUMNS))})"  # noqa: S608 - ours


class Cursor(Protocol):
    """What is used of a DB-API cursor with `%s` parameters."""

    def execute(self, query: Any, params: Sequence[Any] | Mapping[str, Any] | None = None, /) -> Any:
        """Run a statement."""
        ...

    def fetchone(self) -> Any:
        """Return a row."""
        ...


def enqueue_through(cursor: Cursor, task: Task[P, R], *args: P.args, **kwargs: P.kwargs) -> TaskHandle[R]:
    """Enqueue a task in the transaction of `cursor`: it exists if and only if that commits.

    The handle names the task; nobody stands behind it who could be waited with.

    Raises:
        InvalidTaskArgumentsError: the arguments do not fit the function.
        InvalidInputError: the task has an idempotency key; those need `Engine.enqueue` or HTTP.
    """
    if task.idempotency_key is not None:
        raise InvalidInputError("A foreign connection cannot keep an idempotency key: use Engine.enqueue_in.")
    row = prepare(Request(task.name, args, kwargs), task)
    now = None
    if row.waits:
        cursor.execute("SELECT now()")
        now = cursor.fetchone()[0]
    values = zip(COPY_COLUMNS, row.record(now), strict=True)
    cursor.execute(_INSERT, [_plain(name, value) for name, value in values])
    return row.handle(task)


def _plain(column: str, value: Any) -> Any:
    """Return a value as every driver takes it."""
    if column in _JSON:
        return json_text(value)
    return str(value) if isinstance(value, UUID) else value
