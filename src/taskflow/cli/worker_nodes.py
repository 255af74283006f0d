"""`taskflow worker list|pause|resume`: look after the nodes that run."""

import click

from taskflow.cli.client import Client, Output, speaks_http

_COLUMNS = ("worker_id", "hostname", "status", "current_load", "capacity", "queues", "last_heartbeat")


@click.command("list")
@speaks_http
def list_workers(client: Client, output: Output) -> None:
    """List the nodes of the last day."""
    output.things(list(client.pages("/workers")), _COLUMNS, empty="No workers.")


@click.command()
@click.argument("worker_ids", nargs=-1, required=True)
@speaks_http
def pause(client: Client, output: Output, worker_ids: tuple[str, ...]) -> None:
    """Let nodes finish what they run and take nothing new."""
    rows = [client.post(f"/workers/{worker_id}/pause") for worker_id in worker_ids]
    output.things(rows, _COLUMNS, empty="")


@click.command()
@click.argument("worker_ids", nargs=-1, required=True)
@speaks_http
def resume(client: Client, output: Output, worker_ids: tuple[str, ...]) -> None:
    """Let paused nodes take tasks again."""
    rows = [client.post(f"/workers/{worker_id}/resume") for worker_id in worker_ids]
    output.things(rows, _COLUMNS, empty="")


COMMANDS = (list_workers, pause, resume)
