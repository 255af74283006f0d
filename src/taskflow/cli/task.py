"""`taskflow task`: submit tasks and follow what becomes of them."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import click

from taskflow.base.terminal import printable
from taskflow.cli.client import Client, Output, json_of, speaks_http
from taskflow.cli.parameters import Duration, Instant, PriorityLevel
from taskflow.cli.table import cell
from taskflow.cli.task_graph import graph, steer, submit_graph

_COLUMNS = ("task_id", "task_name", "status", "priority", "queue", "retry_count", "created_at")
_STATUSES = ("PENDING", "SCHEDULED", "BLOCKED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "TIMEOUT")
_ENDED = frozenset({"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT"})


@click.group()
def task() -> None:
    """Submit, list, watch, cancel and retry tasks."""


task.add_command(submit_graph)
task.add_command(graph)


@task.command()
@click.argument("name")
@click.argument("arguments", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--args", "whole", help="All arguments as JSON: an object of keywords, or a list.")
@click.option("--priority", type=PriorityLevel(), help="CRITICAL, HIGH, MEDIUM, LOW, or 1 to 10.")
@click.option("--queue", help="Another queue than the task's own.")
@click.option("--delay", "delay_seconds", type=Duration(), help="Not before so long from now: 30s, 5m, 2h, 1d.")
@click.option("--at", "scheduled_at", type=Instant(), help="Not before this instant: 2026-01-31T09:00:00+01:00.")
@click.option("--max-retries", type=click.IntRange(0), help="Attempts after the first.")
@click.option("--timeout", "timeout_seconds", type=click.IntRange(1), help="Seconds an attempt may take.")
@click.option(
    "--after", multiple=True, metavar="TASK_ID", type=click.UUID, help="A task that must end first; may be repeated."
)
@click.option("--tag", "tags", multiple=True, help="A word to find it by; may be repeated.")
@click.option("--expires-in", "expires_in_seconds", type=Duration(), help="It must begin within: 30s, 5m, 2h, 1d.")
@click.option("--unique-key", help="While another task of this name holds the key, --on-conflict decides.")
@click.option("--unique-for", "unique_for_seconds", type=Duration(), help="How long to hold it; else until its end.")
@click.option("--on-conflict", type=click.Choice(["return", "raise", "replace"]), help="[default: the task's own]")
@click.option("--idempotency-key", help="A repetition under the same key returns the first task.")
@click.option("--wait", is_flag=True, help="Wait for its end; the exit code is 1 unless it completes.")
@speaks_http
def submit(
    client: Client,
    output: Output,
    name: str,
    arguments: tuple[str, ...],
    whole: str | None,
    after: tuple[UUID, ...],
    idempotency_key: str | None,
    tags: tuple[str, ...],
    wait: bool,
    **options: Any,
) -> int:
    """Submit the task NAME; values are JSON where they can be, text otherwise: `resize image_id=3 name=tree`."""
    body = {
        "task_name": name,
        "args": args_of(arguments, whole),
        "after": [str(parent) for parent in after] or None,
        "tags": list(tags) or None,
        **options,
    }
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    created = client.post("/tasks", {key: value for key, value in body.items() if value is not None}, headers=headers)
    if wait:
        return follow(client, output, [created["task_id"]])
    output.thing(created, text=created["task_id"])
    return 0


@task.command("list")
@click.option("--status", multiple=True, type=click.Choice(_STATUSES, case_sensitive=False), help="May be repeated.")
@click.option("--name", "task_name", help="Only this task.")
@click.option("--queue", help="Only this queue.")
@click.option("--tag", multiple=True, help="Only tasks with this tag; repeated, with all of them.")
@click.option("--campaign", "campaign_id", help="Only this campaign's.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="How many.")
@speaks_http
def list_tasks(
    client: Client, output: Output, status: tuple[str, ...], tag: tuple[str, ...], limit: int, **query: str | None
) -> None:
    """List tasks, newest first."""
    rows = client.pages("/tasks", limit + 1, status=list(status) or None, tag=list(tag) or None, **query)
    output.first(rows, limit, _COLUMNS, empty="No tasks.")


@task.command()
@click.argument("task_id", type=click.UUID)
@speaks_http
def get(client: Client, output: Output, task_id: UUID) -> None:
    """Show a task with its progress, its attempts, its result and its log."""
    found = client.get(f"/tasks/{task_id}")
    if output.as_json:
        output.thing(found)
        return
    parts = {key: found.pop(key) for key in ("progress", "dependencies", "executions", "result", "logs")}
    output.facts(found)
    if parts["progress"]:
        click.echo(f"progress: {_how_far(parts['progress'])}")
    for parent in parts["dependencies"]:
        click.echo(f"after {parent['parent_id']}  {cell(parent['task_name'])}  {cell(parent['status'])}")
    for execution in parts["executions"]:
        click.echo(_attempt(execution))
    if parts["result"]:
        result = parts["result"]
        trace = printable(result["stack_trace"] or "", keep="\n\t")
        click.echo(trace or f"result: {cell(result['result_data'])}")
    _print_logs(parts["logs"])


@task.command()
@click.argument("task_id", type=click.UUID)
@speaks_http
def logs(client: Client, output: Output, task_id: UUID) -> None:
    """Print what a task logged."""
    lines = list(client.pages(f"/tasks/{task_id}/logs"))
    if output.as_json:
        output.thing(lines)
    else:
        _print_logs(lines)


@task.command()
@click.argument("task_ids", nargs=-1, required=True, type=click.UUID)
@click.option("--subtree", is_flag=True, help="And everything that waits for them, however far down.")
@speaks_http
def cancel(client: Client, output: Output, task_ids: tuple[UUID, ...], subtree: bool) -> None:
    """Cancel tasks; those that run are asked to stop."""
    if subtree:
        steer(client, output, task_ids, "cancel")
        return
    rows = [client.delete(f"/tasks/{task_id}") for task_id in task_ids]
    output.things(rows, _COLUMNS, empty="")


@task.command()
@click.argument("task_ids", nargs=-1, required=True, type=click.UUID)
@click.option("--from-failed", is_flag=True, help="What failed above or below them, and all that follows from it.")
@speaks_http
def retry(client: Client, output: Output, task_ids: tuple[UUID, ...], from_failed: bool) -> None:
    """Start tasks over that failed, timed out or were cancelled."""
    if from_failed:
        steer(client, output, task_ids, "retry")
        return
    rows = [client.post(f"/tasks/{task_id}/retry") for task_id in task_ids]
    output.things(rows, _COLUMNS, empty="")


@task.command()
@click.argument("task_ids", nargs=-1, type=click.UUID)
@speaks_http
def watch(client: Client, output: Output, task_ids: tuple[UUID, ...]) -> int:
    """Wait for tasks to end (exit code 1 unless all complete) and print how far they are; without ids, print the ends
    of all tasks until Ctrl-C.
    """
    if task_ids:
        for task_id in task_ids:
            client.get(f"/tasks/{task_id}")  # a wrong id is refused before anything is waited for
        return follow(client, output, [str(task_id) for task_id in task_ids])
    for event in client.events("tasks"):
        if event.type != "resync":
            output.thing(event.data, text=f"{event.data['task_id']}  {event.data['status']}")
    return 0


def follow(client: Client, output: Output, task_ids: list[str]) -> int:
    """Wait for tasks to end and print how; return the exit code."""
    ended: dict[str, str] = {}
    for event in client.events(*(f"task:{task_id}" for task_id in task_ids)):
        if event.type == "task.progress":
            output.thing(event.data, text=f"{event.data['task_id']}  {_how_far(event.data)}")
            continue
        for task_id in [item for item in task_ids if item not in ended]:
            if event.type == "resync" or event.data["task_id"] == task_id:
                status = client.get(f"/tasks/{task_id}")["status"]
                if status in _ENDED:
                    ended[task_id] = status
                    output.thing({"task_id": task_id, "status": status}, text=f"{task_id}  {status}")
        if len(ended) == len(set(task_ids)):
            break
    return int(any(status != "COMPLETED" for status in ended.values()))


def _how_far(progress: dict[str, Any]) -> str:
    percent = "" if progress["percent"] is None else f"{progress['percent']:.0f} %"
    count = "" if progress["total"] is None else f"({progress['done']} of {progress['total']})"
    return "  ".join(filter(None, (percent, count, printable(progress["message"] or ""))))


def _attempt(execution: dict[str, Any]) -> str:
    seconds, error = execution["duration_seconds"], execution["error_message"]
    duration = "" if seconds is None else f" after {seconds} s"  # nobody knows how long one that crashed had run
    return f"attempt {execution['attempt_number']}: {execution['status']}{duration}" + (
        f": {cell(error)}" if error else ""
    )


def _print_logs(lines: list[dict[str, Any]]) -> None:
    for line in lines:
        fields = "".join(f"  {name}={cell(value)}" for name, value in (line["metadata"] or {}).items())
        message = printable(line["message"], keep="\n\t")
        click.echo(f"{line['created_at']}  {line['level']:<7}  {message}{fields}")


def args_of(pairs: Sequence[str], whole: str | None) -> Any:
    """Return the arguments of a task: KEY=VALUE each, or all of them as JSON.

    Raises:
        click.UsageError: both are given, or one is not what it should be.
    """
    if whole is None:
        return dict(pair(text) for text in pairs)
    if pairs:
        raise click.UsageError("Give arguments as KEY=VALUE or as --args, not both.")
    return json_of(whole, "--args")


def pair(text: str) -> tuple[str, Any]:
    """Read KEY=VALUE; the value is JSON where it can be, text otherwise."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise click.UsageError(f"{text!r} is not KEY=VALUE.")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value
