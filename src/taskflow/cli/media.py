"""`taskflow media`: files that mails show or carry."""

from pathlib import Path

import click

from taskflow.cli.client import Client, Output, speaks_http

_COLUMNS = ("media_id", "filename", "content_type", "size", "created_at")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_UPLOAD_SECONDS = 120.0


@click.group()
def media() -> None:
    """Upload, list and delete images and other files."""


@media.command()
@click.argument("file", type=_FILE)
@speaks_http
def upload(client: Client, output: Output, file: Path) -> None:
    """Upload FILE and print its id and its address."""
    with file.open("rb") as stream:
        made = client.request("POST", "/media", files={"file": (file.name, stream)}, timeout=_UPLOAD_SECONDS)
    output.thing(made, text=f"{made['media_id']}  {made['content_type']}  {made['url']}")


@media.command("list")
@click.option("--search", help="Part of the name.")
@click.option("--images", is_flag=True, help="Images only.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="How many.")
@speaks_http
def list_media(client: Client, output: Output, search: str | None, images: bool, limit: int) -> None:
    """List files, newest first."""
    rows = list(client.pages("/media", limit, search=search, content_type="image/" if images else None))
    output.things(rows, _COLUMNS, empty="No files.")


@media.command()
@click.argument("media_id")
@speaks_http
def delete(client: Client, output: Output, media_id: str) -> None:
    """Delete a file that no template carries."""
    client.delete(f"/media/{media_id}")
    output.thing({"media_id": media_id}, text="Deleted.")
