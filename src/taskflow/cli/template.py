"""`taskflow template`: write templates, compare their versions, try them on people."""

from pathlib import Path
from typing import Any

import click

from taskflow.cli.client import Client, Output, json_of, speaks_http, text_of
from taskflow.cli.names import find_contact, find_template

_COLUMNS = ("template_id", "name", "channel", "version", "default_locale", "updated_at")
_FINDING_COLUMNS = ("severity", "code", "locale", "part", "line", "message")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FORMATS = {".mjml": "mjml", ".html": "html", ".htm": "html", ".txt": "text"}


@click.group()
def template() -> None:
    """Make templates, save versions, preview, test and lint them."""


def _draft_options(command: Any) -> Any:
    """Give a command the options that say what a version says."""
    options = (
        click.option("--subject", help="The subject, a Jinja2 template."),
        click.option("--preheader", help="What mailboxes show behind the subject."),
        click.option("--text", type=_FILE, help="The file of the plain text part; made from the body by default."),
        click.option("--locale", help="Of this body; the template's default locale by default."),
        click.option(
            "--variant", "variants", type=(str, str, _FILE), multiple=True, metavar="LOCALE SUBJECT FILE",
            help="The words of a further locale; may be repeated.",
        ),
        click.option("--variables", help="JSON object of values for every recipient."),
        click.option("--attach", "attached", multiple=True, metavar="MEDIA_ID=NAME", help="A file that goes along."),
        click.option("--inline", "inline", multiple=True, metavar="MEDIA_ID=NAME", help="An image, shown at cid:NAME."),
        click.option("--note", help="About this version."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@template.command()
@click.argument("name")
@click.argument("body", type=_FILE)
@click.option("--sms", is_flag=True, help="A text message instead of mail.")
@click.option("--default-locale", default="en", show_default=True, help="Who has no other variant gets this one.")
@click.option("--description", help="What it is for.")
@_draft_options
@speaks_http
def create(
    client: Client,
    output: Output,
    name: str,
    body: Path,
    sms: bool,
    default_locale: str,
    description: str | None,
    **options: Any,
) -> None:
    """Make the template NAME from the file BODY: .mjml, .html or .txt."""
    fields = {"name": name, "channel": "sms" if sms else "email", "default_locale": default_locale}
    made = client.post("/templates", fields | {"description": description} | _draft(body, options))
    output.thing(made, text=made["template_id"])


@template.command()
@click.argument("name", metavar="NAME|ID")
@click.argument("body", type=_FILE)
@click.option("--base", "base_version", type=int, help="Save only if this is still the newest version.")
@_draft_options
@speaks_http
def save(client: Client, output: Output, name: str, body: Path, base_version: int | None, **options: Any) -> None:
    """Save the file BODY as the next version; what is not given is not in it."""
    saved = client.post(
        f"/templates/{find_template(client, name)}/versions", {"base_version": base_version} | _draft(body, options)
    )
    output.thing(saved, text=f"Version {saved['version']}.")


@template.command("list")
@click.option("--search", help="Part of the name.")
@click.option("--archived", is_flag=True, help="Those that were put away.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="How many.")
@speaks_http
def list_templates(client: Client, output: Output, search: str | None, archived: bool, limit: int) -> None:
    """List templates, newest first."""
    rows = list(client.pages("/templates", limit, search=search, archived=archived))
    output.things(rows, _COLUMNS, empty="No templates.")


@template.command()
@click.argument("name", metavar="NAME|ID")
@click.option("--version", type=int, help="Which; the newest by default.")
@speaks_http
def show(client: Client, output: Output, name: str, version: int | None) -> None:
    """Show a version's words."""
    if version is None:
        found = client.get(f"/templates/{find_template(client, name)}")["current"]
    else:
        found = client.get(f"/templates/{find_template(client, name)}/versions/{version}")
    heads = (f"# {one['locale']} ({one['format']}): {one['subject'] or ''}\n{one['body']}" for one in found["variants"])
    output.thing(found, text="\n".join(heads))


@template.command()
@click.argument("name", metavar="NAME|ID")
@speaks_http
def versions(client: Client, output: Output, name: str) -> None:
    """List versions, newest first."""
    rows = list(client.pages(f"/templates/{find_template(client, name)}/versions"))
    output.things(rows, ("version", "locales", "note", "created_at"), empty="No versions.")


@template.command()
@click.argument("name", metavar="NAME|ID")
@click.argument("old", type=int)
@click.argument("new", type=int)
@speaks_http
def diff(client: Client, output: Output, name: str, old: int, new: int) -> None:
    """Show what changed from version OLD to NEW."""
    found = client.get(f"/templates/{find_template(client, name)}/diff", **{"from": old, "to": new})
    parts = ("\n".join((f"{one['locale'] or '*'} {one['part']}", *one["diff"])) for one in found["changes"])
    output.thing(found, text="\n".join(parts) or "No difference.")


@template.command()
@click.argument("name", metavar="NAME|ID")
@click.argument("version", type=int)
@speaks_http
def restore(client: Client, output: Output, name: str, version: int) -> None:
    """Make an old version the newest again."""
    restored = client.post(f"/templates/{find_template(client, name)}/versions/{version}/restore")
    output.thing(restored, text=f"Version {restored['version']}.")


@template.command()
@click.argument("name", metavar="NAME|ID")
@speaks_http
def archive(client: Client, output: Output, name: str) -> None:
    """Put a template away; campaigns that have it go on."""
    client.delete(f"/templates/{(template_id := find_template(client, name))}")
    output.thing({"template_id": template_id}, text="Archived.")


def _person_options(command: Any) -> Any:
    """Give a command the options that say on whom a template is tried."""
    command = click.option("--locale", help="The variant of this locale.")(command)
    command = click.option("--sample", help="JSON object: the values of somebody made up.")(command)
    command = click.option("--contact", "contact_id", metavar="ID|EMAIL|PHONE", help="As this contact gets it.")(
        command
    )
    return click.option("--version", type=int, help="Which; the newest by default.")(command)


@template.command()
@click.argument("name", metavar="NAME|ID")
@_person_options
@click.option("--html", "as_html", is_flag=True, help="Print the HTML instead of the plain text.")
@speaks_http
def preview(client: Client, output: Output, name: str, as_html: bool, **options: Any) -> int:
    """Show what one person would get; the exit code is 1 when there is no message for them."""
    found = client.post(f"/templates/{find_template(client, name)}/preview", _person(client, options))
    for problem in found["problems"]:
        where = f", {problem['part']} line {problem['line']}" if problem["line"] else ""
        click.echo(f"{problem['code']}{where}: {problem['message']}", err=True)
    words = found["html"] if as_html else found["text"]
    if output.as_json or not found["problems"]:
        output.thing(found, text=words if as_html or not found["subject"] else f"{found['subject']}\n\n{words}")
    return int(bool(found["problems"]))


@template.command("test")
@click.argument("name", metavar="NAME|ID")
@click.argument("addresses", nargs=-1, required=True)
@click.option("--from", "from_email", required=True, help="The sender's address.")
@click.option("--from-name", help="The sender's name.")
@_person_options
@speaks_http
def send_test(
    client: Client,
    output: Output,
    name: str,
    addresses: tuple[str, ...],
    from_email: str,
    from_name: str | None,
    **options: Any,
) -> int:
    """Send what one person would get to ADDRESSES, now."""
    body = _person(client, options) | {"to": list(addresses), "from_email": from_email, "from_name": from_name}
    sent = client.post(f"/templates/{find_template(client, name)}/test", body)
    output.things(sent, ("address", "outcome", "provider", "reply"), empty="")
    return int(any(one["outcome"] != "accepted" for one in sent))


@template.command()
@click.argument("name", metavar="NAME|ID")
@click.option("--version", type=int, help="Which; the newest by default.")
@click.option(
    "--contact",
    "contacts",
    multiple=True,
    metavar="ID|EMAIL|PHONE",
    help="Who shall lack nothing; the newest by default.",
)
@click.option("--check-links", is_flag=True, help="Ask whether links answer.")
@speaks_http
def lint(
    client: Client, output: Output, name: str, version: int | None, contacts: tuple[str, ...], check_links: bool
) -> int:
    """Say what is wrong with a template; the exit code is 1 when there are errors."""
    body = {
        "version": version,
        "contact_ids": [find_contact(client, who) for who in contacts] or None,
        "check_links": check_links,
    }
    found = client.post(f"/templates/{find_template(client, name)}/lint", body)
    if output.as_json:
        output.thing(found)
    else:
        output.things(found["findings"], _FINDING_COLUMNS, empty="Nothing found.")
    return int(found["errors"] > 0)


def _draft(body: Path, options: dict[str, Any]) -> dict[str, Any]:
    first = _variant(body, options["locale"], options["subject"])
    first |= {"preheader": options["preheader"], "text": text_of(options["text"]) if options["text"] else None}
    variables = options["variables"]
    return {
        "variants": [first, *(_variant(file, locale, subject) for locale, subject, file in options["variants"])],
        "variables": json_of(variables, "--variables") if variables else {},
        "attachments": [
            *(_attachment(text, inline=False) for text in options["attached"]),
            *(_attachment(text, inline=True) for text in options["inline"]),
        ],
        "note": options["note"],
    }


def _variant(body: Path, locale: str | None, subject: str | None) -> dict[str, Any]:
    kind = _FORMATS.get(body.suffix.lower())
    if kind is None:
        raise click.UsageError(f"{body} ends with none of {', '.join(_FORMATS)}.")
    return {"locale": locale, "format": kind, "subject": subject, "body": text_of(body)}


def _attachment(text: str, *, inline: bool) -> dict[str, Any]:
    media_id, equals, filename = text.partition("=")
    if not equals:
        raise click.UsageError(f"{text!r} is not MEDIA_ID=NAME.")
    return {"media_id": media_id, "filename": filename, "inline": inline}


def _person(client: Client, options: dict[str, Any]) -> dict[str, Any]:
    sample, contact = options["sample"], options["contact_id"]
    return {
        "version": options["version"],
        "contact_id": find_contact(client, contact) if contact else None,
        "sample": json_of(sample, "--sample") if sample else {},
        "locale": options["locale"],
    }
