"""`taskflow provider`: who carries messages."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import click

from taskflow.base.errors import NotFoundError
from taskflow.cli.client import Client, Output, json_of, speaks_http, text_of
from taskflow.cli.names import is_id

_COLUMNS = ("name", "kind", "enabled", "priority", "weight", "per_day", "price", "currency", "provider_id")
_FIELD_COLUMNS = ("name", "type", "is_required", "is_secret", "default", "description")
_CLASSES = click.Choice(["transactional", "bulk"])
_LIMIT = click.IntRange(0)
_PREFERENCE = re.compile(r"(transactional|bulk)?(?:@([^=]+))?=([0-9]{1,3})?(?::([0-9]{1,4}))?")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def provider() -> None:
    """Add, change, test and order who carries messages."""


@provider.command("list")
@click.option("--channel", type=click.Choice(["email", "sms"]), help="Only of this channel.")
@speaks_http
def list_providers(client: Client, output: Output, channel: str | None) -> None:
    """List providers, in the order in which they are asked."""
    rows = list(client.pages("/providers", channel=channel))
    empty = "No providers: TASKFLOW_SMTP_* or the sandbox inbox takes the mail, and the inbox texts."
    output.things(rows, _COLUMNS, empty=empty)


@provider.command()
@click.argument("name", required=False)
@speaks_http
def kinds(client: Client, output: Output, name: str | None) -> None:
    """List kinds of providers; with NAME, what a provider of that kind has to be told."""
    told = client.get("/provider-kinds")
    for plugin in told["broken_plugins"]:
        click.echo(f"The plugin {plugin['name']} could not be loaded: {plugin['reason']}", err=True)
    if name is None:
        output.things(told["items"], ("name", "title", "channel", "priority"), empty="No kinds.")
        return
    found = next((kind for kind in told["items"] if kind["name"] == name), None)
    if found is None:
        raise click.UsageError(f"There is no kind {name!r}: see `taskflow provider kinds`.")
    output.things(found["fields"], _FIELD_COLUMNS, empty="Nothing to set.")


def _terms(command: Any) -> Any:
    """Give a command the options that `add` and `set` share."""
    options = (
        click.option("--set", "fields", multiple=True, metavar="FIELD=VALUE", help="A field of its kind; repeat it."),
        click.option("--settings", type=_FILE, help="A JSON file of fields."),
        click.option("--secret-stdin", metavar="FIELD", help="Read this secret field from standard input."),
        click.option(
            "--secret-file", "secret_files", multiple=True, metavar="FIELD=FILE",
            help="Read a secret field from a file; repeat it.",
        ),
        click.option("--priority", type=click.IntRange(1, 100), help="The smallest is asked first."),
        click.option("--weight", type=click.IntRange(1, 1000), help="Share among those of one priority."),
        click.option(
            "--prefer", "preferences", multiple=True, metavar="[CLASS][@DOMAIN]=PRIORITY[:WEIGHT]",
            help="Another priority or weight for some messages, as bulk=2 or bulk@example.org=1:5; repeat it.",
        ),
        click.option("--class", "classes", multiple=True, type=_CLASSES, help="Carry only these; repeat it."),
        click.option("--domain", "domains", multiple=True, help="Send only from this domain; repeat it."),
        click.option("--per-second", type=_LIMIT, help="Most messages a second; 0: no limit."),
        click.option("--per-minute", type=_LIMIT, help="Most messages a minute; 0: no limit."),
        click.option("--per-day", type=_LIMIT, help="Most messages a day; 0: no limit."),
        click.option(
            "--warm-up", metavar="N,N,...", help="Most messages on day 1 of use, day 2, ...; empty: no warm-up."
        ),
        click.option("--price", type=click.FloatRange(0), help="What a mail, or each part of a text, costs."),
        click.option(
            "--price-to", "prices", multiple=True, metavar="PREFIX=PRICE",
            help="What each part of a text costs to numbers that begin so: +91=0.0025. Repeat it; all are replaced.",
        ),
        click.option("--currency", help="Of the prices: USD, EUR, INR."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@provider.command()
@click.argument("name")
@click.argument("kind")
@_terms
@click.option("--disabled", is_flag=True, help="Do not send through it yet.")
@speaks_http
def add(client: Client, output: Output, name: str, kind: str, disabled: bool, **told: Any) -> None:
    """Add a provider called NAME of a KIND. Secrets come from standard input or files, never from the command line."""
    body = _body(client, kind, told)
    made = client.post("/providers", {"name": name, "kind": kind, "enabled": not disabled} | body)
    output.thing(made, text=f"{made['name']} is there. Try it: taskflow provider test {made['name']}")


@provider.command()
@click.argument("name")
@speaks_http
def show(client: Client, output: Output, name: str) -> None:
    """Show a provider by its name or id; of secrets only which are set."""
    output.thing(_find(client, name))


@provider.command("set")
@click.argument("name")
@_terms
@click.option("--unset", multiple=True, metavar="FIELD", help="Let a field go back to its default; repeat it.")
@click.option("--rename", metavar="NEW", help="Another name.")
@click.option("--enable/--disable", "enabled", default=None, help="Send through it, or not.")
@click.option("--all-classes", is_flag=True, help="Carry everything again.")
@click.option("--all-domains", is_flag=True, help="Send from every domain again.")
@click.option("--no-preferences", is_flag=True, help="Have one priority and weight for all messages again.")
@click.option("--no-price", is_flag=True, help="Forget what it costs.")
@speaks_http
def change(
    client: Client,
    output: Output,
    name: str,
    unset: tuple[str, ...],
    rename: str | None,
    enabled: bool | None,
    all_classes: bool,
    all_domains: bool,
    no_preferences: bool,
    no_price: bool,
    **told: Any,
) -> None:
    """Change a provider; what is not named stays."""
    row = _find(client, name)
    body = _body(client, row["kind"], told)
    if unset:
        body["settings"] = body.get("settings", {}) | dict.fromkeys(unset)
    body |= {key: value for key, value in (("name", rename), ("enabled", enabled)) if value is not None}
    body |= ({"classes": []} if all_classes else {}) | ({"domains": []} if all_domains else {})
    body |= {"preferences": []} if no_preferences else {}
    body |= {"price": None, "prices": {}, "currency": None} if no_price else {}
    if not body:
        raise click.UsageError("Say what to change: see --help.")
    changed = client.request("PATCH", f"/providers/{row['provider_id']}", json=body)
    output.things([changed], _COLUMNS, empty="")


@provider.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--last", is_flag=True, help="Also the last one: messages that wait go into the sandbox inbox then.")
@speaks_http
def remove(client: Client, output: Output, names: tuple[str, ...], last: bool) -> None:
    """Delete providers; ledgers keep their names."""
    for name in names:
        client.delete(f"/providers/{_find(client, name)['provider_id']}" + ("?last=true" if last else ""))
    output.thing({"deleted": list(names)}, text=f"deleted {', '.join(names)}")


@provider.command("test")
@click.argument("name")
@speaks_http
@click.pass_context
def test_connection(context: click.Context, client: Client, output: Output, name: str) -> None:
    """Sign in, send nothing, and say what was found; exit code 1 when it does not work."""
    row = _find(client, name)
    told = client.post(f"/providers/{row['provider_id']}/test")
    output.thing(told, text=told["found"])
    over = {key: most for key, most in told["suggested_budgets"].items() if row[key] is None or row[key] > most}
    if over and not output.as_json:
        options = " ".join(f"--{key.replace('_', '-')} {most}" for key, most in over.items())
        click.echo(f"Its budgets allow more than the account: taskflow provider set {row['name']} {options}")
    if not told["works"]:
        context.exit(1)


@provider.command("rotate-secrets")
@speaks_http
def rotate_secrets(client: Client, output: Output) -> None:
    """Wrap all secrets and DKIM keys with the present TASKFLOW_SECRET_KEY."""
    done = client.post("/providers/rotate-secrets")
    output.thing(
        done, text=f"{done['rewrapped']} rewrapped, {done['kept']} were already. TASKFLOW_SECRET_KEY_PREVIOUS may go."
    )


def _find(client: Client, name: str) -> dict[str, Any]:
    """Return a provider by its id or name."""
    if is_id(name):
        found: dict[str, Any] = client.get(f"/providers/{name}")
        return found
    for row in client.pages("/providers"):
        if row["name"] == name:
            return row
    raise NotFoundError(f"There is no provider called {name!r}: see `taskflow provider list`.")


def _texts(client: Client, kind: str) -> set[str]:
    """Return the names of a kind's fields that are text, whatever they look like: an id of digits is no number."""
    kinds: list[dict[str, Any]] = client.get("/provider-kinds")["items"]
    return {
        field["name"]
        for one in kinds if one["name"] == kind
        for field in one["fields"] if field["type"] == "string"
    }  # fmt: skip


