"""`taskflow doctor`: what is wrong with this installation, and how to mend it."""

import asyncio
import dataclasses
import json
import re

import click
from pydantic import SecretStr

from taskflow.cli.checkup import delivery, machine, postgresql, redis
from taskflow.cli.checkup.finding import Finding, Level
from taskflow.cli.configuration import load_settings
from taskflow.settings import Settings

_NEEDED = {"postgresql", "migrations", "redis"}  # for whoever looks at delivery
_SIGNS = {Level.OK: ("✓", "green"), Level.WARNING: ("!", "yellow"), Level.PROBLEM: ("✗", "red")}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def doctor(context: click.Context, as_json: bool) -> None:
    """Look at this machine, PostgreSQL, Redis, clocks and delivery; exit 1 when something is wrong.

    Asks the servers of TASKFLOW_DATABASE_URL and TASKFLOW_REDIS_URL, or those of the `taskflow up` that runs here.
    """
    settings = load_settings(attach=True)
    findings = asyncio.run(_examine(settings))
    problems = sum(finding.level is Level.PROBLEM for finding in findings)
    if as_json:
        report = {
            "healthy": problems == 0,
            "database_url": _shown(settings.database.url),
            "redis_url": _shown(settings.redis.url),
            "findings": [dataclasses.asdict(finding) for finding in findings],
        }
        click.echo(json.dumps(report, indent=2))
    else:
        _print(settings, findings, problems)
    context.exit(1 if problems else 0)


async def _examine(settings: Settings) -> list[Finding]:
    database, broker = await asyncio.gather(postgresql.examine(settings), redis.examine(settings))
    findings = [*machine.examine(settings), *database, *broker]
    lacking = {finding.name for finding in findings if finding.level is Level.PROBLEM}
    return findings if lacking & _NEEDED else [*findings, *await delivery.examine(settings)]


def _print(settings: Settings, findings: list[Finding], problems: int) -> None:
    for name, url in (("PostgreSQL", settings.database.url), ("Redis", settings.redis.url)):
        if url is not None:
            click.echo(f"{name:<11} {_shown(url)}")
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        sign, colour = _SIGNS[finding.level]
        click.echo(f"{click.style(sign, fg=colour, bold=True)} {finding.name:<{width}}  {finding.seen}")
        if finding.mend:
            click.secho(f"{'':<{width + 4}}→ {finding.mend}", fg=colour)
    warnings = sum(finding.level is Level.WARNING for finding in findings)
    if problems:
        click.secho(f"\n{problems} to mend, {warnings} to think about.", fg="red", bold=True)
    else:
        click.secho(f"\nHealthy{f', {warnings} to think about' if warnings else ''}.", fg="green", bold=True)


def _shown(url: SecretStr | None) -> str | None:
    """Return a URL without its password."""
    return re.sub(r"(://[^:/@\s]*:)[^@\s]+@", r"\1…@", url.get_secret_value()) if url else None
