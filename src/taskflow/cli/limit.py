"""`taskflow limit`: see what limits tasks and their keys, and override it."""

import click

from taskflow.cli.client import Client, Output, speaks_http
from taskflow.cli.queue import changes_of

_COLUMNS = ("task_name", "key", "concurrency", "rate", "weight", "running", "source", "code_concurrency", "code_rate")
_TASK = click.argument("task_name", metavar="TASK")
_KEY = click.argument("key", required=False)


@click.group()
def limit() -> None:
    """List and override the limits of tasks and of their keys."""


@limit.command("list")
@speaks_http
def list_limits(client: Client, output: Output) -> None:
    """List limits, and what the definitions say where they are overridden."""
    output.things(list(client.pages("/limits")), _COLUMNS, empty="No limits.")


@limit.command("set")
@_TASK
@_KEY
@click.option("--concurrency", help="How many run at a time.")
@click.option("--rate", help="How many start in a while: 100/m, 10/s, 5/30s, 1000/h.")
@click.option("--weight", help="Share beside other keys of the queue. [default: 1]")
@speaks_http
def set_limit(client: Client, output: Output, task_name: str, key: str | None, **options: str | None) -> None:
    """Override what limits TASK (each of its keys, if it has a concurrency_key), or one KEY; `none` takes one away."""
    body = {"task_name": task_name, "key": key} | changes_of(options)
    output.thing(client.request("PUT", "/limits", json=body))


@limit.command()
@_TASK
@_KEY
@speaks_http
def reset(client: Client, output: Output, task_name: str, key: str | None) -> None:
    """Let the definition of TASK decide again, also about KEY."""
    client.post("/limits/reset", {"task_name": task_name, "key": key})
    output.thing({"reset": task_name, "key": key}, text=f"reset {task_name}{' ' + key if key else ''}")
