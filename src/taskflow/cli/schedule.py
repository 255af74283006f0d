"""`taskflow schedule`: start tasks again and again, and see when."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from taskflow.cli.client import Client, Output, connect, speaks_http
from taskflow.cli.names import find_schedule
from taskflow.cli.parameters import Duration, Instant, PriorityLevel
from taskflow.cli.task import args_of, follow

F = TypeVar("F", bound=Callable[..., Any])

_COLUMNS = ("name", "when", "task_name", "next_fire_at", "last_fire_at", "paused")
_WHEN = ("cron", "interval_seconds", "run_at")
_FIRE_COLUMNS = ("fire_at", "status", "cause", "task_id", "task_status")

_OPTIONS = (
    click.option("--cron", help="Five fields: '0 3 * * MON-FRI'; or @hourly, @daily, @weekly, @monthly, @yearly."),
    click.option("--zone", "time_zone", help="The time zone whose clocks --cron reads: Europe/Berlin. [default: UTC]"),
    click.option("--every", "interval_seconds", type=Duration(), help="An interval: 30s, 5m, 2h, 1d."),
    click.option("--at", "run_at", type=Instant(), help="Once, at this instant: 2026-01-31T09:00:00+01:00."),
    click.option("--args", "whole", help="All arguments as JSON: an object of keywords, or a list."),
    click.option("--queue", help="Another queue than the task's own."),
    click.option("--priority", type=PriorityLevel(), help="CRITICAL, HIGH, MEDIUM, LOW, or 1 to 10."),
    click.option("--max-retries", type=click.IntRange(0), help="Attempts after the first."),
    click.option("--timeout", "timeout_seconds", type=click.IntRange(1), help="Seconds an attempt may take."),
    click.option("--tag", "tags", multiple=True, help="A word to find its tasks by; may be repeated."),
    click.option(
        "--expires-in", "expires_in_seconds", type=Duration(),
        help="A task that has not begun so long after it was due is cancelled: 30s, 5m, 2h, 1d.",
    ),
    click.option("--starts-at", type=Instant(), help="No instant before this one."),
    click.option("--ends-at", type=Instant(), help="None after this one."),
    click.option("--jitter", "jitter_seconds", type=Duration(), help="Put each instant off by up to so long."),
    click.option(
        "--misfire", "misfire_policy", type=click.Choice(["skip", "once", "all"]),
        help="What becomes of instants that no coordinator was there for. [default: once]",
    ),
    click.option("--window", "misfire_window_seconds", type=Duration(), help="How far back they count. [default: 1d]"),
    click.option(
        "--overlap", "overlap_policy", type=click.Choice(["allow", "skip", "queue_one", "cancel_previous"]),
        help="What if the last task is still under way. [default: allow]",
    ),
)  # fmt: skip


def _described(command: F) -> F:
    """Give a command the options that describe a schedule."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.group()
def schedule() -> None:
    """Start tasks by cron expression, by interval, or once at an instant."""


@schedule.command()
@click.argument("name")
@click.argument("task_name", metavar="TASK")
@click.argument("arguments", nargs=-1, metavar="[KEY=VALUE]...")
@_described
@click.option("--paused", is_flag=True, help="Make it without letting it fire.")
@speaks_http
def create(
    client: Client, output: Output, name: str, task_name: str, arguments: tuple[str, ...], paused: bool, **options: Any
) -> None:
    """Make the schedule NAME of the task TASK: `nightly report day=yesterday --cron '0 3 * * MON-FRI'`."""
    if sum(options[when] is not None for when in _WHEN) != 1:
        raise click.UsageError("Say when: one of --cron, --every and --at.")
    body = {"name": name, "task_name": task_name, "paused": paused} | _body(arguments, options)
    _show(output, client.post("/schedules", body))


@schedule.command()
@click.argument("name")
@click.argument("arguments", nargs=-1, metavar="[KEY=VALUE]...")
@_described
@speaks_http
def update(client: Client, output: Output, name: str, arguments: tuple[str, ...], **options: Any) -> None:
    """Change a schedule; what is not given stays. Another timing counts from now on."""
    changes = _body(arguments, options)
    if not changes:
        raise click.UsageError("Say what to change; --help lists it.")
    _show(output, client.request("PATCH", f"/schedules/{find_schedule(client, name)}", json=changes))


@schedule.command("list")
@click.option("--task", "task_name", help="Only this task's.")
@click.option("--paused/--active", default=None, help="Only paused ones, or only the others.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="How many.")
@speaks_http
def list_schedules(client: Client, output: Output, limit: int, **query: Any) -> None:
    """List schedules, newest first."""
    rows = (row | {"when": _when(row)} for row in client.pages("/schedules", limit + 1, **query))
    output.first(rows, limit, _COLUMNS, empty="No schedules.")


@schedule.command()
@click.argument("name")
@speaks_http
def get(client: Client, output: Output, name: str) -> None:
    """Show a schedule and when it fires next."""
    _show(output, client.get(f"/schedules/{find_schedule(client, name)}"))


@schedule.command()
@click.argument("name")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="How many.")
@speaks_http
def fires(client: Client, output: Output, name: str, limit: int) -> None:
    """List what became of a schedule's instants, newest first."""
    rows = client.pages(f"/schedules/{find_schedule(client, name)}/fires", limit + 1)
    output.first(rows, limit, _FIRE_COLUMNS, empty="It has not fired yet.")


