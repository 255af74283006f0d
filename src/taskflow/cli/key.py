"""`taskflow key`: API keys."""

import click

from taskflow.cli.client import Client, Output, speaks_http

_ROLES = ("admin", "operator", "marketer", "viewer")
_COLUMNS = ("key_id", "name", "prefix", "role", "scopes", "last_used_at", "expires_at", "revoked_at")


@click.group()
def key() -> None:
    """Manage API keys."""


@key.command()
@click.argument("name")
@click.option("--role", default="viewer", show_default=True, type=click.Choice(_ROLES), help="What it may do.")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(["metrics"]), help="A further right.")
@click.option("--rate-limit", type=click.IntRange(1), help="Requests a minute, instead of its owner's limit.")
@click.option("--expires-at", help="When it ends: 2026-12-31T00:00:00Z.")
@speaks_http
def create(
    client: Client,
    output: Output,
    name: str,
    role: str,
    scopes: tuple[str, ...],
    rate_limit: int | None,
    expires_at: str | None,
) -> None:
    """Make an API key and print it: it is shown this once."""
    body: dict[str, object] = {"name": name, "role": role, "scopes": list(scopes)}
    if rate_limit is not None:
        body["rate_limit_per_minute"] = rate_limit
    if expires_at is not None:
        body["expires_at"] = expires_at
    made = client.post("/api-keys", body)
    output.thing(made, text=made["key"])


@key.command("list")
@speaks_http
def list_keys(client: Client, output: Output) -> None:
    """List API keys."""
    output.things(list(client.pages("/api-keys")), _COLUMNS, empty="No API keys.")


@key.command()
@click.argument("key_id")
@speaks_http
def revoke(client: Client, output: Output, key_id: str) -> None:
    """Revoke an API key."""
    client.delete(f"/api-keys/{key_id}")
    output.thing({"key_id": key_id, "revoked": True}, text="Revoked.")
