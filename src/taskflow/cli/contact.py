"""`taskflow contact`: who may be written to, and what is known of them."""

from typing import Any
from uuid import UUID

import click

from taskflow.base.errors import NotFoundError
from taskflow.cli.client import Client, Output, speaks_http
from taskflow.cli.task import pair

_COLUMNS = ("contact_id", "email", "phone", "status", "tags", "created_at")
_STATUSES = click.Choice(["ACTIVE", "UNSUBSCRIBED", "BOUNCED", "COMPLAINED", "DISABLED"], case_sensitive=False)


@click.group()
def contact() -> None:
    """Add, find, change and export contacts."""


@contact.command()
@click.argument("who", metavar="EMAIL|PHONE")
@click.argument("attributes", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--phone", help="A phone beside the address: +49 171 1234567.")
@click.option("--region", "phone_region", help="The country of a phone without a country code: DE.")
@click.option("--locale", help="Language and country: de-AT.")
@click.option("--zone", "time_zone", help="Time zone: Europe/Vienna.")
@click.option("--tag", "tags", multiple=True, help="A word to find it by; repeat it.")
@click.option("--update", is_flag=True, help="Change the contact that has the address already.")
@speaks_http
def add(
    client: Client, output: Output, who: str, attributes: tuple[str, ...], tags: tuple[str, ...], update: bool,
    **options: str | None,
) -> None:  # fmt: skip
    """Add a contact: `ada@example.com first_name=Ada orders=3`."""
    body: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    body["email" if "@" in who else "phone"] = who
    body["attributes"] = dict(pair(text) for text in attributes)
    body["if_exists"] = "update" if update else "fail"
    if tags:
        body["tags"] = list(tags)
    made = client.post("/contacts", body)
    output.thing(made, text=made["contact_id"])


@contact.command("list")
@click.option("--search", help="How the address, the phone or the name begins.")
@click.option("--status", type=_STATUSES, help="Only these.")
@click.option("--tag", multiple=True, help="Only those with this tag; repeat it.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="How many.")
@speaks_http
def list_contacts(client: Client, output: Output, limit: int, **query: Any) -> None:
    """List contacts, newest first."""
    output.things(list(client.pages("/contacts", limit, **query)), _COLUMNS, empty="No contacts.")


@contact.command()
@click.argument("who", metavar="ID|EMAIL|PHONE")
@speaks_http
def show(client: Client, output: Output, who: str) -> None:
    """Show a contact."""
    output.thing(client.get(f"/contacts/{find(client, who)}"))


def find(client: Client, who: str) -> str:
    """Return the id of a contact that is given by its id, address or phone."""
    try:
        return str(UUID(who))
    except ValueError:
        items = client.get("/contacts", **{"email" if "@" in who else "phone": who})["items"]
    if not items:
        raise NotFoundError(f"There is no contact {who!r}.")
    return str(items[0]["contact_id"])
