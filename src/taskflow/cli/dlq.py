"""`taskflow dlq`: tasks that were given up."""

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

import click

from taskflow.cli.client import Client, Output, json_of, speaks_http
from taskflow.cli.dlq_policy import policy
from taskflow.cli.parameters import Instant, PriorityLevel
from taskflow.cli.task import pair

F = TypeVar("F", bound=Callable[..., Any])

_COLUMNS = ("dlq_id", "task_name", "total_attempts", "failure_reason", "moved_at", "requeued_at")
_GROUP_COLUMNS = ("fingerprint", "task_name", "letters", "waiting", "error_class", "error_place", "last_at")
_FILTERS = (
    click.option("--name", "task_name", help="Only this task."),
    click.option("--queue", help="Only this queue."),
    click.option("--fingerprint", help="Only this group: see `taskflow dlq groups`."),
    click.option(
        "--after", "moved_after", type=Instant(), help="Given up at this instant or later: 2026-01-31T09:00:00+01:00."
    ),
    click.option("--before", "moved_before", type=Instant(), help="Given up before this instant."),
    click.option("--text", help="Occurs in the reason, the traceback or the arguments."),
)


def _filtered(command: F) -> F:
    """Give a command the options that choose letters."""
    for option in reversed(_FILTERS):
        command = option(command)
    return command


_REQUEUED = click.option(
    "--requeued/--waiting", default=None, help="Only those that were requeued, or only the others."
)


@click.group()
def dlq() -> None:
    """List, requeue and purge dead letters."""


dlq.add_command(policy)


@dlq.command("list")
@_filtered
@_REQUEUED
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="How many.")
@speaks_http
def list_dead_letters(client: Client, output: Output, limit: int, **query: Any) -> None:
    """List dead letters, newest first."""
    output.first(client.pages("/dead-letters", limit + 1, **query), limit, _COLUMNS, empty="No dead letters.")


@dlq.command()
@_filtered
@_REQUEUED
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="How many.")
@speaks_http
def groups(client: Client, output: Output, limit: int, **query: Any) -> None:
    """List what breaks tasks: letters grouped by error class and place in the code."""
    rows = client.pages("/dead-letters/groups", limit + 1, **query)
    output.first(rows, limit, _GROUP_COLUMNS, empty="No dead letters.")


@dlq.command()
@click.argument("dlq_id", type=click.UUID)
@speaks_http
def show(client: Client, output: Output, dlq_id: UUID) -> None:
    """Show a dead letter: the task, its attempts, the traceback."""
    found = client.get(f"/dead-letters/{dlq_id}")
    if output.as_json:
        output.thing(found)
        return
    attempts, stack = found.pop("executions"), found.pop("stack_trace")
    output.facts(found)
    for row in attempts:
        line = f"attempt {row['attempt_number']}: {row['status']}  {row['error_message'] or ''}"
        output.thing(row, text=line.rstrip())
    if stack:
        output.thing(stack, text=f"\n{stack.rstrip()}")


@dlq.command()
@click.argument("dlq_ids", nargs=-1, type=click.UUID)
@_filtered
@click.option("--all", "everything", is_flag=True, help="All that nobody has requeued.")
@click.option("--set", "arguments", multiple=True, metavar="KEY=VALUE", help="Of one letter: another argument.")
@click.option("--args", "whole", help="Of one letter: all arguments as JSON, an object of keywords or a list.")
@click.option("--to-queue", help="Of one letter: another queue.")
@click.option("--priority", type=PriorityLevel(), help="Of one letter: CRITICAL, HIGH, MEDIUM, LOW, or 1 to 10.")
@speaks_http
def requeue(
    client: Client,
    output: Output,
    dlq_ids: tuple[UUID, ...],
    everything: bool,
    arguments: tuple[str, ...],
    whole: str | None,
    to_queue: str | None,
    priority: int | None,
    **query: str | None,
) -> int:
    """Start the tasks of dead letters over: by id, by filter, or all.

    With --set, --args, --to-queue or --priority, one letter becomes another task, and is linked to it.
    """
    if arguments or whole or to_queue or priority:
        if len(dlq_ids) != 1 or everything or any(query.values()):
            raise click.UsageError("Name exactly one letter to change.")
        edit = _edit(client, dlq_ids[0], arguments, whole, to_queue, priority)
        done = client.post(f"/dead-letters/{dlq_ids[0]}/requeue", edit)
        output.thing(done, text=done["requeued_task_id"])
        return 0
    done = client.post("/dead-letters/requeue", _selection(dlq_ids, everything, query))
    output.thing(done, text=f"{done['requeued']} requeued")
    return _missed(dlq_ids, done["requeued"], "not there, or requeued already")


@dlq.command()
@click.argument("dlq_ids", nargs=-1, type=click.UUID)
@_filtered
@_REQUEUED
@click.option("--all", "everything", is_flag=True, help="All of them.")
@speaks_http
def purge(client: Client, output: Output, dlq_ids: tuple[UUID, ...], everything: bool, **query: Any) -> int:
    """Delete dead letters: by id, by filter, or all. Their tasks stay as they are."""
    done = client.post("/dead-letters/purge", _selection(dlq_ids, everything, query))
    output.thing(done, text=f"{done['purged']} purged")
    return _missed(dlq_ids, done["purged"], "not there")


def _selection(dlq_ids: tuple[UUID, ...], everything: bool, query: dict[str, Any]) -> dict[str, Any]:
    chosen = {name: value for name, value in query.items() if value is not None}
    if dlq_ids:
        chosen["dlq_ids"] = [str(dlq_id) for dlq_id in dlq_ids]
    if not chosen and not everything:
        raise click.UsageError("Name ids or a filter (--name, --queue, --fingerprint, …), or say --all.")
    return chosen | ({"all": True} if everything else {})


def _missed(dlq_ids: tuple[UUID, ...], done: int, why: str) -> int:
    """Say how many of the letters that were named are left, and return the exit code."""
    left = len(set(dlq_ids)) - done
    if left <= 0:
        return 0
    click.echo(f"{left} of {len(set(dlq_ids))} letters: {why}.", err=True)
    return 1


def _edit(
    client: Client, dlq_id: UUID, arguments: tuple[str, ...], whole: str | None, queue: str | None, priority: int | None
) -> dict[str, Any]:
    edit: dict[str, Any] = {}
    if whole:
        edit["args"] = json_of(whole, "--args")
    elif arguments:
        data = client.get(f"/dead-letters/{dlq_id}")["task_data"]
        if data["task_args"]:
            raise click.UsageError("This task has positional arguments: give all of them with --args '[…]'.")
        edit["args"] = (data["task_kwargs"] or {}) | dict(pair(text) for text in arguments)
    if queue:
        edit["queue"] = queue
    if priority:
        edit["priority"] = priority
    return edit
