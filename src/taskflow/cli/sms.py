"""`taskflow sms`: what texts will be, DLT templates, and what comes back."""

from pathlib import Path
from typing import Any

import click

from taskflow.base.errors import NotFoundError
from taskflow.cli.client import Client, Output, json_of, speaks_http, text_of
from taskflow.cli.names import is_id

_TEMPLATE_COLUMNS = ("name", "header", "category", "variables", "template_id", "body")
_REPLY_COLUMNS = ("occurred_at", "sender", "recipient", "action", "body", "kind", "contact_id")
_REPORT_COLUMNS = ("received_at", "status", "cause", "code", "recipient", "provider_id", "kind")
_SUPPRESSION_COLUMNS = ("suppression_id", "address", "reason", "source", "created_at")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_LIMIT = click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="How many.")


@click.group()
def sms() -> None:
    """Preview texts, keep DLT templates, read replies and delivery reports."""


@sms.command()
@click.argument("text", required=False)
@click.option("--template", help="A DLT template by name or id: filled with --var, or compared with TEXT.")
@click.option("--var", "variables", multiple=True, help="A value of the template; once for each {#var#}, in order.")
@click.option("--to", help="A number, whose country sets the price.")
@click.option("--plain", is_flag=True, help="Write typographic quotes, dashes and the like as a typewriter does.")
@speaks_http
def preview(client: Client, output: Output, text: str | None, variables: tuple[str, ...], **more: Any) -> None:
    """Show into how many parts TEXT falls, what makes it long, and what it costs."""
    body = {"text": text, "variables": list(variables) or None, **more}
    found = client.post("/sms/preview", {name: value for name, value in body.items() if value is not None})
    output.thing(found, text=_preview(found))


@sms.group()
def template() -> None:
    """Keep templates that are registered in India (DLT)."""


@template.command()
@click.argument("name")
@click.argument("body", metavar="TEXT")
@click.option("--template-id", required=True, help="The DLT id of the content template.")
@click.option("--entity-id", required=True, help="The DLT id of the principal entity.")
@click.option("--header", required=True, help="The sender that it is registered for.")
@click.option(
    "--category",
    type=click.Choice(["transactional", "service-explicit", "promotional"]),
    default="transactional",
    show_default=True,
    help="As registered.",
)
@click.option("--provider-template-id", help="Fast2SMS's own number for it, for its route dlt.")
@speaks_http
def add(client: Client, output: Output, **template: str | None) -> None:
    """Keep the template NAME; TEXT is what was registered, to the character, with {#var#} where values stand."""
    made = client.post("/sms/templates", template)
    output.thing(made, text=made["sms_template_id"])


@template.command("list")
@click.option("--search", help="Part of the name or the text.")
@speaks_http
def list_templates(client: Client, output: Output, search: str | None) -> None:
    """List templates by name."""
    found = list(client.pages("/sms/templates", search=search))
    output.things(found, _TEMPLATE_COLUMNS, empty="No SMS templates.")


@template.command()
@click.argument("name")
@speaks_http
def show(client: Client, output: Output, name: str) -> None:
    """Show a template."""
    output.thing(_find(client, name))


@template.command()
@click.argument("name")
@speaks_http
def remove(client: Client, output: Output, name: str) -> None:
    """Forget a template."""
    found = _find(client, name)
    client.delete(f"/sms/templates/{found['sms_template_id']}")
    output.thing({"name": found["name"]}, text="Removed.")


@sms.command()
@click.option("--action", type=click.Choice(["stop", "start", "help"]), help="Only those with such a keyword.")
@click.option("--from", "sender", help="Only of this number, in E.164.")
@_LIMIT
@speaks_http
def inbound(client: Client, output: Output, limit: int, **filters: str | None) -> None:
    """List texts that people sent, newest first."""
    found = client.pages("/sms/replies", limit + 1, **filters)
    output.first(found, limit, _REPLY_COLUMNS, empty="Nobody has written.")


@sms.command()
@click.option("--provider-id", help="Only of the text with this id of the provider.")
@click.option("--status", type=click.Choice(["sent", "delivered", "failed"]), help="Only these.")
@_LIMIT
@speaks_http
def reports(client: Client, output: Output, limit: int, **filters: str | None) -> None:
    """List delivery reports, newest first."""
    found = client.pages("/sms/reports", limit + 1, **filters)
    output.first(found, limit, _REPORT_COLUMNS, empty="No reports.")


@sms.command()
@_LIMIT
@speaks_http
def optouts(client: Client, output: Output, limit: int) -> None:
    """List numbers whose owners want no texts, newest first."""
    found = client.pages("/suppressions", limit + 1, channel="sms", reason="unsubscribed")
    output.first(found, limit, _SUPPRESSION_COLUMNS, empty="Nobody has opted out.")


@sms.command()
@click.argument("file", required=False, type=_FILE)
@speaks_http
def keywords(client: Client, output: Output, file: Path | None) -> None:
    """Show the words that stop, start and ask for help; with a JSON FILE, replace them by what it says."""
    if file is None:
        found = client.get("/sms/keywords")
    else:
        found = client.request("PUT", "/sms/keywords", json=json_of(text_of(file), str(file)))
    output.things(found, ("keyword", "action", "language"), empty="No keywords.")


@sms.command()
@speaks_http
def hooks(client: Client, output: Output) -> None:
    """Show where providers are to post replies and delivery reports. The addresses are secret, but for Twilio's."""
    output.things(client.get("/sms/hooks"), ("kind", "provider", "is_ready", "url"), empty="")


def _find(client: Client, name: str) -> dict[str, Any]:
    if is_id(name):
        found: dict[str, Any] = client.get(f"/sms/templates/{name}")
        return found
    for item in client.pages("/sms/templates", search=name):
        if item["name"] == name:
            return item
    raise NotFoundError(f"There is no SMS template called {name!r}.")


def _preview(found: dict[str, Any]) -> str:
    encoding = {"gsm7": "GSM-7", "ucs2": "UCS-2"}[found["encoding"]]
    parts = "1 part" if found["parts"] == 1 else f"{found['parts']} parts"
    lines = [found["text"], f"{parts}, {found['units']} units of {encoding}, {found['per_part']} fit into a part"]
    for wide in found["wide"]:
        other = "" if wide["replacement"] is None else f"; --plain writes {wide['replacement']!r}"
        lines.append(f"  {wide['code_point']} {wide['name']} needs UCS-2{other}")
    if found["plainer"] is not None and found["plainer"]["parts"] != found["parts"]:
        lines.append(f"  with --plain, parts: {found['plainer']['parts']}")
    if found["cost"] is not None:
        cost = found["cost"]
        lines.append(f"{cost['amount']} {cost['currency']}: {cost['per_part']} a part to {cost['prefix']}")
    if found["dlt"] is not None:
        dlt = found["dlt"]
        lines.append(
            f"DLT {dlt['template_id']} of {dlt['header']}, {dlt['category']}; values: {', '.join(dlt['values'])}"
        )
        if dlt["opens_at"] is not None:
            lines.append(f"may go out from {dlt['opens_at']}")
    return "\n".join(lines)
