"""`taskflow segment`: conditions on contacts, counted, kept and read."""

import sys
from pathlib import Path
from typing import Any

import click

from taskflow.cli.client import Client, Output, json_of, speaks_http, text_of
from taskflow.cli.finding import find_segment

_COLUMNS = ("segment_id", "name", "last_count", "counted_at", "updated_at")
_CONTACT_COLUMNS = ("contact_id", "email", "phone", "status", "tags")
_VOCABULARY_COLUMNS = ("condition", "name", "kind", "operators")
_CONDITIONS = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)


@click.group()
def segment() -> None:
    """Find contacts by conditions: a JSON file that `taskflow segment vocabulary` helps to write."""


@segment.command()
@click.argument("name")
@click.argument("conditions", type=_CONDITIONS)
@click.option("--description", help="What it is for.")
@click.option("--time-zone", help="Where days begin, such as Europe/Berlin. [default: UTC]")
@speaks_http
def create(
    client: Client, output: Output, name: str, conditions: Path, description: str | None, time_zone: str | None
) -> None:
    """Keep the conditions of a JSON file (- for the standard input) as NAME."""
    body = {"name": name, "description": description, "definition": _definition(conditions, time_zone)}
    made = client.post("/segments", body)
    output.thing(made, text=made["segment_id"])


@segment.command("list")
@click.option("--search", help="Part of the name.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="How many.")
@speaks_http
def list_segments(client: Client, output: Output, search: str | None, limit: int) -> None:
    """List segments, newest first."""
    output.things(list(client.pages("/segments", limit, search=search)), _COLUMNS, empty="No segments.")


@segment.command()
@click.argument("segment", metavar="NAME|ID")
@speaks_http
def show(client: Client, output: Output, segment: str) -> None:
    """Show a segment with its conditions."""
    output.thing(client.get(f"/segments/{find_segment(client, segment)}"))


@segment.command()
@click.argument("what")
@click.option("--time-zone", help="Where days begin, such as Europe/Berlin. [default: UTC]")
@speaks_http
def count(client: Client, output: Output, what: str, time_zone: str | None) -> None:
    """Count the contacts of a segment (its name or id) or of the conditions in a file, which are not kept."""
    if what == "-" or Path(what).is_file():
        counted = client.post("/segments/count", _definition(Path(what), time_zone))
    else:
        counted = client.post(f"/segments/{find_segment(client, what)}/count")
    output.thing(counted, text=f"{counted['contacts']:,} contacts, {counted['reachable']:,} of them by mail")


@segment.command()
@click.argument("segment", metavar="NAME|ID")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="How many.")
@speaks_http
def contacts(client: Client, output: Output, segment: str, limit: int) -> None:
    """List the contacts that are in a segment now, oldest first."""
    rows = list(client.pages(f"/segments/{find_segment(client, segment)}/contacts", limit))
    output.things(rows, _CONTACT_COLUMNS, empty="Nobody.")


@segment.command()
@click.argument("segment", metavar="NAME|ID")
@click.option("--name", help="Another name.")
@click.option("--description", help="Another description.")
@click.option("--conditions", type=_CONDITIONS, help="A JSON file with other conditions.")
@click.option("--time-zone", help="Where days begin, with --conditions.")
@speaks_http
def update(
    client: Client, output: Output, segment: str, conditions: Path | None, time_zone: str | None, **changes: Any
) -> None:
    """Change a segment."""
    body = {name: value for name, value in changes.items() if value is not None}
    if conditions is not None:
        body["definition"] = _definition(conditions, time_zone)
    changed = client.request("PATCH", f"/segments/{find_segment(client, segment)}", json=body)
    output.things([changed], _COLUMNS, empty="")


@segment.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME|ID...")
@speaks_http
def delete(client: Client, output: Output, names: tuple[str, ...]) -> None:
    """Delete segments; their contacts stay."""
    for name in names:
        client.delete(f"/segments/{find_segment(client, name)}")
    output.thing({"deleted": list(names)}, text=f"deleted {', '.join(names)}")


@segment.command()
@speaks_http
def vocabulary(client: Client, output: Output) -> None:
    """Show what conditions can be made of: fields, operators, events."""
    found = client.get("/segments/vocabulary")
    if output.as_json:
        output.thing(found)
        return
    rows = [field | {"operators": " ".join(field["operators"])} for field in found["fields"]]
    output.things(rows, _VOCABULARY_COLUMNS, empty="")
    click.echo(f"events: {' '.join(found['events'])}")


def _definition(conditions: Path, time_zone: str | None) -> Any:
    """Return what a file says: a whole definition, or its condition alone."""
    text = sys.stdin.read() if str(conditions) == "-" else text_of(conditions)
    found = json_of(text, str(conditions))
    if isinstance(found, dict) and "condition" in found and "type" not in found:
        return found | ({"time_zone": time_zone} if time_zone else {})
    return {"condition": found, "time_zone": time_zone or "UTC"}
