"""`taskflow up`: the whole system on this machine."""

import asyncio
import logging
import signal
import sys

import click

from taskflow.base.logging import configure_logging
from taskflow.cli.configuration import load_settings
from taskflow.embedded.supervisor import AllInOne


@click.command()
@click.option("--nodes", default=1, show_default=True, type=click.IntRange(1, 64), help="Worker nodes to run.")
@click.option(
    "--logs/--no-logs",
    default=None,
    help="Show the processes' output here, or keep it in files under the home. Files by default on a terminal.",
)
def up(nodes: int, logs: bool | None) -> None:
    """Run everything here: PostgreSQL, Redis, API, dashboard, coordinator, workers and the sandbox inbox.

    Data stays under TASKFLOW_HOME (./.taskflow). With TASKFLOW_DATABASE_URL or TASKFLOW_REDIS_URL set, those servers
    are used instead. Ctrl-C lets running work finish; a second Ctrl-C does not wait for it.
    """
    settings = load_settings()
    configure_logging(settings.log.level, settings.log.format)
    for chatty in ("alembic", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    show = logs if logs is not None else not sys.stdout.isatty()
    asyncio.run(_run(AllInOne(settings, nodes=nodes, show_logs=show)))


async def _run(system: AllInOne) -> None:
    """Run until a signal asks for the end; a second one is impatient."""
    task = asyncio.current_task()
    asked = False

    def end() -> None:
        nonlocal asked
        if asked:
            click.secho("\nStopping at once.", err=True)
            system.kill()
        else:
            asked = True
            click.echo("\nStopping: running work is finished first. Ctrl-C again does not wait.", err=True)
            if task is not None:
                task.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    try:
        async with system.running():
            _welcome(system)
            await system.watch()
    except asyncio.CancelledError:
        if not asked:
            raise
    click.echo("Stopped.", err=True)


def _welcome(system: AllInOne) -> None:
    """Print where everything is; the generated password only to a terminal, else into a 0600 file."""
    rows = {"Dashboard": system.url, "API": f"{system.url}/api/v1"}
    if system.settings.smtp.host is None:
        rows["Sandbox SMTP"] = f"{system.settings.sandbox.host}:{system.settings.sandbox.port}"
    rows["SMTP relay"] = f"{system.settings.submission.host}:{system.settings.submission.port} (password: an API key)"
    rows["Data"] = str(system.home.path)
    rows["Logs"] = str(system.home.logs)
    if system.admin_password is not None:
        rows["Sign in"] = system.settings.security.admin_email
        if sys.stdout.isatty():
            rows["Password"] = f"{system.admin_password}  (shown only this once)"
        else:
            file = system.home.path / "admin-password"
            system.home.write_private(file, system.admin_password)
            rows["Password"] = f"in {file}"
    click.secho("TaskFlow is up.", bold=True)
    for name, value in rows.items():
        click.echo(f"  {name:<13} {value}")
    click.echo("Ctrl-C stops it.")
