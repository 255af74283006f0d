"""`taskflow route`: what providers are doing, and a hand on their circuit breakers."""

from urllib.parse import quote

import click

from taskflow.base.errors import NotFoundError
from taskflow.cli.client import Client, Output, speaks_http

_COLUMNS = ("name", "priority", "weight", "state", "left", "waiting", "failovers")
_CHANGES = ("changed_at", "state", "reason")
_NAME = click.argument("name")


@click.group()
def route() -> None:
    """See which providers take messages and why others do not; switch one off and on."""


@route.command("list")
@speaks_http
def list_routes(client: Client, output: Output) -> None:
    """List providers in the order in which they are asked."""
    found = list(client.pages("/routes"))
    if output.as_json:
        output.things(found, (), empty="")
        return
    rows = [
        one
        | {
            "state": f"forced {one['breaker']['override']}" if one["breaker"]["override"] else one["breaker"]["state"],
            "left": ", ".join(f"{budget['left']}/{budget['span']}" for budget in one["budgets"]) or None,
        }
        for one in found
    ]
    output.things(rows, _COLUMNS, empty="No routes.")


@route.command()
@_NAME
@speaks_http
def history(client: Client, output: Output, name: str) -> None:
    """Show how the circuit breaker of NAME has changed lately and why, the newest first."""
    for one in client.pages("/routes"):
        if one["name"] == name:
            output.things(one["breaker"]["history"], _CHANGES, empty=f"{name} has never been cut off.")
            return
    raise NotFoundError(f"There is no route {name!r}: see `taskflow route list`.")


@route.command()
@_NAME
@speaks_http
def stop(client: Client, output: Output, name: str) -> None:
    """Give NAME no messages, until `force` or `auto`: its circuit breaker is held open."""
    _switch(client, output, name, "open")


@route.command()
@_NAME
@speaks_http
def force(client: Client, output: Output, name: str) -> None:
    """Give NAME messages whatever comes of it, until `stop` or `auto`: its circuit breaker is held closed."""
    _switch(client, output, name, "closed")


@route.command("auto")
@_NAME
@speaks_http
def let_breaker_decide(client: Client, output: Output, name: str) -> None:
    """Let the breaker of NAME decide by itself again."""
    _switch(client, output, name, "auto")


def _switch(client: Client, output: Output, name: str, state: str) -> None:
    found = client.post(f"/routes/{quote(name, safe='')}/breaker", {"state": state})
    breaker = found["breaker"]
    output.thing(found, text=f"{name}: forced {state}" if breaker["override"] else f"{name}: {breaker['state']}")
