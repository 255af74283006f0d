"""`taskflow privacy`: a person's rights over what is stored about them."""

import json
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from taskflow.cli.client import Client, Output, speaks_http

_COLUMNS = ("erasure_id", "status", "suppress", "created_at", "completed_at")
_POLL_SECONDS = 0.5


def _names_a_person(command: Any) -> Any:
    for option in (
        click.option("--contact", "contact_id", type=click.UUID, help="The contact's id."),
        click.option("--email", help="Their address."),
        click.option("--phone", help="Their number: +4915112345678."),
    ):
        command = option(command)
    return command


@click.group()
def privacy() -> None:
    """Hand out, or erase, everything that is stored about one person."""


@privacy.command()
@_names_a_person
@click.option("-o", "--output-file", type=click.Path(path_type=Path, dir_okay=False), help="Write it there.")
@speaks_http
def export(client: Client, output: Output, output_file: Path | None, **person: Any) -> None:
    """Hand out everything that is stored about one person, as JSON."""
    data = client.post("/privacy/exports", _said(person))
    text = json.dumps(data, ensure_ascii=False, indent=2)
    if output_file is None:
        output.thing(data, text=text)
        return
    output_file.touch(mode=0o600)
    output_file.write_text(text + "\n", encoding="utf-8")
    output.thing({"written": str(output_file)}, text=f"written to {output_file}")


@privacy.command()
@_names_a_person
@click.option("--forget-suppression", is_flag=True, help="Let them be written to, should they come back.")
@click.option("--reason", help="Why. It is kept: leave out their name.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--wait/--no-wait", default=True, help="Wait until it is done.")
@speaks_http
def erase(
    client: Client,
    output: Output,
    forget_suppression: bool,
    reason: str | None,
    yes: bool,
    wait: bool,
    **person: Any,
) -> None:
    """Erase one person everywhere. This cannot be undone."""
    body = _said(person)
    if not yes:
        click.confirm(f"Erase {' '.join(body.values())} everywhere? This cannot be undone.", abort=True, err=True)
    erasure = client.post("/privacy/erasures", {**body, "suppress": not forget_suppression, "reason": reason})
    while wait and erasure["status"] == "PENDING":
        time.sleep(_POLL_SECONDS)
        erasure = client.get(f"/privacy/erasures/{erasure['erasure_id']}")
    output.thing(erasure, text=_sentence(erasure))


@privacy.command("list")
@speaks_http
def list_erasures(client: Client, output: Output) -> None:
    """List erasures, newest first."""
    output.things(list(client.pages("/privacy/erasures")), _COLUMNS, empty="No erasures.")


@privacy.command()
@click.argument("erasure_id", type=click.UUID)
@speaks_http
def show(client: Client, output: Output, erasure_id: UUID) -> None:
    """Show an erasure and what it found."""
    output.thing(client.get(f"/privacy/erasures/{erasure_id}"))


def _said(person: dict[str, Any]) -> dict[str, str]:
    named = {name: str(value) for name, value in person.items() if value is not None}
    if not named:
        raise click.UsageError("Say who: --contact, --email or --phone.")
    return named


def _sentence(erasure: dict[str, Any]) -> str:
    if erasure["status"] == "PENDING":
        return f"erasure {erasure['erasure_id']} is under way"
    places = "".join(f"\n  {place}: {count:,}" for place, count in sorted(erasure["erased"].items()))
    kept = "".join(f"\n  kept, our own: {place}: {count:,}" for place, count in sorted(erasure["kept"].items()))
    return f"erased, and counted again: nothing is left{places or ' (nothing was stored)'}{kept}"
