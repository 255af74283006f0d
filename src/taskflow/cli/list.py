"""`taskflow list`: lists, and who is on them."""

from typing import Any

import click

from taskflow.cli.client import Client, Output, speaks_http
from taskflow.cli.finding import find_contact, find_list

_COLUMNS = ("list_id", "name", "opt_in", "visibility", "confirmed", "pending", "unsubscribed")
_PEOPLE_COLUMNS = ("contact_id", "email", "phone", "subscription_status", "subscribed_at")
_STATUS = click.Choice(["PENDING", "CONFIRMED", "UNSUBSCRIBED"], case_sensitive=False)
_OPT_IN = click.Choice(["single", "double"])
_VISIBILITY = click.Choice(["private", "public"])
_AT_ONCE = 1_000


@click.group("list")
def mailing_list() -> None:
    """Make lists, and put contacts on them."""


@mailing_list.command()
@click.argument("name")
@click.option("--opt-in", type=_OPT_IN, help="`double` asks who is added to confirm by mail. [default: single]")
@click.option("--visibility", type=_VISIBILITY, help="`public` has a form at /subscribe/<id>. [default: private]")
@click.option("--from", "confirm_from", help="Who asks for confirmations.")
@click.option("--wording", "confirm_wording", help="What somebody agrees to.")
@click.option("--description", help="What it is for.")
@speaks_http
def create(client: Client, output: Output, **options: str | None) -> None:
    """Make a list."""
    made = client.post("/lists", {name: value for name, value in options.items() if value is not None})
    output.thing(made, text=made["list_id"])


@mailing_list.command("list")
@click.option("--archived/--open", default=None, help="Only archived ones, or only the others.")
@speaks_http
def list_lists(client: Client, output: Output, archived: bool | None) -> None:
    """List lists and how many people are on them, newest first."""
    output.things(list(client.pages("/lists", archived=archived)), _COLUMNS, empty="No lists.")


@mailing_list.command()
@click.argument("name")
@speaks_http
def show(client: Client, output: Output, name: str) -> None:
    """Show a list."""
    output.thing(client.get(f"/lists/{find_list(client, name)}"))


@mailing_list.command()
@click.argument("name")
@click.option("--name", "new_name", help="Another name.")
@click.option("--opt-in", type=_OPT_IN, help="Whether who is added is asked to confirm.")
@click.option("--visibility", type=_VISIBILITY, help="Whether it has a form.")
@click.option("--from", "confirm_from", help="Who asks for confirmations.")
@click.option("--wording", "confirm_wording", help="What somebody agrees to.")
@click.option("--description", help="What it is for.")
@click.option("--archive/--reopen", "archived", default=None, help="Let nobody on it any more, or again.")
@speaks_http
def update(client: Client, output: Output, name: str, new_name: str | None, **options: Any) -> None:
    """Change a list; who is on it stays."""
    body = {option: value for option, value in options.items() if value is not None}
    if new_name is not None:
        body["name"] = new_name
    output.things([client.request("PATCH", f"/lists/{find_list(client, name)}", json=body)], _COLUMNS, empty="")


@mailing_list.command()
@click.argument("name")
@click.option("--status", type=_STATUS, help="Only these.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="How many.")
@speaks_http
def contacts(client: Client, output: Output, name: str, status: str | None, limit: int) -> None:
    """List the people on a list."""
    rows = list(client.pages(f"/lists/{find_list(client, name)}/contacts", limit, status=status))
    output.things(rows, _PEOPLE_COLUMNS, empty="Nobody.")


@mailing_list.command()
@click.argument("name")
@click.argument("whom", nargs=-1, required=True, metavar="ID|EMAIL|PHONE...")
@click.option("--wording", help="They have agreed already, to these words: a double opt-in asks nothing more.")
@speaks_http
def add(client: Client, output: Output, name: str, whom: tuple[str, ...], wording: str | None) -> None:
    """Put contacts on a list; a double opt-in asks them first."""
    list_id, done = find_list(client, name), {"confirmed": 0, "pending": 0, "unchanged": 0}
    for start in range(0, len(whom), _AT_ONCE):
        ids = [find_contact(client, who) for who in whom[start : start + _AT_ONCE]]
        body = {"contact_ids": ids, "wording": wording, "confirmed": wording is not None}
        for kind, count in client.post(f"/lists/{list_id}/contacts", body).items():
            done[kind] += count
    output.thing(done)


@mailing_list.command()
@click.argument("name")
@click.argument("whom", nargs=-1, required=True, metavar="ID|EMAIL|PHONE...")
@speaks_http
def remove(client: Client, output: Output, name: str, whom: tuple[str, ...]) -> None:
    """Take contacts off a list. Who has unsubscribed stays there as such: nobody can put them back."""
    list_id = find_list(client, name)
    for who in whom:
        client.delete(f"/lists/{list_id}/contacts/{find_contact(client, who)}")
    output.thing({"removed": list(whom)}, text=f"removed {', '.join(whom)}")


@mailing_list.command()
@click.argument("name")
@speaks_http
def delete(client: Client, output: Output, name: str) -> None:
    """Delete a list with its subscriptions; contacts stay."""
    client.delete(f"/lists/{find_list(client, name)}")
    output.thing({"deleted": name}, text=f"deleted {name}")
