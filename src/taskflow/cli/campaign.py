"""`taskflow campaign`: create campaigns, steer them and follow them."""

import json
from pathlib import Path
from typing import Any

import click

from taskflow.base.errors import ConflictError
from taskflow.cli.client import Client, Output, connect, json_of, speaks_http, text_of
from taskflow.cli.names import find_list, find_segment, find_template
from taskflow.cli.progress import watch as watch_progress

_COLUMNS = ("campaign_id", "name", "status", "total_recipients", "summary", "created_at")
_STATUSES = ("DRAFT", "SCHEDULED", "RUNNING", "PAUSED", "COMPLETED", "FAILED", "CANCELLED")
_RECIPIENT_STATUSES = ("PENDING", "SENDING", "SENT", "FAILED", "DEFERRED", "UNCERTAIN", "SUPPRESSED", "CANCELLED")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_UPLOAD_SECONDS = 600.0


@click.group()
def campaign() -> None:
    """Create, start, watch and export campaigns."""


@campaign.command()
@click.argument("recipients", type=_FILE, required=False)
@click.option(
    "--list", "lists", multiple=True, metavar="NAME|ID", help="Write to the contacts on this list; repeat it."
)
@click.option(
    "--segment", "segments", multiple=True, metavar="NAME|ID", help="And to those in this segment; repeat it."
)
@click.option(
    "--exclude-list",
    "exclude_lists",
    multiple=True,
    metavar="NAME|ID",
    help="But not to those on this list; repeat it.",
)
@click.option(
    "--exclude-segment",
    "exclude_segments",
    multiple=True,
    metavar="NAME|ID",
    help="Nor to those in this one; repeat it.",
)
@click.option("--name", help="What it is called.")
@click.option(
    "--template", "template_id", metavar="NAME|ID", help="A template of the library, instead of --subject and --html."
)
@click.option("--template-version", type=int, help="Which of its versions; the newest by default.")
@click.option("--subject", help="The subject, a Jinja2 template.")
@click.option("--html", type=_FILE, help="The file of the HTML template.")
@click.option("--text", type=_FILE, help="The file of the plain text template; made from the HTML by default.")
@click.option("--from", "from_email", help="The sender's address.")
@click.option("--from-name", help="The sender's name.")
@click.option("--reply-to", help="Where answers go.")
@click.option("--rate", help="Mails a minute over all workers, or `unlimited`. [default: 100]")
@click.option("--variables", help="JSON object of values for every recipient.")
@click.option("--at", "scheduled_at", help="Start by itself at this instant: 2026-11-27T09:00:00+01:00.")
@click.option(
    "--uncertain",
    type=click.Choice(["hold", "resend", "reconcile"]),
    help="When nobody knows whether a mail arrived: list it, send it again, or ask the provider. [default: hold]",
)
@click.option("--config", type=_FILE, help="A JSON file with any of these fields; options win.")
@click.option("--start", is_flag=True, help="Start it at once.")
@click.option("--watch", "watching", is_flag=True, help="Start it and show its progress to the end.")
@speaks_http
def create(
    client: Client,
    output: Output,
    recipients: Path | None,
    lists: tuple[str, ...],
    segments: tuple[str, ...],
    exclude_lists: tuple[str, ...],
    exclude_segments: tuple[str, ...],
    html: Path | None,
    text: Path | None,
    config: Path | None,
    variables: str | None,
    start: bool,
    watching: bool,
    template_version: int | None,
    **options: str | None,
) -> int:
    """Create a campaign for the people in the CSV file RECIPIENTS, or for contacts on lists and in segments.

    The exit code is 1 when no row of the file can be used. Who is on the lists is decided when the campaign starts.
    """
    audience = {
        "lists": [find_list(client, name) for name in lists],
        "segments": [find_segment(client, name) for name in segments],
        "exclude_lists": [find_list(client, name) for name in exclude_lists],
        "exclude_segments": [find_segment(client, name) for name in exclude_segments],
    }
    if (recipients is None) is not any(audience.values()):
        raise click.UsageError("Give a file of recipients, or --list and --segment: one of both.")
    fields: Any = json_of(text_of(config), str(config)) if config else {}
    if not isinstance(fields, dict):
        raise click.UsageError(f"{config} holds no JSON object.")
    given = {
        "name": options["name"],
        "template_id": find_template(client, template) if (template := options["template_id"]) else None,
        "template_version": template_version,
        "template_subject": options["subject"],
        "template_body": text_of(html) if html else None,
        "template_text": text_of(text) if text else None,
        "template_variables": json_of(variables, "--variables") if variables else None,
        "from_email": options["from_email"],
        "from_name": options["from_name"],
        "reply_to": options["reply_to"],
        "rate_limit_per_minute": options["rate"],
        "scheduled_at": options["scheduled_at"],
        "uncertain_policy": options["uncertain"],
    }
    fields |= {name: value for name, value in given.items() if value is not None}
    if recipients is None:
        made = client.post("/campaigns", _typed(fields) | {"audience": audience})
    else:
        fields.setdefault("name", recipients.stem)
        made = upload(client, fields, recipients)
        if not output.as_json:
            _print_import(made)
    if start or watching:
        made = _start(client, made["campaign_id"])
    if watching:
        return _watched(client, output, made["campaign_id"])
    output.thing(made, text=made["campaign_id"])
    return int(recipients is not None and made["total_recipients"] == 0)


