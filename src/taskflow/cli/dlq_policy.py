"""`taskflow dlq policy`: which tasks leave the dead letters by themselves."""

from urllib.parse import quote

import click

from taskflow.cli.client import Client, Output, speaks_http
from taskflow.cli.parameters import Duration

_COLUMNS = ("task_name", "max_retries", "delay_seconds", "backoff", "max_delay_seconds", "updated_at")


@click.group()
def policy() -> None:
    """List and set retry policies: which tasks leave the dead letters by themselves."""


@policy.command("list")
@speaks_http
def list_policies(client: Client, output: Output) -> None:
    """List retry policies by task name."""
    output.things(list(client.pages("/dead-letters/policies")), _COLUMNS, empty="No retry policies.")


@policy.command("set")
@click.argument("task_name", metavar="TASK")
@click.option("--retries", "max_retries", default=3, show_default=True, type=click.IntRange(1, 100), help="How often.")
@click.option("--delay", "delay_seconds", default="60s", show_default=True, type=Duration(), help="Before the first.")
@click.option("--backoff", default=2.0, show_default=True, type=click.FloatRange(1, 10), help="Factor of each delay.")
@click.option(
    "--max-delay", "max_delay_seconds", default="1d", show_default=True, type=Duration(), help="The longest delay."
)
@speaks_http
def set_policy(client: Client, output: Output, task_name: str, **policy: float) -> None:
    """Requeue the dead letters of TASK by themselves, also those that are there already."""
    done = client.request("PUT", f"/dead-letters/policies/{quote(task_name)}", json=policy)
    output.things([done], _COLUMNS, empty="")


@policy.command()
@click.argument("task_name", metavar="TASK")
@speaks_http
def delete(client: Client, output: Output, task_name: str) -> None:
    """Let the dead letters of TASK stay."""
    client.delete(f"/dead-letters/policies/{quote(task_name)}")
    output.thing({"deleted": task_name}, text=f"deleted {task_name}")
