"""`taskflow contact`: who may be written to, and what is known of them."""

from typing import Any

import click

from taskflow.cli.client import Client, Output, connect, json_of, speaks_http
from taskflow.cli.contact_import import import_file, imports
from taskflow.cli.finding import find_contact, find_list
from taskflow.cli.task import pair

_COLUMNS = ("contact_id", "email", "phone", "status", "tags", "created_at")
_CONSENT_COLUMNS = ("created_at", "action", "list_name", "channel", "source", "actor", "wording")
_FIELD_COLUMNS = ("name", "type", "label", "choices")
_STATUS = click.Choice(["ACTIVE", "PENDING", "UNSUBSCRIBED", "BOUNCED", "COMPLAINED", "DISABLED"], case_sensitive=False)
_TYPE = click.Choice(["text", "number", "boolean", "date", "datetime", "choice"])


@click.group()
def contact() -> None:
    """Add, find, change, import and export contacts."""


contact.add_command(import_file)
contact.add_command(imports)


@contact.command()
@click.argument("who", metavar="EMAIL|PHONE")
@click.argument("attributes", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--phone", help="A phone beside the address: +49 171 1234567.")
@click.option("--region", "phone_region", help="The country of a phone without a country code: DE.")
@click.option("--locale", help="Language and country: de-AT.")
@click.option("--zone", "time_zone", help="Time zone: Europe/Vienna.")
@click.option("--tag", "tags", multiple=True, help="A word to find it by; repeat it.")
@click.option("--list", "lists", multiple=True, help="A list to put it on; repeat it.")
@click.option("--update", is_flag=True, help="Change the contact that has the address already.")
@speaks_http
def add(
    client: Client, output: Output, who: str, attributes: tuple[str, ...], tags: tuple[str, ...],
    lists: tuple[str, ...], update: bool, **options: str | None,
) -> None:  # fmt: skip
    """Add a contact: `ada@example.com first_name=Ada orders=3`."""
    body: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    body["email" if "@" in who else "phone"] = who
    body["attributes"] = dict(pair(text) for text in attributes)
    body["if_exists"] = "update" if update else "fail"
    body["lists"] = [find_list(client, name) for name in lists]
    if tags:
        body["tags"] = list(tags)
    made = client.post("/contacts", body)
    output.thing(made, text=made["contact_id"])


@contact.command("list")
@click.option("--search", help="How the address, the phone, the first or the last name begins.")
@click.option("--status", type=_STATUS, help="Only these.")
@click.option("--tag", multiple=True, help="Only those with this tag; repeat it.")
@click.option("--list", "list_name", help="Only those that are on this list, or wait for it, or have left it.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="How many.")
@speaks_http
def list_contacts(client: Client, output: Output, list_name: str | None, limit: int, **query: Any) -> None:
    """List contacts, newest first."""
    query["list_id"] = find_list(client, list_name) if list_name else None
    output.things(list(client.pages("/contacts", limit, **query)), _COLUMNS, empty="No contacts.")


@contact.command()
@click.argument("who", metavar="ID|EMAIL|PHONE")
@speaks_http
def show(client: Client, output: Output, who: str) -> None:
    """Show a contact and how it stands to lists."""
    contact_id = find_contact(client, who)
    found = client.get(f"/contacts/{contact_id}")
    lists = client.get(f"/contacts/{contact_id}/subscriptions")["items"]
    shown = lists if output.as_json else ", ".join(f"{item['name']} ({item['status']})" for item in lists)
    output.thing(found | {"subscriptions": shown})


@contact.command()
@click.argument("who", metavar="ID|EMAIL|PHONE")
@click.argument("attributes", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--email", help="Another address.")
@click.option("--phone", help="Another phone; an empty one takes it away.")
@click.option("--region", "phone_region", help="The country of a phone without a country code: DE.")
@click.option("--locale", help="Language and country: de-AT.")
@click.option("--zone", "time_zone", help="Time zone: Europe/Vienna.")
@click.option("--status", type=_STATUS, help="Whether it is written to.")
@click.option("--tag", "tags", multiple=True, help="All its tags, in place of those there were; repeat it.")
@speaks_http
def update(
    client: Client, output: Output, who: str, attributes: tuple[str, ...], tags: tuple[str, ...], **options: str | None
) -> None:
    """Change a contact; what is not given stays, `NAME=null` takes an attribute away."""
    body: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    body["attributes"] = dict(pair(text) for text in attributes)
    if tags:
        body["tags"] = list(tags)
    output.thing(client.request("PATCH", f"/contacts/{find_contact(client, who)}", json=body))


@contact.command()
@click.argument("names", nargs=-1, required=True, metavar="TAG...")
@click.option("--to", "whom", multiple=True, metavar="ID|EMAIL|PHONE", help="Whom; repeat it.")
@click.option("--filter", "wanted", help='Or a filter as JSON: \'{"status": "ACTIVE", "tags": ["vip"]}\'.')
@click.option("--remove", is_flag=True, help="Take the tags away.")
@speaks_http
def tag(
    client: Client, output: Output, names: tuple[str, ...], whom: tuple[str, ...], wanted: str | None, remove: bool
) -> None:
    """Tag contacts, or all that a filter means: that is done by a task."""
    if bool(whom) == bool(wanted):
        raise click.UsageError("Say whom by --to or by --filter.")
    body: dict[str, Any] = {"action": "remove_tags" if remove else "add_tags", "tags": list(names)}
    if wanted:
        body["filter"] = json_of(wanted, "--filter")
    else:
        body["ids"] = [find_contact(client, who) for who in whom]
    done = client.post("/contacts/bulk", body)
    output.thing(done, text=f"task {done['task_id']}" if done["task_id"] else f"{done['changed']} changed")


@contact.command()
@click.argument("who", metavar="ID|EMAIL|PHONE")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="How many.")
@speaks_http
def consents(client: Client, output: Output, who: str, limit: int) -> None:
    """List what a contact agreed to and took back, newest first."""
    rows = list(client.pages(f"/contacts/{find_contact(client, who)}/consents", limit))
    output.things(rows, _CONSENT_COLUMNS, empty="Nothing yet.")


@contact.command()
@click.argument("who", metavar="ID|EMAIL|PHONE")
@click.option("--list", "list_name", help="Only from this list; from everything by default.")
@click.option("--source", default="cli", show_default=True, help="How they said it: phone, paper.")
@speaks_http
def unsubscribe(client: Client, output: Output, who: str, list_name: str | None, source: str) -> None:
    """Write down that somebody wants no more mail, and heed it."""
    body = {"action": "withdrawn", "source": source, "list_id": find_list(client, list_name) if list_name else None}
    made = client.post(f"/contacts/{find_contact(client, who)}/consents", body)
    output.thing(made, text=f"{who} gets no more {'of ' + list_name if list_name else 'mail'}")


@contact.command()
@click.argument("whom", nargs=-1, required=True, metavar="ID|EMAIL|PHONE...")
@speaks_http
def delete(client: Client, output: Output, whom: tuple[str, ...]) -> None:
    """Delete contacts with their subscriptions and consents."""
    for who in whom:
        client.delete(f"/contacts/{find_contact(client, who)}")
    output.thing({"deleted": list(whom)}, text=f"deleted {', '.join(whom)}")


@contact.command()
@click.option("--search", help="How the address, the phone, the first or the last name begins.")
@click.option("--status", type=_STATUS, help="Only these.")
@click.option("--tag", multiple=True, help="Only those with this tag; repeat it.")
@click.option("--list", "list_name", help="Only those that are on this list, or wait for it, or have left it.")
@click.option("-o", "--output", "target", type=click.File("wb"), default="-", help="Where to; the terminal by default.")
@click.option("--api-url", envvar="TASKFLOW_API_URL", help="Where the API is; that of this home by default.")
def export(list_name: str | None, target: Any, api_url: str | None, **query: Any) -> None:
    """Write contacts as CSV, safe to open in a spreadsheet."""
    client = connect(api_url)
    query["list_id"] = find_list(client, list_name) if list_name else None
    for chunk in client.stream("/contacts/export.csv", **query):
        target.write(chunk)


@contact.group()
def field() -> None:
    """Declare what attributes mean."""


@field.command("add")
@click.argument("name")
@click.argument("kind", metavar="TYPE", type=_TYPE)
@click.option("--label", help="What people call it; the name by default.")
@click.option("--choice", "choices", multiple=True, help="For the type choice; repeat it.")
@speaks_http
def add_field(
    client: Client, output: Output, name: str, kind: str, label: str | None, choices: tuple[str, ...]
) -> None:
    """Declare an attribute: `birthday date`, `plan choice --choice Basic --choice Pro`."""
    body = {"name": name, "type": kind, "label": label, "choices": list(choices)}
    output.things([client.post("/contact-fields", body)], _FIELD_COLUMNS, empty="")


@field.command("list")
@speaks_http
def list_fields(client: Client, output: Output) -> None:
    """List declared attributes, by name."""
    output.things(client.get("/contact-fields")["items"], _FIELD_COLUMNS, empty="No fields.")


@field.command("delete")
@click.argument("name")
@speaks_http
def delete_field(client: Client, output: Output, name: str) -> None:
    """Forget what an attribute means; contacts keep it."""
    client.delete(f"/contact-fields/{name}")
    output.thing({"deleted": name}, text=f"deleted {name}")
