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
from taskflow.engine.handles import TaskHandle
from taskflow.engine.middleware.stack import MiddlewareStack
from taskflow.engine.middleware.stack import stack as used_middleware
from taskflow.engine.payload import json_text
from taskflow.engine.requests import COPY_COLUMNS, OPTION_COLUMNS, TaskRow, prepare, request_of

P = ParamSpec("P")
R = TypeVar("R")

_JSON = frozenset({"task_args", "task_kwargs"})
_COLUMNS = (*COPY_COLUMNS, *OPTION_COLUMNS)
_INSERT = f"INSERT INTO tasks ({', '.join(_COLUMNS)}) VALUES ({', '.join(['%s'] * len(_COLUMNS))})"  # noqa: S608 - ours


class OneStatementError(InvalidInputError):
    """A task cannot be enqueued through a foreign connection: it needs more than one INSERT."""

    code = "one_statement"


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
        OneStatementError: the task has parents or a key, or middleware wants to see it: use `Engine.enqueue_in`.
    """
    row = prepare(request_of(task, args, kwargs), task)
    _check_alone(row, used_middleware)
    now = None
    if row.waits or row.expires_in is not None:
        cursor.execute("SELECT now()")
        now = cursor.fetchone()[0]
    values = zip(_COLUMNS, (*row.record(now), *row.option_record(now)), strict=True)
    cursor.execute(_INSERT, [_plain(name, value) for name, value in values])
    return row.handle()


def _check_alone(row: TaskRow, middleware: MiddlewareStack) -> None:
    for given, what in (
        (row.parents, "waits for other tasks"),
        (row.unique, "has a unique key"),
        (row.idempotency_key, "has an idempotency key"),
        (middleware.sees_enqueueing, "is changed by middleware (before_enqueue), or shown to some (after_enqueue)"),
    ):
        if given:
            raise OneStatementError(
                f"{row.task_name} {what}: a foreign connection cannot do that. Use Engine.enqueue_in with an asyncpg"
                " connection, or Engine.enqueue after the commit."
            )


def _plain(column: str, value: Any) -> Any:
    """Return a value as every driver takes it."""
    if column in _JSON:
        return json_text(value)
    if column == "tags":
        return None if value is None else list(value)
    return str(value) if isinstance(value, UUID) else value
