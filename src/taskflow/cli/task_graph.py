"""`taskflow task graph` and `submit-graph`: tasks that wait for each other."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import click

from taskflow.cli.client import Client, Output, json_of, speaks_http, text_of

_COLUMNS = ("no", "task_id", "task_name", "status", "after")
_VERBS = {"cancel": "cancelled", "retry": "retried"}


@click.command("submit-graph")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--idempotency-key", help="A repetition under the same key returns the first graph.")
@speaks_http
def submit_graph(client: Client, output: Output, file: Path, idempotency_key: str | None) -> None:
    """Submit the tasks that a JSON file describes, all or none, and print their ids by name.

    The file is what POST /api/v1/tasks/graph takes: {"tasks": [{"name": "a", "task_name": "fetch"},
    {"name": "b", "task_name": "report", "after": ["a"]}]}.
    """
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    created = client.post("/tasks/graph", json_of(text_of(file), str(file)), headers=headers)
    rows = [{"name": name, "task_id": task_id} for name, task_id in created["task_ids"].items()]
    if output.as_json:
        output.thing(created)
    else:
        output.things(rows, ("name", "task_id"), empty="")


@click.command()
@click.argument("task_id", type=click.UUID)
@click.option("--limit", default=1_000, show_default=True, type=click.IntRange(1, 10_000), help="The nearest so many.")
@speaks_http
def graph(client: Client, output: Output, task_id: UUID, limit: int) -> None:
    """Show all tasks that hang together with one, parents before children, and what each waits for."""
    found = client.get(f"/tasks/{task_id}/graph", limit=limit)
    if output.as_json:
        output.thing(found)
        return
    output.things(_rows(found), _COLUMNS, empty="")
    if found["truncated"]:
        click.echo(f"There are more; these are the {limit:,} nearest.", err=True)


def steer(client: Client, output: Output, task_ids: Sequence[UUID], verb: Literal["cancel", "retry"]) -> None:
    """Cancel or retry tasks with what hangs on them, and print how many tasks that were."""
    rows = [{"task_id": str(task_id), **client.post(f"/tasks/{task_id}/graph/{verb}")} for task_id in task_ids]
    output.things(rows, ("task_id", _VERBS[verb]), empty="")


def _rows(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a line a task; what it waits for is told by the numbers of lines."""
    numbers = {node["task_id"]: number for number, node in enumerate(found["nodes"], 1)}
    parents: dict[str, list[int]] = {}
    for edge in found["edges"]:
        parents.setdefault(edge["child_id"], []).append(numbers[edge["parent_id"]])
    return [
        {**node, "no": number, "after": ", ".join(map(str, sorted(parents.get(node["task_id"], [])))) or None}
        for number, node in enumerate(found["nodes"], 1)
    ]
