"""`taskflow dlq`: tasks that were given up."""

import click

from taskflow.cli.client import Client, Output, speaks_http

_COLUMNS = ("dlq_id", "task_name", "total_attempts", "failure_reason", "moved_at", "requeued_at")


@click.group()
def dlq() -> None:
    """List and requeue dead letters."""


@dlq.command("list")
@click.option("--name", "task_name", help="Only this task.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="How many.")
@speaks_http
def list_dead_letters(client: Client, output: Output, task_name: str | None, limit: int) -> None:
    """List dead letters, newest first."""
    rows = list(client.pages("/dead-letters", limit, task_name=task_name))
    output.things(rows, _COLUMNS, empty="No dead letters.")


@dlq.command()
@click.argument("dlq_ids", nargs=-1)
@click.option("--name", "task_name", help="Those of this task.")
@click.option("--all", "everything", is_flag=True, help="All that nobody has requeued.")
@speaks_http
def requeue(client: Client, output: Output, dlq_ids: tuple[str, ...], task_name: str | None, everything: bool) -> None:
    """Start the tasks of dead letters over: by id, by name, or all."""
    if not (dlq_ids or task_name or everything):
        raise click.UsageError("Name ids, --name, or --all.")
    wanted = {"task_name": task_name, "dlq_ids": list(dlq_ids) or None}
    done = client.post("/dead-letters/requeue", {key: value for key, value in wanted.items() if value is not None})
    output.thing(done, text=f"{done['requeued']} requeued")
