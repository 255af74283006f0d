"""`taskflow message send`: one mail or text to each of some people."""

import base64
import uuid
from pathlib import Path
from typing import Any

import click

from taskflow.cli.client import Client, Output, json_of, speaks_http, text_of
from taskflow.cli.message_options import plain
from taskflow.cli.names import find_template

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("addresses", metavar="[ADDRESSES|NUMBERS]...", nargs=-1)
@click.option(
    "--file",
    "body_file",
    type=_FILE,
    help="The body of POST /messages as JSON: recipients with own values, …; options and ADDRESSES win.",
)
@click.option("--sms", is_flag=True, help="Send texts, to numbers such as +491711234567.")
@click.option("--from", "from_email", help="Who writes a mail.")
@click.option("--from-name", help="The name before the address.")
@click.option("--reply-to", help="Where answers go.")
@click.option("--cc", multiple=True, help="Gets a copy of a mail to one, and is named in it; may be repeated.")
@click.option("--bcc", multiple=True, help="The same, and is not named.")
@click.option("--subject", help="Own words.")
@click.option("--text", help="Own words.")
@click.option("--html", "html_file", type=_FILE, help="A file with own words as HTML.")
@click.option("--template", help="A template by name or id, instead of own words.")
@click.option("--template-version", type=click.IntRange(1), help="The newest by default.")
@click.option("--variables", help='Values for all, as JSON: {"order": 7}.')
@click.option("--attach", "attached", multiple=True, type=_FILE, help="A file that goes along; may be repeated.")
@click.option("--header", "headers", multiple=True, metavar="NAME: VALUE", help="A further header; may be repeated.")
@click.option("--sender", help="Who writes a text: a number or a name; the provider's by default.")
@click.option(
    "--dlt", "dlt_template", help="A DLT template by name or id: filled with --value, or compared with --text."
)
@click.option("--value", "values", multiple=True, help="For a {#var#} of the DLT template; once for each, in order.")
@click.option("--promotional", is_flag=True, help="Nobody waits for it: mail goes as bulk, with an unsubscribe link.")
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
@click.option(
    "--archive",
    type=click.Choice(["none", "metadata", "full"]),
    help="Keep less of the words than the settings say: nothing, or only the subject.",
)
@click.option("--key", help="An Idempotency-Key; a repetition under the same key sends nothing twice.")
@speaks_http
def send(
    client: Client,
    output: Output,
    addresses: tuple[str, ...],
    body_file: Path | None,
    template: str | None,
    sms: bool,
    html_file: Path | None,
    attached: tuple[Path, ...],
    headers: tuple[str, ...],
    variables: str | None,
    critical: bool,
    key: str | None,
    **more: Any,
) -> None:
    """Send a mail to each of ADDRESSES, or with --sms a text to each of NUMBERS."""
    body = _body_in(body_file) if body_file is not None else {}
    body |= {name: plain(value) for name, value in more.items() if value}
    if addresses:
        body["to"] = list(addresses)
    if "to" not in body:
        raise click.UsageError("Give ADDRESSES, or --file with `to`.")
    if critical:
        body["priority"] = "CRITICAL"
    if sms:
        body["channel"] = "sms"
    if template is not None:
        body["template_id"] = find_template(client, template)
    if html_file is not None:
        body["html"] = text_of(html_file)
    if attached:
        body["attachments"] = [_attachment(file) for file in attached]
    if headers:
        body["headers"] = _headers(headers)
    if variables is not None:
        body["variables"] = json_of(variables, "--variables")
    found = client.post("/messages", body, headers={"Idempotency-Key": key or str(uuid.uuid4())})
    if output.as_json:
        output.thing(found)
    else:
        columns = ("message_id", "address", "status", "parts", "encoding", "scheduled_at", "error_message")
        output.things(found["messages"], columns if body.get("channel") == "sms" else columns[:3], empty="")


def _body_in(file: Path) -> dict[str, Any]:
    body = json_of(text_of(file), str(file))
    if not isinstance(body, dict):
        raise click.UsageError(f"{file} is no JSON object: it is the body of POST /messages.")
    return body


def _attachment(file: Path) -> dict[str, str]:
    return {"filename": file.name, "content": base64.b64encode(file.read_bytes()).decode("ascii")}


def _headers(lines: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not value.strip():
            raise click.UsageError(f"--header {line!r} is not NAME: VALUE.")
        if name in found:
            raise click.UsageError(f"--header {name} is there twice.")
        found[name] = value.strip()
    return found
