"""`taskflow key`: API keys."""

from typing import get_args

import click

from taskflow.cli.client import Client, Output, speaks_http
from taskflow.identity.models import Scope

_ROLES = ("admin", "operator", "marketer", "viewer")
_COLUMNS = ("key_id", "name", "prefix", "role", "scopes", "from_domains", "last_used_at", "expires_at", "revoked_at")


@click.group()
def key() -> None:
    """Manage API keys."""


@key.command()
@click.argument("name")
@click.option(
    "--role", type=click.Choice(_ROLES), help="What it may do. [default: viewer; marketer with --scope messages:send]"
)
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(get_args(Scope)),
    help="metrics: it may also read /metrics. messages:send: it may send messages and see its own, nothing else.",
)
@click.option(
    "--from-domain",
    "from_domains",
    multiple=True,
    help="With messages:send: mail from this domain and its subdomains only, no texts; may be repeated.",
)
@click.option("--rate-limit", type=click.IntRange(1), help="Requests a minute, instead of its owner's limit.")
@click.option("--expires-at", help="When it ends: 2026-12-31T00:00:00Z.")
@speaks_http
def create(
    client: Client,
    output: Output,
    name: str,
    role: str | None,
    scopes: tuple[str, ...],
    from_domains: tuple[str, ...],
    rate_limit: int | None,
    expires_at: str | None,
) -> None:
    """Make an API key and print it: it is shown this once."""
    body: dict[str, object] = {"name": name, "scopes": list(scopes), "from_domains": list(from_domains)}
    if role is not None:
        body["role"] = role
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
