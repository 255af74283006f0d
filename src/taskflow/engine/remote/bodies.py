"""The JSON of tasks and graphs as the API takes them."""

from collections.abc import Iterable
from typing import Any

from taskflow.engine.dependencies.models import GROUP, Edge
from taskflow.engine.requests import TaskRow


def task_body(row: TaskRow) -> dict[str, Any]:
    """Return the body that enqueues a task."""
    body = {
        "task_name": row.task_name,
        "args": row.kwargs or {},
        "queue": row.queue,
        "priority": row.priority if "priority" in row.said else None,  # else the queue may have one
        "max_retries": row.max_retries if "max_retries" in row.said else None,
        "timeout_seconds": row.timeout if "timeout" in row.said else None,
        "delay_seconds": row.delay,
        "version": row.payload_version,
        "tags": list(row.tags),
        "expires_in_seconds": row.expires_in,
        "unique_key": row.unique and row.unique.key,
        "unique_for_seconds": row.unique and row.unique.seconds,
        "on_conflict": row.unique and row.unique.on_conflict,
    }
    if row.parents:
        body |= {"after": [_parent(edge) for edge in row.parents], "results": _results(row.parents)}
    return body


def graph_body(rows: Iterable[TaskRow]) -> dict[str, Any]:
    """Return the body that submits a graph; its nodes are named by their ids."""
    tasks, groups = [], []
    for row in rows:
        if row.task_name == GROUP:
            groups.append({"name": str(row.task_id), "members": [str(edge.parent_id) for edge in row.parents]})
        else:
            tasks.append(task_body(row) | {"name": str(row.task_id)})
    return {"tasks": tasks, "groups": groups}


def _parent(edge: Edge) -> dict[str, str]:
    return {"parent": str(edge.parent_id), "on_failure": edge.on_failure, "on_success": edge.on_success}


def _results(edges: Iterable[Edge]) -> dict[str, str | list[str]]:
    """Return the arguments that take results, and whose: of one, or of several in their order."""
    found: dict[str, str | list[str]] = {}
    places = [(name, place, str(edge.parent_id)) for edge in edges for name, place in edge.arguments]
    for name, _, parent in sorted(places, key=lambda one: (one[0], one[1] or 0)):
        found[name] = [*found.get(name, ()), parent]
    single = {name for name, place, _ in places if place is None}
    return {name: parents[0] if name in single else parents for name, parents in found.items()}
