"""`taskflow snippet`: pieces that templates include by name."""

from pathlib import Path
from typing import Any

import click

from taskflow.base.errors import NotFoundError
from taskflow.cli.client import Client, Output, speaks_http, text_of

_COLUMNS = ("name", "version", "description", "updated_at")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def snippet() -> None:
    """Make, change, list and delete snippets."""


@snippet.command()
@click.argument("name")
@click.argument("body", type=_FILE)
@click.option("--description", help="What it is for.")
@speaks_http
def create(client: Client, output: Output, name: str, body: Path, description: str | None) -> None:
    """Make the snippet NAME from the file BODY."""
    made = client.post("/snippets", {"name": name, "body": text_of(body), "description": description})
    output.thing(made, text=made["snippet_id"])


@snippet.command()
@click.argument("name")
@click.argument("body", type=_FILE)
@speaks_http
def update(client: Client, output: Output, name: str, body: Path) -> None:
    """Change a snippet; templates take it along when they are saved next."""
    path = f"/snippets/{_find(client, name)['snippet_id']}"
    changed = client.request("PATCH", path, json={"body": text_of(body)})
    behind = [use["name"] for use in changed["used_by"] if not use["is_current"]]
    text = f"Version {changed['version']}." + (f" Save again to take it along: {', '.join(behind)}." if behind else "")
    output.thing(changed, text=text)


@snippet.command("list")
@speaks_http
def list_snippets(client: Client, output: Output) -> None:
    """List snippets by name."""
    output.things(list(client.pages("/snippets")), _COLUMNS, empty="No snippets.")


@snippet.command()
@click.argument("name")
@speaks_http
def show(client: Client, output: Output, name: str) -> None:
    """Show a snippet's body, or with --json also who includes it."""
    found = client.get(f"/snippets/{_find(client, name)['snippet_id']}")
    output.thing(found, text=found["body"])


@snippet.command()
@click.argument("name")
@speaks_http
def delete(client: Client, output: Output, name: str) -> None:
    """Delete a snippet; saved versions of templates keep their copy."""
    found = _find(client, name)
    client.delete(f"/snippets/{found['snippet_id']}")
    output.thing({"name": name}, text="Deleted.")


def _find(client: Client, name: str) -> dict[str, Any]:
    for found in client.pages("/snippets", search=name):
        if found["name"] == name:
            return found
    raise NotFoundError(f"There is no snippet called {name!r}.")
