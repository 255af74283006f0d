"""`taskflow route`: what providers and recipient domains are doing, and a hand on circuit breakers and limits."""

from typing import Any
from urllib.parse import quote

import click

from taskflow.base.errors import NotFoundError
from taskflow.cli.client import Client, Output, speaks_http

_COLUMNS = ("name", "priority", "weight", "state", "left", "waiting", "failovers")
_CHANGES = ("changed_at", "state", "reason")
_LIMIT = click.IntRange(1)
_DOMAIN_COLUMNS = ("domain", "per_second", "per_minute", "per_day", "left", "paces", "waiting")
_NAME = click.argument("name")


@click.group()
def route() -> None:
    """See which providers take messages and why others do not; switch one off and on; limit recipient domains."""


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
            "left": _left(one),
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


@route.command()
@click.option("--throttled", is_flag=True, help="Only those that get less now than there may be for them.")
@speaks_http
def domains(client: Client, output: Output, throttled: bool) -> None:
    """List recipient domains that have a limit or have asked for less."""
    found = list(client.pages("/routes/domains", throttled=throttled or None))
    if output.as_json:
        output.things(found, (), empty="")
        return
    rows = [
        one | {"left": _left(one), "paces": ", ".join(_pace(pace) for pace in one["paces"]) or None} for one in found
    ]
    output.things(rows, _DOMAIN_COLUMNS, empty="No recipient domain has a limit or has asked for less.")


@route.command()
@click.argument("domain")
@click.option("--per-second", type=_LIMIT, help="Most messages a second.")
@click.option("--per-minute", type=_LIMIT, help="Most messages a minute.")
@click.option("--per-day", type=_LIMIT, help="Most messages a day.")
@speaks_http
def limit(client: Client, output: Output, domain: str, **limits: int | None) -> None:
    """Send no more than this to DOMAIN, over all providers; what is left out has no limit."""
    client.request("PUT", _domain_path(domain), json=limits)
    output.thing({"domain": domain} | limits, text=f"limited {domain}")


@route.command()
@click.argument("domain")
@speaks_http
def unlimit(client: Client, output: Output, domain: str) -> None:
    """Take the limit of DOMAIN away."""
    client.delete(_domain_path(domain))
    output.thing({"unlimited": domain}, text=f"unlimited {domain}")


def _domain_path(domain: str) -> str:
    return f"/routes/domains/{quote(domain, safe='')}"


def _left(one: dict[str, Any]) -> str | None:
    return ", ".join(f"{budget['left']}/{budget['span']}" for budget in one["budgets"]) or None


def _pace(pace: dict[str, Any]) -> str:
    return f"{pace['route']} {pace['per_second'] or 0:g}/s"


def _switch(client: Client, output: Output, name: str, state: str) -> None:
    found = client.post(f"/routes/{quote(name, safe='')}/breaker", {"state": state})
    breaker = found["breaker"]
    output.thing(found, text=f"{name}: forced {state}" if breaker["override"] else f"{name}: {breaker['state']}")
