"""`taskflow contact import` and `contact imports`: bring files of people in, and follow how it goes."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from taskflow.base.terminal import printable
from taskflow.cli.client import Client, Output, connect, speaks_http
from taskflow.cli.names import find_list
from taskflow.cli.table import cell

_COLUMNS = ("import_id", "status", "mode", "filename", "summary", "created_at")
_STATUSES = ("PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED")
_ENDED = frozenset({"COMPLETED", "FAILED", "CANCELLED"})
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_UPLOAD_SECONDS = 600.0
_LINE_SECONDS = 1.0


def _pairs(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Read COLUMN=TARGET; a title may hold a `=`, a target may not."""
    found: dict[str, str] = {}
    for value in values:
        column, sign, target = value.rpartition("=")
        if not sign or not column or not target:
            raise click.BadParameter(f"{value!r}: write COLUMN=TARGET, such as Vorname=first_name.")
        found[column] = target.strip()
    return found


@click.command("import")
@click.argument("file", type=_FILE)
@click.option(
    "--mode",
    type=click.Choice(["create", "update", "upsert"]),
    help="create: only new people; update: only known ones; upsert: both. [default: upsert]",
)
@click.option("--dry-run", is_flag=True, help="Check every row and say what would happen.")
@click.option(
    "--map",
    "mapping",
    multiple=True,
    metavar="COLUMN=TARGET",
    callback=_pairs,
    help="What a column becomes: email, phone, locale, time_zone, tags, ignore, or an attribute. May be repeated.",
)
@click.option("--mapped-only", is_flag=True, help="Leave out columns that --map does not name.")
@click.option("--list", "lists", multiple=True, metavar="NAME|ID", help="A list to add them to; may be repeated.")
@click.option("--ask-to-confirm", is_flag=True, help="Mail who comes to a list with a double opt-in, and ask them.")
@click.option("--tag", "tags", multiple=True, help="A tag for everybody; may be repeated.")
@click.option("--region", help="Country of phone numbers without a country code: DE, US, …")
@click.option("--consent", help="The words that they have agreed to; kept for each of them.")
@click.option(
    "--consent-channel", "channels", multiple=True, type=click.Choice(["email", "sms"]), help="[default: email]"
)
@click.option("--confirmed", is_flag=True, help="They have confirmed it elsewhere: no double opt-in asks again.")
@click.option("--inspect", "inspecting", is_flag=True, help="Only say what the columns are and would become.")
@click.option("--no-wait", is_flag=True, help="Do not wait for the end.")
@click.option("--rejected", "target", type=click.Path(path_type=Path), help="Write the rejected rows into this file.")
@speaks_http
def import_file(client: Client, output: Output, file: Path, *, inspecting: bool, no_wait: bool, **options: Any) -> int:
    """Import the people in FILE: CSV with a header row, or a ZIP archive of one.

    The exit code is 1 unless the import completes and takes somebody.
    """
    if inspecting:
        _print_inspection(output, _upload(client, "/inspect", file, {}))
        return 0
    made = _upload(client, "", file, _fields(client, options))
    if no_wait:
        output.thing(made, text=made["import_id"])
        return 0
    report = _watch(client, output, made["import_id"])
    if options["target"] is not None and report["rejected"]:
        with options["target"].open("wb") as out:
            out.writelines(client.stream(f"/contacts/imports/{report['import_id']}/rejected.csv"))
    output.thing(report, text=_ending(report, options["target"]))
    taken = report["created"] + report["updated"] + report["skipped"]
    return int(report["status"] != "COMPLETED" or taken == 0)


@click.group("imports")
def imports() -> None:
    """List, follow and cancel imports, and get their rejected rows."""


