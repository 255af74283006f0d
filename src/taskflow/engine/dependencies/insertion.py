"""Submitting tasks that wait: tasks and edges are copied in, in the caller's transaction.

Parents from outside are locked and marked first, so that an end of theirs comes either before (it is seen here) or
after (it will see the edges). Every edge goes in unsatisfied; those of parents that have ended already are settled at
once by the same statements as all others, so that there is one place where policies are decided.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple
from uuid import UUID

from taskflow.base.errors import NotFoundError
from taskflow.db.copying import copy_into
from taskflow.db.pool import Connection
from taskflow.engine.dependencies.models import MAX_EDGES, InvalidDependencyError
from taskflow.engine.dependencies.release import Freed, release, sql
from taskflow.engine.handles import Client, TaskHandle
from taskflow.engine.requests import COPY_COLUMNS, OPTION_COLUMNS, TaskRow
from taskflow.engine.tracing import producing

_TASK_COLUMNS = (*COPY_COLUMNS, *OPTION_COLUMNS, "pending_parents", "has_children", "takes_results")
_EDGE_COLUMNS = ("parent_id", "child_id", "on_success", "on_failure", "arguments")


class ParentNotFoundError(NotFoundError):
    """There is no task to wait for."""

    code = "parent_not_found"


class InsertedGraph(NamedTuple):
    """What was inserted: a handle for each row, and what did not have to wait, or ended at once."""

    handles: list[TaskHandle[Any]]
    freed: list[Freed]


async def insert_graph(connection: Connection, rows: Sequence[TaskRow], client: Client | None = None) -> InsertedGraph:
    """Insert tasks with their edges in the transaction of `connection`; edges may lead from one to another.

    Raises:
        ParentNotFoundError: a parent is neither among them nor there already.
        InvalidDependencyError: there are more than 100,000 edges.
    """
    parents = {edge.parent_id for row in rows for edge in row.parents}
    edges = [
        (edge.parent_id, row.task_id, edge.on_success.value, edge.on_failure.value, list(edge.arguments) or None)
        for row in rows
        for edge in row.parents
    ]
    if len(edges) > MAX_EDGES:
        raise InvalidDependencyError(
            f"{len(edges):,} edges are more than {MAX_EDGES:,}; with a group between, two sets need n + m, not n · m."
        )
    ended = await hold(connection, parents - {row.task_id for row in rows})
    now = await connection.fetchval("SELECT now()")
    records = [
        (*row.record(now), *row.option_record(now), len(row.parents), row.task_id in parents, row.takes_results)
        for row in rows
    ]
    async with producing(connection, rows):
        await copy_into(connection, "tasks", _TASK_COLUMNS, records)
    await copy_into(connection, "task_dependencies", _EDGE_COLUMNS, edges)
    freed = await release(connection, ended)
    statuses = {child.task_id: child.status for child in freed}
    handles = (row.handle(client) for row in rows)
    return InsertedGraph([replace(one, status=statuses.get(one.task_id, one.status)) for one in handles], freed)


async def hold(connection: Connection, task_ids: set[UUID]) -> list[UUID]:
    """Lock tasks that are about to get children, and mark them; return those that have ended.

    Raises:
        ParentNotFoundError: one of them does not exist.
    """
    if not task_ids:
        return []
    held: dict[UUID, bool] = {row[0]: row[1] for row in await connection.fetch(sql.hold_parents, sorted(task_ids))}
    for task_id in sorted(task_ids - held.keys()):
        raise ParentNotFoundError(f"There is no task {task_id} to wait for.", task_id=str(task_id))
    return [task_id for task_id, has_ended in held.items() if has_ended]
