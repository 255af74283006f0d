"""`taskflow inbox`: what the sandbox received, and where it fails on purpose."""

import sys
from pathlib import Path
from typing import Any

import click

from taskflow.cli.client import Client, Output, json_of, speaks_http, text_of
from taskflow.cli.names import find_mail

_COLUMNS = ("message_id", "received_at", "mail_from", "rcpt_to", "subject", "size")


@click.group()
def inbox() -> None:
    """Read what the sandbox inbox received."""


@inbox.command("list")
@click.option("--search", "q", help="Part of a sender, a recipient or a subject.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="How many.")
@speaks_http
def list_mails(client: Client, output: Output, q: str | None, limit: int) -> None:
    """List received messages, newest first."""
    output.first(client.pages("/inbox", limit + 1, q=q), limit, _COLUMNS, empty="The inbox is empty.")


@inbox.command()
@click.argument("which", metavar="ID|EMAIL")
@click.option("--raw", is_flag=True, help="The message byte for byte.")
@speaks_http
def show(client: Client, output: Output, which: str, raw: bool) -> None:
    """Show one message as text; of an address, the newest to it."""
    message_id = find_mail(client, which)
    if raw:
        sys.stdout.buffer.write(client.send("GET", f"/inbox/{message_id}/raw").content)
        return
    mail: dict[str, Any] = client.get(f"/inbox/{message_id}")
    head = "".join(f"{header['name']}: {header['value']}\n" for header in mail["headers"])
    words = (mail["text"] or mail["html"] or "").replace("\r\n", "\n")
    output.thing(mail, text=f"{head}\n{words}")


@inbox.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@speaks_http
def clear(client: Client, output: Output, yes: bool) -> None:
    """Delete every received message."""
    if not yes:
        click.confirm("Delete every received message?", abort=True)
    client.delete("/inbox")
    output.thing({"cleared": True}, text="The inbox is empty.")


@inbox.command()
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@speaks_http
def rules(client: Client, output: Output, file: Path | None) -> None:
    """Show where the sandbox fails on purpose; with a JSON FILE, replace the rules by what it says."""
    if file is None:
        found = client.get("/inbox/rules")
    else:
        found = client.request("PUT", "/inbox/rules", json=json_of(text_of(file), str(file)))
    output.things(found, ("pattern", "action", "times"), empty="No rules: the sandbox takes everything.")