def upload(client: Client, fields: dict[str, Any], recipients: Path) -> Any:
    """Create a campaign from a file, which is streamed, and return it."""
    form = {
        name: _form_value(value)
        for name, value in fields.items()
        if value is not None or name == "rate_limit_per_minute"  # null is a value there: unlimited
    }
    with recipients.open("rb") as file:
        files = {"recipients": (recipients.name, file, "text/csv")}
        return client.request("POST", "/campaigns", data=form, files=files, timeout=_UPLOAD_SECONDS)


@campaign.command("list")
@click.option("--status", type=click.Choice(_STATUSES, case_sensitive=False), help="Only these.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="How many.")
@speaks_http
def list_campaigns(client: Client, output: Output, status: str | None, limit: int) -> None:
    """List campaigns, newest first."""
    rows = client.pages("/campaigns", limit + 1, status=status.upper() if status else None)
    output.first(rows, limit, _COLUMNS, empty="No campaigns.")


@campaign.command()
@click.argument("campaign_id")
@speaks_http
def show(client: Client, output: Output, campaign_id: str) -> None:
    """Show a campaign: how far it is, what it costs, what receivers make of it."""
    output.facts(client.get(f"/campaigns/{campaign_id}"))


@campaign.command()
@click.argument("campaign_id")
@click.option("--check-links", is_flag=True, help="Ask whether links answer.")
@speaks_http
def lint(client: Client, output: Output, campaign_id: str, check_links: bool) -> int:
    """Say what is wrong before it starts; the exit code is 1 when there are errors."""
    found = client.post(f"/campaigns/{campaign_id}/lint", {"check_links": check_links})
    if output.as_json:
        output.thing(found)
    else:
        output.things(found["findings"], ("severity", "code", "part", "line", "message"), empty="Nothing found.")
    return int(found["errors"] > 0)


@campaign.command()
@click.argument("campaign_id")
@speaks_http
def start(client: Client, output: Output, campaign_id: str) -> None:
    """Start sending now."""
    output.things([_start(client, campaign_id)], _COLUMNS, empty="")


@campaign.command()
@click.argument("campaign_id")
@speaks_http
def pause(client: Client, output: Output, campaign_id: str) -> None:
    """Stop sending until it is resumed."""
    output.things([client.post(f"/campaigns/{campaign_id}/pause")], _COLUMNS, empty="")


@campaign.command()
@click.argument("campaign_id")
@speaks_http
def resume(client: Client, output: Output, campaign_id: str) -> None:
    """Go on sending."""
    output.things([client.post(f"/campaigns/{campaign_id}/resume")], _COLUMNS, empty="")


@campaign.command()
@click.argument("campaign_id")
@speaks_http
def cancel(client: Client, output: Output, campaign_id: str) -> None:
    """End it for good."""
    output.things([client.post(f"/campaigns/{campaign_id}/cancel")], _COLUMNS, empty="")


@campaign.command()
@click.argument("campaign_id")
@speaks_http
def watch(client: Client, output: Output, campaign_id: str) -> int:
    """Show progress until the end; the exit code is 1 unless every mail was sent."""
    client.get(f"/campaigns/{campaign_id}")  # a wrong id is refused before anything is waited for
    return _watched(client, output, campaign_id)


@campaign.command()
@click.argument("campaign_id")
@click.option(
    "--as", "resolution", type=click.Choice(["sent", "failed", "resend"]), required=True, help="What they are."
)
@click.option("--recipient", "recipients", multiple=True, help="Only this recipient id; may be repeated.")
@speaks_http
def resolve(client: Client, output: Output, campaign_id: str, resolution: str, recipients: tuple[str, ...]) -> None:
    """Decide about UNCERTAIN mails: those on the wire when their sender died."""
    body: dict[str, Any] = {"as": resolution} | ({"recipient_ids": list(recipients)} if recipients else {})
    done = client.post(f"/campaigns/{campaign_id}/recipients/resolve", body)
    output.thing(done, text=f"{done['resolved']:,} resolved as {resolution}.")


@campaign.command()
@click.argument("campaign_id")
@click.option("--status", type=click.Choice(_RECIPIENT_STATUSES, case_sensitive=False), help="Only these recipients.")
@click.option("--rejected", is_flag=True, help="The rows of the file that were not imported, instead.")
@click.option("-o", "--output", "target", type=click.File("wb"), default="-", help="Where to; the terminal by default.")
@click.option("--api-url", envvar="TASKFLOW_API_URL", help="Where the API is; that of this home by default.")
def export(campaign_id: str, status: str | None, rejected: bool, target: Any, api_url: str | None) -> None:
    """Write recipients and what became of their mails as CSV."""
    client = connect(api_url)
    path = f"/campaigns/{campaign_id}/" + ("import/rejected.csv" if rejected else "recipients.csv")
    for chunk in client.stream(path, status=status.upper() if status and not rejected else None):
        target.write(chunk)


def _start(client: Client, campaign_id: str) -> Any:
    """Start, and say row by row what is missing."""
    try:
        return client.post(f"/campaigns/{campaign_id}/start", timeout=_UPLOAD_SECONDS)
    except ConflictError as error:
        for problem in error.context.get("problems", ()):
            row, email = problem["row_number"], problem["email"]
            where = f"first in row {row} ({email})" if row else f"such as {email}"
            click.echo(f"  {problem['variable']}: missing for {problem['count']:,}, {where}", err=True)
        raise


def _watched(client: Client, output: Output, campaign_id: str) -> int:
    ended = watch_progress(client, campaign_id, as_json=output.as_json)
    if output.as_json:
        output.thing(ended)
    else:
        cost = "".join(f"; {cost:,.4f} {currency}" for currency, cost in ended["costs"].items())
        click.echo(f"Campaign {ended['status'].lower()}: {ended['summary']}{cost}")
    return 0 if ended["status"] == "COMPLETED" and ended["outcome"] == "clean" else 1


def _typed(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields as JSON wants them: the rate is a number, or null for unlimited."""
    rate = fields.get("rate_limit_per_minute")
    if not isinstance(rate, str):
        return fields
    if rate.lower() in ("unlimited", "null", "none"):
        return fields | {"rate_limit_per_minute": None}
    return fields | ({"rate_limit_per_minute": int(rate)} if rate.isdecimal() else {})


def _print_import(made: dict[str, Any]) -> None:
    report = made["import"]
    click.echo(
        f"{_count(report['accepted'], 'recipient')} of {_count(report['rows'], 'row')}"
        f" ({report['encoding']}, delimiter {report['delimiter']!r}):"
        f" {report['rejected']:,} rejected, {_count(report['duplicates'], 'duplicate')}",
        err=True,
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _form_value(value: Any) -> str:
    if value is None:
        return "null"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
