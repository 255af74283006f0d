"""`taskflow message`: messages without a campaign."""

from typing import Any
from uuid import UUID

import click

from taskflow.cli.client import Client, Output, connect, speaks_http
from taskflow.cli.message_options import counted, filters, query_of, selection, span
from taskflow.cli.message_send import send

_COLUMNS = (
    "message_id", "address", "status", "subject", "parts", "provider", "attempt", "delivery", "sent_at",
    "error_message",
)  # fmt: skip
_COSTS = ("provider", "channel", "currency", "messages", "cost")
_TARGET = click.option(
    "-o", "--output", "target", type=click.File("wb"), default="-", help="Where to; the terminal by default."
)
_API_URL = click.option("--api-url", envvar="TASKFLOW_API_URL", help="Where the API is; that of this home by default.")


@click.group()
def message() -> None:
    """Send single messages, find out what became of them, decide about uncertain ones."""


message.add_command(send)


@message.command("list")
@filters
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="How many.")
@speaks_http
def list_messages(client: Client, output: Output, limit: int, **wanted: Any) -> None:
    """List messages, newest first; with --address also what campaigns sent there."""
    output.things(list(client.pages("/messages", limit, **query_of(wanted))), _COLUMNS, empty="None.")


@message.command()
@click.argument("message_id", type=click.UUID)
@click.option("--content", is_flag=True, help="Show what was sent.")
@speaks_http
def get(client: Client, output: Output, message_id: UUID, content: bool) -> None:
    """Show a message, its provider's answer and its attempts."""
    if content:
        found = client.get(f"/messages/{message_id}/content")
        output.thing(found, text=found["text"] or found["html"] or "")
    else:
        output.facts(client.get(f"/messages/{message_id}"))


@message.command()
@span
@speaks_http
def costs(client: Client, output: Output, **wanted: Any) -> None:
    """Sum what messages have cost, as far as providers have prices; `campaign show` tells a campaign's."""
    output.things(client.get("/messages/costs", **query_of(wanted))["items"], _COSTS, empty="Nothing that has a price.")


@message.command()
@counted
@click.option(
    "--by", "interval", type=click.Choice(["hour", "day"]), default="hour", show_default=True, help="How fine."
)
@speaks_http
def stats(client: Client, output: Output, **wanted: Any) -> None:
    """Count messages by the status they have now: of the last 24 hours, by day of the last 30 days."""
    found = client.get("/messages/stats", **query_of(wanted))
    if output.as_json:
        output.thing(found)
        return
    rows = [{"at": item["at"]} | item["counts"] for item in found["items"] if item["counts"]]
    total = {"at": "total"} | found["counts"]
    output.things([*rows, total] if rows else [], ("at", *found["counts"]), empty="None.")


@message.command()
@click.argument("message_ids", metavar="[ID]...", nargs=-1, type=click.UUID)
@selection
@click.option("--all", "everything", is_flag=True, help="All that wait.")
@speaks_http
def cancel(client: Client, output: Output, message_ids: tuple[UUID, ...], everything: bool, **wanted: Any) -> None:
    """Keep messages that wait from being sent: those with these ids, or all that match the options."""
    if body := _selection(message_ids, everything, wanted):
        _steer(client, output, "cancel", "cancelled", body)
    else:
        output.things([client.post(f"/messages/{one}/cancel") for one in message_ids], _COLUMNS, empty="")


@message.command()
@click.argument("message_ids", metavar="ID...", nargs=-1, required=True, type=click.UUID)
@speaks_http
def resend(client: Client, output: Output, message_ids: tuple[UUID, ...]) -> None:
    """Send messages that failed again, as they are; uncertain ones are for `resolve`."""
    output.things([client.post(f"/messages/{one}/resend") for one in message_ids], _COLUMNS, empty="")


@message.command()
@click.argument("resolution", type=click.Choice(["sent", "failed", "resend"]))
@click.argument("message_ids", metavar="[ID]...", nargs=-1, type=click.UUID)
@selection
@click.option("--all", "everything", is_flag=True, help="All that are uncertain.")
@speaks_http
def resolve(
    client: Client, output: Output, resolution: str, message_ids: tuple[UUID, ...], everything: bool, **wanted: Any
) -> None:
    """Decide about uncertain messages, those with these ids or all that match the options: they were sent, they failed,
    or send them again.
    """
    decision = {"resolution": resolution}
    if body := _selection(message_ids, everything, wanted):
        _steer(client, output, "resolve", "resolved", body | decision)
    else:
        rows = [client.post(f"/messages/{one}/resolve", decision) for one in message_ids]
        output.things(rows, _COLUMNS, empty="")


@message.command()
@click.argument("message_id", type=click.UUID)
@_TARGET
@_API_URL
def raw(message_id: UUID, target: Any, api_url: str | None) -> None:
    """Write what was sent, byte for byte."""
    for chunk in connect(api_url).stream(f"/messages/{message_id}/raw"):
        target.write(chunk)


@message.command()
@filters
@click.option("--content", is_flag=True, help="A ZIP archive instead, with what was sent: ID.eml, ID.txt.")
@_TARGET
@_API_URL
def export(content: bool, target: Any, api_url: str | None, **wanted: Any) -> None:
    """Write messages and what became of them as CSV, newest first."""
    path = "/messages/export.zip" if content else "/messages/export.csv"
    for chunk in connect(api_url).stream(path, **query_of(wanted)):
        target.write(chunk)


def _selection(message_ids: tuple[UUID, ...], everything: bool, wanted: dict[str, Any]) -> dict[str, Any]:
    """Return what is selected by options; nothing when there are ids instead."""
    body = query_of(wanted) | ({"all": True} if everything else {})
    if bool(body) == bool(message_ids):
        raise click.UsageError("Give ids, or options that say which: --tag, --provider, --submission …, or --all.")
    return body


def _steer(client: Client, output: Output, verb: str, done: str, body: dict[str, Any]) -> None:
    """Change all that match, call by call."""
    count, cursor = 0, None
    while True:
        found = client.post(f"/messages/{verb}", body | ({"cursor": cursor} if cursor else {}))
        count, cursor = count + found[done], found["next_cursor"]
        if cursor is None:
            break
    output.thing({done: count}, text=f"{count:,} {done}.")
