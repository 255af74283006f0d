"""`taskflow webhook`: tell others how tasks ended, and what became of messages."""

from typing import Any
from uuid import UUID

import click

from taskflow.cli.client import Client, Output, speaks_http

_COLUMNS = ("webhook_id", "url", "events", "failures", "disabled_reason")
_DELIVERY_COLUMNS = ("delivery_id", "event", "attempts", "response_status", "delivered_at", "error")
_STANDINGS = ("sent", "failed", "uncertain", "suppressed", "cancelled", "delivered", "undelivered")
_EVENTS = click.Choice(
    ["task.completed", "task.failed", "task.timed_out", "task.cancelled"]
    + [f"message.{standing}" for standing in _STANDINGS]
)


@click.group()
def webhook() -> None:
    """Tell others over HTTP how tasks ended and what became of messages: signed, retried, never missed."""


@webhook.command()
@click.argument("url")
@click.option("--event", "events", multiple=True, type=_EVENTS, help="Only this event; repeat it. [default: all]")
@click.option("--task", "task_names", multiple=True, help="Only tasks of this name; repeat it.")
@click.option("--queue", "queues", multiple=True, help="Only tasks of this queue; repeat it.")
@click.option("--description", default="", help="What it is for.")
@speaks_http
def create(client: Client, output: Output, **body: Any) -> None:
    """Let ends of tasks and messages be told to URL. The secret is shown this once."""
    output.thing(client.post("/webhooks", body))


@webhook.command("list")
@speaks_http
def list_webhooks(client: Client, output: Output) -> None:
    """List webhooks, newest first."""
    output.things(list(client.pages("/webhooks")), _COLUMNS, empty="No webhooks.")


@webhook.command()
@click.argument("webhook_id", type=click.UUID)
@speaks_http
def show(client: Client, output: Output, webhook_id: UUID) -> None:
    """Show a webhook."""
    output.thing(client.get(f"/webhooks/{webhook_id}"))


@webhook.command()
@click.argument("webhook_id", type=click.UUID)
@speaks_http
def disable(client: Client, output: Output, webhook_id: UUID) -> None:
    """Tell nothing more; what happens meanwhile is not made up for."""
    output.things([_change(client, webhook_id, enabled=False)], _COLUMNS, empty="")


@webhook.command()
@click.argument("webhook_id", type=click.UUID)
@speaks_http
def enable(client: Client, output: Output, webhook_id: UUID) -> None:
    """Let a webhook that is disabled begin anew."""
    output.things([_change(client, webhook_id, enabled=True)], _COLUMNS, empty="")


@webhook.command()
@click.argument("webhook_id", type=click.UUID)
@speaks_http
def rotate(client: Client, output: Output, webhook_id: UUID) -> None:
    """Make a new secret, and show it this once; for a day the old one signs beside it."""
    made = client.post(f"/webhooks/{webhook_id}/rotate")
    output.thing(made, text=made["secret"])


@webhook.command("test")
@click.argument("webhook_id", type=click.UUID)
@speaks_http
def send_test(client: Client, output: Output, webhook_id: UUID) -> None:
    """Send a message of type webhook.test."""
    made = client.post(f"/webhooks/{webhook_id}/test")
    output.thing(made, text=made["delivery_id"])


@webhook.command()
@click.argument("webhook_id", type=click.UUID)
@click.option("--delivered/--undelivered", default=None, help="Only those that were, or only the others.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="How many.")
@speaks_http
def deliveries(client: Client, output: Output, webhook_id: UUID, delivered: bool | None, limit: int) -> None:
    """List what a webhook delivers, newest first."""
    rows = client.pages(f"/webhooks/{webhook_id}/deliveries", limit + 1, delivered=delivered)
    output.first(rows, limit, _DELIVERY_COLUMNS, empty="Nothing yet.")


@webhook.command()
@click.argument("webhook_id", type=click.UUID)
@click.argument("delivery_ids", nargs=-1, required=True, type=click.UUID)
@speaks_http
def replay(client: Client, output: Output, webhook_id: UUID, delivery_ids: tuple[UUID, ...]) -> None:
    """Deliver messages again, under their old ids."""
    rows = [client.post(f"/webhooks/{webhook_id}/deliveries/{delivery_id}/replay") for delivery_id in delivery_ids]
    output.things(rows, _DELIVERY_COLUMNS, empty="")


@webhook.command()
@click.argument("webhook_ids", nargs=-1, required=True, type=click.UUID)
@speaks_http
def delete(client: Client, output: Output, webhook_ids: tuple[UUID, ...]) -> None:
    """Delete webhooks and the lists of what they delivered."""
    for webhook_id in webhook_ids:
        client.delete(f"/webhooks/{webhook_id}")
    names = [str(webhook_id) for webhook_id in webhook_ids]
    output.thing({"deleted": names}, text=f"deleted {', '.join(names)}")


def _change(client: Client, webhook_id: UUID, **changes: Any) -> dict[str, Any]:
    changed: dict[str, Any] = client.request("PATCH", f"/webhooks/{webhook_id}", json=changes)
    return changed
