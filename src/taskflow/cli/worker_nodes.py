"""`taskflow worker list|pause|resume|drain|shutdown`: look after the nodes that run."""

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import click

from taskflow.cli.client import Client, Output, speaks_http

_COLUMNS = ("worker_id", "hostname", "status", "wanted", "current_load", "capacity", "queues", "last_heartbeat")
_POLL = 0.1
_OBEYED: dict[str, Callable[[str], bool]] = {
    "pause": lambda status: status in {"PAUSED", "DRAINING", "DEAD"},
    "resume": lambda status: status != "PAUSED",
    "drain": lambda status: status in {"DRAINING", "DEAD"},
    "shutdown": lambda status: status == "DEAD",
}


@click.command("list")
@speaks_http
def list_workers(client: Client, output: Output) -> None:
    """List the nodes of the last day."""
    rows = list(client.pages("/workers"))
    output.things(rows if output.as_json else [_shown(row) for row in rows], _COLUMNS, empty="No workers.")


def _steering(verb: str, summary: str) -> click.Command:
    """Return a command that tells nodes something and shows them once they have obeyed."""

    @click.command(verb, help=f"{summary} Shows them as they are once they have obeyed, or after --wait seconds.")
    @click.argument("worker_ids", nargs=-1, required=True, type=click.UUID)
    @click.option("--wait", default=15.0, show_default=True, type=click.FloatRange(0), help="Seconds to wait at most.")
    @speaks_http
    def steer(client: Client, output: Output, worker_ids: tuple[UUID, ...], wait: float) -> int:
        for worker_id in worker_ids:
            client.post(f"/workers/{worker_id}/{verb}")
        give_up = time.monotonic() + wait
        rows = [_obeyed(client, worker_id, verb, give_up) for worker_id in worker_ids]
        output.things(rows if output.as_json else [_shown(row) for row in rows], _COLUMNS, empty="")
        late = [row["worker_id"] for row in rows if not _OBEYED[verb](row["status"])]
        if late:
            click.echo(f"Not done yet, but it will be with their next heartbeat: {', '.join(late)}", err=True)
        return 1 if late else 0

    return steer


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"queues": row["queues"] or ["all"]}


def _obeyed(client: Client, worker_id: UUID, verb: str, give_up: float) -> dict[str, Any]:
    while True:
        row: dict[str, Any] = client.get(f"/workers/{worker_id}")
        if _OBEYED[verb](row["status"]) or time.monotonic() >= give_up:
            return row
        time.sleep(_POLL)


COMMANDS = (
    list_workers,
    _steering("pause", "Let nodes finish what they run and take nothing new."),
    _steering("resume", "Let paused nodes take tasks again."),
    _steering("drain", "Let nodes finish what they run, hand back what waits there, and leave."),
    _steering("shutdown", "Let nodes stop what they run, hand all of it back, and leave; no attempt is burnt."),
)