@schedule.command("next")
@click.argument("name", required=False)
@click.option("--cron", help="Instead of NAME: an expression to try, without a server.")
@click.option("--zone", default="UTC", show_default=True, help="The time zone whose clocks --cron reads.")
@click.option("--count", default=5, show_default=True, type=click.IntRange(1, 20), help="How many.")
@click.option("--api-url", envvar="TASKFLOW_API_URL", help="Where the API is; that of this home by default.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def next_fires(name: str | None, cron: str | None, zone: str, count: int, api_url: str | None, as_json: bool) -> None:
    """Tell when the schedule NAME fires next, or when an expression would."""
    if (name is None) == (cron is None):
        raise click.UsageError("Name a schedule, or give --cron.")
    if cron is not None:
        instants = _try(cron, zone, count)
    else:
        client = connect(api_url)
        instants = client.get(f"/schedules/{find_schedule(client, name or '')}", next=count)["next_fires"]
    Output(as_json).thing(instants, text="\n".join(instants) or "Never.")


@schedule.command()
@click.argument("names", nargs=-1, required=True)
@speaks_http
def pause(client: Client, output: Output, names: tuple[str, ...]) -> None:
    """Let schedules fire nothing until they are resumed."""
    _steer(client, output, names, "pause")


@schedule.command()
@click.argument("names", nargs=-1, required=True)
@speaks_http
def resume(client: Client, output: Output, names: tuple[str, ...]) -> None:
    """Let schedules fire again, from now on."""
    _steer(client, output, names, "resume")


@schedule.command()
@click.argument("name")
@click.option("--wait", is_flag=True, help="Wait for its end; the exit code is 1 unless it completes.")
@speaks_http
def run(client: Client, output: Output, name: str, wait: bool) -> int:
    """Start a schedule's task now, beside its timetable."""
    made = client.post(f"/schedules/{find_schedule(client, name)}/run")
    if wait:
        return follow(client, output, [made["task_id"]])
    output.thing(made, text=made["task_id"])
    return 0


@schedule.command()
@click.argument("name")
@click.option("--from", "first", required=True, type=Instant(), help="The first instant: 2026-01-01T00:00:00+01:00.")
@click.option("--to", "last", required=True, type=Instant(), help="The last one; not in the future.")
@speaks_http
def backfill(client: Client, output: Output, name: str, first: str, last: str) -> None:
    """Fire the instants of a past range that have not fired; repeating it fires nothing twice."""
    done = client.post(f"/schedules/{find_schedule(client, name)}/backfill", {"from": first, "to": last})
    output.thing(done, text=f"{done['created']:,} of {done['instants']:,} instants fired now; the rest had before.")


@schedule.command()
@click.argument("names", nargs=-1, required=True)
@speaks_http
def delete(client: Client, output: Output, names: tuple[str, ...]) -> None:
    """Delete schedules; tasks that they started are left alone."""
    for name in names:
        client.delete(f"/schedules/{find_schedule(client, name)}")
    output.thing({"deleted": list(names)}, text=f"deleted {', '.join(names)}")


def _body(arguments: tuple[str, ...], options: dict[str, Any]) -> dict[str, Any]:
    whole = options.pop("whole")
    body = {name: value for name, value in options.items() if value is not None and value != ()}
    if whole or arguments:
        body["args"] = args_of(arguments, whole)
    return body


def _steer(client: Client, output: Output, names: tuple[str, ...], verb: str) -> None:
    rows = [client.post(f"/schedules/{find_schedule(client, name)}/{verb}") for name in names]
    output.things([row | {"when": _when(row)} for row in rows], _COLUMNS, empty="")


def _show(output: Output, found: dict[str, Any]) -> None:
    if output.as_json:
        output.thing(found)
        return
    instants = found.pop("next_fires")
    output.facts({"when": _when(found)} | found)
    for instant in instants:
        click.echo(f"next  {instant}")


def _when(row: dict[str, Any]) -> str:
    if row["cron"]:
        return f"{row['cron']} ({row['time_zone']})"
    return f"every {row['interval_seconds']} s" if row["interval_seconds"] else f"at {row['run_at']}"


def _try(expression: str, zone: str, count: int) -> list[str]:
    """Return the next instants of an expression, on the clocks of its zone."""
    from taskflow.engine.schedules.cron import CronExpression
    from taskflow.engine.schedules.zones import find_zone

    parsed, where = CronExpression.parse(expression), find_zone(zone)
    moment: datetime | None = datetime.now(UTC)
    instants: list[str] = []
    while len(instants) < count and moment is not None:
        moment = parsed.next_after(moment, where)
        if moment is not None:
            instants.append(moment.astimezone(where).isoformat())
    return instants
