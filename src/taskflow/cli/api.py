"""`taskflow api`: one process of the API gateway."""

import asyncio
import sys

import click

from taskflow.base.logging import configure_logging
from taskflow.cli.configuration import load_settings
from taskflow.cli.task_modules import BUILT_IN
from taskflow.embedded.home import Home
from taskflow.settings import Settings


@click.command()
@click.option("--host", help="Address to listen on. [default: TASKFLOW_HTTP_HOST]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port, 0 for a free one. [default: TASKFLOW_HTTP_PORT]")
@click.option("--first-admin/--no-first-admin", default=True, help="Make an administrator when there is no user yet.")
@click.option("--import", "imports", multiple=True, help="A module that defines tasks; may be repeated.")
def api(host: str | None, port: int | None, first_admin: bool, imports: tuple[str, ...]) -> None:
    """Run the API gateway and the dashboard until SIGTERM.

    It imports the modules of TASKFLOW_WORKER_IMPORTS as workers do: a task that is submitted by its name is checked and
    takes its definition's options. A name that is in none of them is taken as it is.
    """
    from taskflow.api.server import make_server
    from taskflow.engine.modules import import_tasks
    from taskflow.engine.tracing import enable

    settings = load_settings()
    configure_logging(settings.log.level, settings.log.format)
    changes = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = settings.model_copy(update={"http": settings.http.model_copy(update=changes)})
    import_tasks([*BUILT_IN, *settings.worker.imports, *imports])
    if settings.tracing.enabled:
        enable(settings.tracing.service_name)
    server = make_server(settings)
    if first_admin:
        asyncio.run(_make_first_admin(settings))
    server.run()


async def _make_first_admin(settings: Settings) -> None:
    """Make the first administrator; its password goes to a terminal, else into a 0600 file, never into a log."""
    from taskflow.db.pool import Database
    from taskflow.identity.first_start import ensure_first_admin

    async with Database.open(settings.database, name="taskflow api") as database:
        password = await ensure_first_admin(database, settings)
    if password is None:
        return
    if sys.stdout.isatty():
        click.echo(f"Sign in as {settings.security.admin_email} with {password} (shown only this once).")
        return
    home = Home(settings.home)
    home.create()
    home.write_private(home.path / "admin-password", password)
    click.echo(f"The password of {settings.security.admin_email} is in {home.path / 'admin-password'}.", err=True)