def _body(client: Client, kind: str, told: dict[str, Any]) -> dict[str, Any]:
    """Return the members that options tell, for a provider of a kind; what was not told is left out."""
    settings = {} if told["settings"] is None else json_of(text_of(told["settings"]), str(told["settings"]))
    if not isinstance(settings, dict):
        raise click.UsageError(f"{told['settings']} is no JSON object.")
    texts = _texts(client, kind) if told["fields"] else set[str]()
    for text in told["fields"]:
        field, value = _pair(text, "--set")
        settings[field] = value if field in texts else _value(value)
    secrets = {}
    for text in told["secret_files"]:
        field, file = _pair(text, "--secret-file")
        secrets[field] = _line_of(Path(file))
    if told["secret_stdin"] is not None:
        secrets[told["secret_stdin"]] = sys.stdin.readline().rstrip("\r\n")
    body: dict[str, Any] = {"settings": settings, "secrets": secrets}
    body["preferences"] = [_preference(text) for text in told["preferences"]]
    body |= {name: list(told[name]) for name in ("classes", "domains")}
    body |= {name: told[name] for name in ("priority", "weight", "price", "currency")}
    body["prices"] = dict(_price(text) for text in told["prices"])
    found = {name: value for name, value in body.items() if value not in (None, {}, [])}
    if told["warm_up"] is not None:
        found["warm_up"] = _days(told["warm_up"])
    budgets = ("per_second", "per_minute", "per_day")
    return found | {name: told[name] or None for name in budgets if told[name] is not None}


