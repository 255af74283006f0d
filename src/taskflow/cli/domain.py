"""`taskflow domain`: get a domain ready for mail, and see that it stays so."""

from typing import Any
from urllib.parse import quote

import click

from taskflow.cli.client import Client, Output, speaks_http

_COLUMNS = ("domain", "status", "checked_at", "return_path_domain")
_CHECK_SECONDS = 120.0
_MARKS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


@click.group()
def domain() -> None:
    """Sign mail with DKIM, and ask DNS what receivers will think of it."""


@domain.command()
@click.argument("name")
@click.option("--return-path", "return_path_domain", help="Where bounces go: bounces.example.org.")
@speaks_http
def add(client: Client, output: Output, **body: str | None) -> None:
    """Register NAME, make its DKIM keys, and say what to put in the zone."""
    added = client.post("/domains", {"domain": body["name"], "return_path_domain": body["return_path_domain"]})
    output.thing(added, text=_zone(added) + f"\nThen: taskflow domain check {added['domain']}")


@domain.command("list")
@speaks_http
def list_domains(client: Client, output: Output) -> None:
    """List domains, and the worst that the last check of each has found."""
    output.things(list(client.pages("/domains")), _COLUMNS, empty="No domains.")


@domain.command()
@click.argument("name")
@click.option("--zone", is_flag=True, help="Only the records, as lines of a zone file.")
@speaks_http
def show(client: Client, output: Output, name: str, zone: bool) -> None:
    """Show a domain's keys, records, last check, and what it sends to Gmail."""
    found = client.get(_path(name))
    output.thing(found, text=_zone(found) if zone else "\n\n".join((_about(found), _report(found), _zone(found))))


@domain.command()
@click.argument("name")
@click.option("--return-path", "return_path_domain", required=True, help="Where bounces go; '-': to the sender.")
@speaks_http
def update(client: Client, output: Output, name: str, return_path_domain: str) -> None:
    """Let bounces go elsewhere."""
    value = None if return_path_domain == "-" else return_path_domain
    output.things([client.request("PATCH", _path(name), json={"return_path_domain": value})], _COLUMNS, empty="")


@domain.command()
@click.argument("name")
@speaks_http
def check(client: Client, output: Output, name: str) -> int:
    """Ask DNS and mail servers about NAME; keys that DNS shows begin to sign. Exit code 1: something fails."""
    found = client.request("POST", f"{_path(name)}/check", timeout=_CHECK_SECONDS)
    output.thing(found, text=_report(found))
    return int(found["status"] == "fail")


@domain.command()
@click.argument("name")
@click.option("--force", is_flag=True, help="Let waiting keys sign although DNS does not show them.")
@speaks_http
def rotate(client: Client, output: Output, name: str, force: bool) -> None:
    """Make the next DKIM keys; called again, let them take over once DNS shows them."""
    found = client.request("POST", f"{_path(name)}/rotate", json={"force": force}, timeout=_CHECK_SECONDS)
    output.thing(found, text="\n\n".join((_about(found), _zone(found))))


@domain.command()
@click.argument("address")
@speaks_http
def whose(client: Client, output: Output, address: str) -> None:
    """Say which message a bounce to ADDRESS, a return path of ours, is about."""
    output.thing(client.get(f"/return-paths/{quote(address, safe='')}"))


@domain.command()
@click.argument("name")
@speaks_http
def remove(client: Client, output: Output, name: str) -> None:
    """Forget a domain and its keys; its mail leaves unsigned from then on."""
    client.delete(_path(name))
    output.thing({"removed": name}, text=f"removed {name}")


def _path(name: str) -> str:
    return f"/domains/{quote(name, safe='')}"


def _about(found: dict[str, Any]) -> str:
    gmail = found["gmail"]
    keys = [f"  {key['selector']}  {key['algorithm']}  {key['state']}" for key in found["keys"]]
    bulk = f", a bulk sender since {gmail['bulk_since'][:10]}" if gmail["bulk_since"] else ""
    return "\n".join(
        [
            f"{found['domain']}, bounces to {found['return_path_domain'] or 'the sender'}",
            f"Gmail: {gmail['last_day']:,} of {gmail['bulk_at']:,} in 24 hours by {gmail['primary_domain']}{bulk}",
            "DKIM keys:",
            *keys,
        ]
    )


def _report(found: dict[str, Any]) -> str:
    if found["status"] is None:
        return "Not checked yet."
    lines = []
    for finding in found["findings"]:
        lines.append(f"{_MARKS[finding['status']]}  {finding['check']:<11}  {finding['sentence']}")
        if finding["action"]:
            lines.append(f"{'':19}{finding['action']}")
        lines += [f"{'':19}{record['line']}" for record in finding["records"]]
    return "\n".join(lines)


def _zone(found: dict[str, Any]) -> str:
    return "\n".join(part for record in found["records"] for part in (f"; {record['purpose']}", record["line"]))
