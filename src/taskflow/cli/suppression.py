"""`taskflow suppression`: who must not be written to, whatever an audience says."""

from pathlib import Path
from typing import Any
from uuid import UUID

import click

from taskflow.cli.client import Client, Output, connect, speaks_http
from taskflow.cli.names import find_list

_COLUMNS = ("suppression_id", "channel", "address", "list_id", "reason", "source", "created_at")
_CHANNEL = click.Choice(["email", "sms"])
_GIVEN = click.Choice(["unsubscribed", "bounced", "complained", "manual", "imported"])
_REASON = click.Choice([*_GIVEN.choices, "erased"])
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_UPLOAD_SECONDS = 600.0


@click.group()
def suppression() -> None:
    """Keep addresses and whole domains from being written to; asked when each message is sent."""


@suppression.command()
@click.argument("addresses", nargs=-1, required=True)
@click.option("--channel", type=_CHANNEL, default="email", show_default=True, help="What is not sent.")
@click.option("--list", "list_name", help="Only what this list brings: its name or id.")
@click.option("--reason", type=_GIVEN, default="manual", show_default=True, help="Why.")
@click.option("--note", help="A word for whoever finds it.")
@speaks_http
def add(client: Client, output: Output, addresses: tuple[str, ...], list_name: str | None, **more: Any) -> None:
    """Write to ADDRESSES no more: ada@example.com, or @example.com for a whole domain."""
    body = more | _of_list(client, list_name)
    rows = [client.post("/suppressions", body | {"address": address}) for address in addresses]
    output.things(rows, _COLUMNS, empty="")


@suppression.command("list")
@click.option("--channel", type=_CHANNEL, help="Only of this.")
@click.option("--list", "list_name", help="Only those of this list: its name or id.")
@click.option("--reason", type=_REASON, help="Only these.")
@click.option("--search", help="Part of the address.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="How many.")
@speaks_http
def list_suppressions(client: Client, output: Output, limit: int, list_name: str | None, **filters: Any) -> None:
    """List who is not written to, newest first."""
    filters |= _of_list(client, list_name)
    output.things(list(client.pages("/suppressions", limit, **filters)), _COLUMNS, empty="Nobody.")


@suppression.command()
@click.argument("address")
@click.option("--channel", type=_CHANNEL, default="email", show_default=True, help="What would be sent.")
@speaks_http
def check(client: Client, output: Output, address: str, channel: str) -> int:
    """Say what keeps ADDRESS from being written to; the exit code is 1 when it is suppressed everywhere."""
    found = client.get("/suppressions/check", address=address, channel=channel)
    if output.as_json:
        output.thing(found)
    else:
        output.things(found["suppressions"], _COLUMNS, empty="Nothing.")
    return int(found["suppressed"])


@suppression.command("import")
@click.argument("file", type=_FILE)
@click.option("--channel", type=_CHANNEL, default="email", show_default=True, help="What is not sent.")
@click.option("--list", "list_name", help="Only what this list brings: its name or id.")
@click.option("--reason", type=_GIVEN, default="imported", show_default=True, help="Why.")
@speaks_http
def import_file(client: Client, output: Output, file: Path, list_name: str | None, **more: str) -> int:
    """Suppress every address in FILE: CSV, or one a line. The exit code is 1 when some rows hold none."""
    form = more | _of_list(client, list_name)
    with file.open("rb") as content:
        files = {"file": (file.name, content, "text/csv")}
        found = client.request("POST", "/suppressions/import", data=form, files=files, timeout=_UPLOAD_SECONDS)
    for row in found["rejections"] if not output.as_json else ():
        click.echo(f"  row {row['row_number']}: {row['reason']}", err=True)
    summary = f"{found['added']:,} added, {found['known']:,} known, {found['rejected']:,} rejected"
    output.thing(found, text=summary)
    return int(found["rejected"] > 0)


@suppression.command()
@click.option("--channel", type=_CHANNEL, help="Only of this.")
@click.option("--list", "list_name", help="Only those of this list: its name or id.")
@click.option("-o", "--output", "target", type=click.File("wb"), default="-", help="Where to; the terminal by default.")
@click.option("--api-url", envvar="TASKFLOW_API_URL", help="Where the API is; that of this home by default.")
def export(channel: str | None, list_name: str | None, target: Any, api_url: str | None) -> None:
    """Write suppressions as CSV, oldest first."""
    client = connect(api_url)
    for chunk in client.stream("/suppressions/export.csv", channel=channel, **_of_list(client, list_name)):
        target.write(chunk)


@suppression.command()
@click.argument("suppression_ids", nargs=-1, required=True, type=click.UUID)
@speaks_http
def lift(client: Client, output: Output, suppression_ids: tuple[UUID, ...]) -> None:
    """Let suppressed addresses be written to again."""
    for suppression_id in suppression_ids:
        client.delete(f"/suppressions/{suppression_id}")
    names = [str(suppression_id) for suppression_id in suppression_ids]
    output.thing({"lifted": names}, text=f"lifted {', '.join(names)}")


def _of_list(client: Client, name: str | None) -> dict[str, str]:
    return {"list_id": find_list(client, name)} if name else {}