@imports.command("list")
@click.option("--status", type=click.Choice(_STATUSES, case_sensitive=False), help="Only these.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="How many.")
@speaks_http
def list_imports(client: Client, output: Output, status: str | None, limit: int) -> None:
    """List imports, newest first."""
    rows = list(client.pages("/contacts/imports", limit, status=status.upper() if status else None))
    output.things(rows, _COLUMNS, empty="No imports.")


@imports.command()
@click.argument("import_id")
@speaks_http
def show(client: Client, output: Output, import_id: str) -> None:
    """Show an import."""
    output.thing(client.get(f"/contacts/imports/{import_id}"))


@imports.command()
@click.argument("import_id")
@speaks_http
def watch(client: Client, output: Output, import_id: str) -> int:
    """Show how far an import is, to its end; the exit code is 1 unless it completes."""
    client.get(f"/contacts/imports/{import_id}")  # a wrong id is refused before anything is waited for
    report = _watch(client, output, import_id)
    output.thing(report, text=_ending(report, None))
    return int(report["status"] != "COMPLETED")


@imports.command()
@click.argument("import_id")
@speaks_http
def cancel(client: Client, output: Output, import_id: str) -> None:
    """End an import; who is merged by now stays."""
    output.things([client.post(f"/contacts/imports/{import_id}/cancel")], _COLUMNS, empty="")


@imports.command()
@click.argument("import_id")
@click.option("-o", "--output", "target", type=click.File("wb"), default="-", help="Where to; the terminal by default.")
@click.option("--api-url", envvar="TASKFLOW_API_URL", help="Where the API is; that of this home by default.")
def rejected(import_id: str, target: Any, api_url: str | None) -> None:
    """Write the rows that were not imported, each with the reason, as CSV to mend and import again."""
    for chunk in connect(api_url).stream(f"/contacts/imports/{import_id}/rejected.csv"):
        target.write(chunk)


def _fields(client: Client, options: dict[str, Any]) -> dict[str, str]:
    """Return the form's fields."""
    if options["consent"] is None and (options["channels"] or options["confirmed"]):
        raise click.UsageError("--consent-channel and --confirmed say something about a --consent.")
    values: dict[str, Any] = {
        "mode": options["mode"],
        "dry_run": options["dry_run"] or None,
        "mapping": options["mapping"] or None,
        "other_columns": "ignore" if options["mapped_only"] else None,
        "lists": [find_list(client, name) for name in options["lists"]] or None,
        "ask_to_confirm": options["ask_to_confirm"] or None,
        "tags": list(options["tags"]) or None,
        "default_region": options["region"],
    }
    if options["consent"] is not None:
        values["consent"] = {
            "wording": options["consent"],
            "channels": list(options["channels"]) or ["email"],
            "confirmed": options["confirmed"],
        }
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in values.items()
        if value is not None
    }


def _upload(client: Client, path: str, file: Path, fields: dict[str, str]) -> Any:
    with file.open("rb") as opened:
        files = {"file": (file.name, opened, "application/octet-stream")}
        return client.request("POST", f"/contacts/imports{path}", data=fields, files=files, timeout=_UPLOAD_SECONDS)


def _watch(client: Client, output: Output, import_id: str) -> Any:
    """Show progress until the import has ended, and return it."""
    with _Display(as_json=output.as_json) as display:
        for event in client.events(f"task:{import_id}"):
            if event.type == "task.progress":
                display.show(event.data["percent"] or 0.0, event.data["message"] or "")
                continue
            report = client.get(f"/contacts/imports/{import_id}")
            task = client.get(f"/tasks/{import_id}")
            while task["status"] in ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT") and report["status"] not in _ENDED:
                time.sleep(_LINE_SECONDS)  # the coordinator writes the end of a task that could not
                report = client.get(f"/contacts/imports/{import_id}")
            display.show(report["percent"], report["phase"])
            if report["status"] in _ENDED:
                return report
    raise AssertionError  # events do not end by themselves


class _Display:
    """A bar on a terminal, else a line a second; a context manager."""

    def __init__(self, *, as_json: bool) -> None:
        self._silent = as_json
        self._shown_at = 0.0
        self._bar = (
            Progress(
                BarColumn(bar_width=32),
                TextColumn("{task.percentage:>5.1f} %  {task.description}"),
                TimeElapsedColumn(),
                console=Console(highlight=False),
            )
            if not as_json and sys.stdout.isatty()
            else None
        )
        self._task = self._bar.add_task("waiting", total=100) if self._bar is not None else None

    def __enter__(self) -> "_Display":
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, percent: float, phase: str) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=percent, description=phase)
        elif not self._silent and time.monotonic() - self._shown_at >= _LINE_SECONDS:
            click.echo(f"{percent:.0f} %  {phase}", err=True)
            self._shown_at = time.monotonic()


def _ending(report: dict[str, Any], target: Path | None) -> str:
    """Return the sentence at the end."""
    text = f"Import {report['status'].lower()}: {report['summary']}."
    if report["error_message"]:
        text += f"\n{report['error_message']}"
    if report["rejected"]:
        where = f"see {target}" if target else f"taskflow contact imports rejected {report['import_id']}"
        text += f"\nRejected rows: {where}"
    return text


def _print_inspection(output: Output, found: dict[str, Any]) -> None:
    if output.as_json:
        output.thing(found)
        return
    click.echo(
        f"About {found['estimated_rows']:,} rows, {found['encoding']}, delimiter {found['delimiter']!r}.", err=True
    )
    rows = [
        {
            "column": column["title"] or f"(column {column['place']})",
            "name": column["name"],
            "becomes": column["target"],
            "for example": ", ".join(sample for sample in column["samples"] if sample)[:60],
        }
        for column in found["columns"]
    ]
    output.things(rows, ("column", "name", "becomes", "for example"), empty="")
    for shared in found["shared_titles"]:
        options = " ".join(f"--map {cell(name)}=…" for name in shared["names"])
        click.echo(
            f"{len(shared['places'])} columns are called {printable(shared['title'])!r}: say {options}", err=True
        )