def _pair(text: str, option: str) -> tuple[str, str]:
    """Return FIELD and VALUE."""
    field, equals, value = text.partition("=")
    if not field or not equals:
        raise click.UsageError(f"{option} takes FIELD=VALUE, not {field!r} alone.")
    return field, value


def _preference(text: str) -> dict[str, Any]:
    """Return a preference out of `bulk@example.org=1:5`."""
    found = _PREFERENCE.fullmatch(text)
    if found is None:
        raise click.UsageError(f"--prefer takes [CLASS][@DOMAIN]=PRIORITY[:WEIGHT], such as bulk=2, not {text!r}.")
    message_class, domain, priority, weight = found.groups()
    named = {"message_class": message_class, "domain": domain}
    numbers = {"priority": priority, "weight": weight}
    return {name: value for name, value in named.items() if value} | {
        name: int(value) for name, value in numbers.items() if value
    }


def _price(text: str) -> tuple[str, float]:
    """Return the beginning of numbers, and what a part of a text to them costs."""
    prefix, value = _pair(text, "--price-to")
    try:
        return prefix, float(value)
    except ValueError:
        raise click.UsageError(f"--price-to takes a number behind {prefix}=, not {value!r}.") from None


def _value(text: str) -> Any:
    """Return what JSON makes of a text; all else is text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _days(text: str) -> list[int]:
    """Return the limits of a warm-up, day by day."""
    days = [day.strip() for day in text.split(",")] if text.strip() else []
    if not all(day.isascii() and day.isdecimal() for day in days):
        raise click.UsageError(f"--warm-up takes numbers with commas between them, such as 50,100,500, not {text!r}.")
    return [int(day) for day in days]


def _line_of(file: Path) -> str:
    if not file.is_file():
        raise click.UsageError(f"There is no file {file}.")
    return text_of(file).rstrip("\r\n")
