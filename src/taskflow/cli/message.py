"""`taskflow message`: messages without a campaign."""

import uuid
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from taskflow.cli.client import Client, Output, connect, json_of, speaks_http, text_of

_COLUMNS = (
    "message_id", "address", "status", "subject", "parts", "provider", "attempt", "delivery", "sent_at",
    "error_message",
)  # fmt: skip
_COSTS = ("provider", "channel", "currency", "messages", "cost")
_STATUSES = (
    "PENDING", "SENDING", "SENT", "FAILED", "DEFERRED", "UNCERTAIN", "SUPPRESSED", "CANCELLED", "BOUNCED",
    "UNSUBSCRIBED",
)  # fmt: skip
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _filters(command: Any) -> Any:
    for option in (
        click.option("--address", help="To this address, campaign mail too."),
        click.option("--status", type=click.Choice(_STATUSES, case_sensitive=False), help="Only these."),
        click.option("--channel", type=click.Choice(["email", "sms"]), help="Only these."),
        click.option("--delivery", type=click.Choice(["sent", "delivered", "failed"]), help="Only texts told so of."),
        click.option("--tag", help="Only those with this tag."),
        click.option("--provider", help="Only what it carried."),
        click.option("--submission", "submission_id", type=click.UUID, help="Only those of one call."),
        click.option("--after", "created_after", help="Not older: 2026-01-31T09:00:00Z."),
        click.option("--before", "created_before", help="Older: 2026-01-31T09:00:00Z."),
    ):
        command = option(command)
    return command


@click.group()
def message() -> None:
    """Send single messages, find out what became of them, decide about uncertain ones."""


@message.command()
@click.argument("addresses", metavar="ADDRESSES|NUMBERS", nargs=-1, required=True)
@click.option("--sms", is_flag=True, help="Send texts, to numbers such as +491711234567.")
@click.option("--from", "from_email", help="Who writes a mail.")
@click.option("--from-name", help="The name before the address.")
@click.option("--reply-to", help="Where answers go.")
@click.option("--subject", help="Own words.")
@click.option("--text", help="Own words.")
@click.option("--html", "html_file", type=_FILE, help="A file with own words as HTML.")
@click.option("--template", "template_id", type=click.UUID, help="A template, instead of own words.")
@click.option("--variables", help='Values for all, as JSON: {"order": 7}.')
@click.option("--sender", help="Who writes a text: a number or a name; the provider's by default.")
@click.option(
    "--dlt", "dlt_template", help="A DLT template by name or id: filled with --value, or compared with --text."
)
@click.option("--value", "values", multiple=True, help="For a {#var#} of the DLT template; once for each, in order.")
@click.option("--promotional", is_flag=True, help="A text that nobody waits for.")
@click.option("--plain", is_flag=True, help="Write typographic characters of a text as a typewriter does.")
@click.option("--tag", "tags", multiple=True, help="To find them by; may be repeated.")
@click.option("--at", "scheduled_at", help="Send then: 2026-01-31T09:00:00Z.")
@click.option("--until", "expires_at", help="Do not send it later than this.")
@click.option("--critical", is_flag=True, help="Before all others.")
@click.option(
    "--uncertain",
    "uncertain_policy",
    type=click.Choice(["hold", "resend", "reconcile"]),
    help="When nobody knows whether it arrived: list it, send it again, or ask the provider. [default: resend]",
)
@click.option("--key", help="An Idempotency-Key; a repetition under the same key sends nothing twice.")
@speaks_http
def send(
    client: Client,
    output: Output,
    addresses: tuple[str, ...],
    sms: bool,
    html_file: Path | None,
    variables: str | None,
    critical: bool,
    key: str | None,
    **more: Any,
) -> None:
    """Send a mail to each of ADDRESSES, or with --sms a text to each of NUMBERS."""
    body: dict[str, Any] = {name: _plain(value) for name, value in more.items() if value}
    body |= {"to": list(addresses), "priority": "CRITICAL" if critical else "HIGH"}
    if sms:
        body["channel"] = "sms"
    if html_file is not None:
        body["html"] = text_of(html_file)
    if variables is not None:
        body["variables"] = json_of(variables, "--variables")
    found = client.post("/messages", body, headers={"Idempotency-Key": key or str(uuid.uuid4())})
    if output.as_json:
        output.thing(found)
    else:
        columns = ("message_id", "address", "status", "parts", "encoding", "scheduled_at", "error_message")
        output.things(found["messages"], columns if sms else columns[:3], empty="")


@message.command("list")
@_filters
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="How many.")
@speaks_http
def list_messages(client: Client, output: Output, limit: int, **filters: Any) -> None:
    """List messages, newest first; with --address also what campaigns sent there."""
    output.things(list(client.pages("/messages", limit, **_query(filters))), _COLUMNS, empty="None.")


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
@click.option("--after", "created_after", help="Not older: 2026-01-31T09:00:00Z.")
@click.option("--before", "created_before", help="Older: 2026-01-31T09:00:00Z.")
@click.option("--tag", help="Only those with this tag.")
@speaks_http
def costs(client: Client, output: Output, **filters: Any) -> None:
    """Sum what messages have cost, as far as providers have prices; `campaign show` tells a campaign's."""
    output.things(client.get("/messages/costs", **_query(filters))["items"], _COSTS, empty="Nothing that has a price.")


@message.command()
@click.argument("message_ids", nargs=-1, required=True, type=click.UUID)
@speaks_http
def cancel(client: Client, output: Output, message_ids: tuple[UUID, ...]) -> None:
    """Keep messages that wait from being sent."""
    output.things([client.post(f"/messages/{one}/cancel") for one in message_ids], _COLUMNS, empty="")


@message.command()
@click.argument("message_ids", metavar="ID...", nargs=-1, required=True, type=click.UUID)
@speaks_http
def resend(client: Client, output: Output, message_ids: tuple[UUID, ...]) -> None:
    """Send messages that failed again, as they are; uncertain ones are for `resolve`."""
    output.things([client.post(f"/messages/{one}/resend") for one in message_ids], _COLUMNS, empty="")


@message.command()
@click.argument("resolution", type=click.Choice(["sent", "failed", "resend"]))
@click.argument("message_ids", nargs=-1, required=True, type=click.UUID)
@speaks_http
def resolve(client: Client, output: Output, resolution: str, message_ids: tuple[UUID, ...]) -> None:
    """Decide about uncertain messages: they were sent, they failed, or send them again."""
    body = {"resolution": resolution}
    output.things([client.post(f"/messages/{one}/resolve", body) for one in message_ids], _COLUMNS, empty="")


@message.command()
@_filters
@click.option("-o", "--output", "target", type=click.File("wb"), default="-", help="Where to; the terminal by default.")
@click.option("--api-url", envvar="TASKFLOW_API_URL", help="Where the API is; that of this home by default.")
def export(target: Any, api_url: str | None, **filters: Any) -> None:
    """Write messages and what became of them as CSV, newest first."""
    for chunk in connect(api_url).stream("/messages/export.csv", **_query(filters)):
        target.write(chunk)


def _query(filters: dict[str, Any]) -> dict[str, Any]:
    query = {name: _plain(value) for name, value in filters.items() if value is not None}
    return query | ({"status": query["status"].upper()} if "status" in query else {})


def _plain(value: Any) -> Any:
    """Return an option's value as JSON has it."""
    if isinstance(value, UUID):
        return str(value)
    return list(value) if isinstance(value, tuple) else value
