"""`taskflow queue`: see queues, and steer them."""

from typing import Any

import click

from taskflow.cli.client import Client, Output, speaks_http

_COLUMNS = ("name", "state", "waiting", "oldest_seconds", "running", "per_minute", "concurrency", "rate", "weight")
_NAMES = click.argument("names", nargs=-1, required=True)


@click.group()
def queue() -> None:
    """List, pause, resume, drain, purge and limit queues."""


@queue.command("list")
@speaks_http
def list_queues(client: Client, output: Output) -> None:
    """List queues by name."""
    output.things([_rounded(row) for row in client.pages("/queues")], _COLUMNS, empty="No queues.")


@queue.command()
@click.argument("name")
@speaks_http
def show(client: Client, output: Output, name: str) -> None:
    """Show a queue."""
    output.thing(_rounded(client.get(f"/queues/{name}")))


@queue.command()
@click.argument("name")
@click.option("--count", default=10, show_default=True, type=click.IntRange(1, 100), help="How many of each line.")
@speaks_http
def peek(client: Client, output: Output, name: str, count: int) -> None:
    """Show the ids that stand first in the lines of a queue."""
    ids = client.get(f"/queues/{name}/peek", count=count)
    output.thing(ids, text="\n".join(ids) or "Nothing waits.")


@queue.command()
@_NAMES
@speaks_http
def pause(client: Client, output: Output, names: tuple[str, ...]) -> None:
    """Hand out nothing more; what runs goes on."""
    _steer(client, output, names, "pause")


@queue.command()
@_NAMES
@speaks_http
def resume(client: Client, output: Output, names: tuple[str, ...]) -> None:
    """Hand out again, and take new tasks again."""
    _steer(client, output, names, "resume")


@queue.command()
@_NAMES
@speaks_http
def drain(client: Client, output: Output, names: tuple[str, ...]) -> None:
    """Take no new tasks and run those that wait; `show` says drained when nothing is left."""
    _steer(client, output, names, "drain")


@queue.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@speaks_http
def purge(client: Client, output: Output, name: str, yes: bool) -> None:
    """Cancel all tasks of a queue that have not started."""
    if not yes:
        click.confirm(f"Cancel every task that waits in {name}?", abort=True, err=True)
    done = client.post(f"/queues/{name}/purge")
    output.thing(done, text=f"{done['cancelled']:,} tasks cancelled.")


@queue.command("set")
@click.argument("name")
@click.option("--priority", help="Of tasks that say nothing else: CRITICAL, HIGH, MEDIUM, LOW, or 1 to 10.")
@click.option("--max-retries", help="Likewise: attempts after the first.")
@click.option("--timeout", "timeout_seconds", help="Likewise: seconds an attempt may take.")
@click.option("--concurrency", help="How many tasks run at a time.")
@click.option("--rate", help="How many start in a while: 100/m, 10/s, 5/30s, 1000/h.")
@click.option("--weight", help="Share of the workers beside other queues. [default: 1]")
@click.option("--aging", "aging_seconds", help="Seconds of waiting that are worth a priority level.")
@speaks_http
def set_queue(client: Client, output: Output, name: str, **options: str | None) -> None:
    """Change what tasks get in a queue, and its limits; `none` takes one away. A queue that is not there is made."""
    changes = changes_of(options)
    output.thing(_rounded(client.request("PATCH", f"/queues/{name}", json=changes)))


def changes_of(options: dict[str, str | None]) -> dict[str, Any]:
    """Return what was given on the command line: numbers as numbers, `none` as null.

    Raises:
        click.UsageError: nothing was.
    """
    given = {name: text for name, text in options.items() if text is not None}
    if not given:
        raise click.UsageError("Say what to change; --help lists it.")
    return {name: _value(name, text) for name, text in given.items()}


def _value(name: str, text: str) -> Any:
    if text.lower() == "none":
        return None
    if name == "rate":
        return text
    try:
        return int(text) if text.isdecimal() else float(text)
    except ValueError:
        if name == "priority":
            return text.upper()
        raise click.UsageError(f"{text!r} is no number.") from None


def _steer(client: Client, output: Output, names: tuple[str, ...], verb: str) -> None:
    rows = [client.post(f"/queues/{name}/{verb}") for name in names]
    output.things([_rounded(row) for row in rows], _COLUMNS, empty="")


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    age = row["oldest_seconds"]
    return row | {"oldest_seconds": None if age is None else round(age, 1)}
