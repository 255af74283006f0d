"""`taskflow db`: the schema of the database."""

import asyncio
import json

import click

from taskflow.cli.configuration import database_url, load_settings
from taskflow.db import migrate
from taskflow.db.revision import head


@click.group()
def db() -> None:
    """Migrate the database at TASKFLOW_DATABASE_URL, or that of the `taskflow up` that runs here."""


@db.command()
@click.argument("revision", default="head")
def upgrade(revision: str) -> None:
    """Bring the schema to REVISION (the newest by default); safe to run twice and side by side."""
    target = database_url(load_settings(attach=True))
    asyncio.run(migrate.upgrade(target, revision))
    click.echo(f"The database is at {asyncio.run(migrate.current(target))}.")


@db.command()
@click.argument("revision")
@click.option("--yes", is_flag=True, help="Do not ask.")
def downgrade(revision: str, yes: bool) -> None:
    """Take the schema back to REVISION; "base" drops every table."""
    target = database_url(load_settings(attach=True))
    if not yes:
        click.confirm(
            f"Go back to {revision}? Columns and tables that are newer are dropped with their rows.", abort=True
        )
    asyncio.run(migrate.downgrade(target, revision))
    click.echo(f"The database is at {asyncio.run(migrate.current(target)) or 'base'}.")


@db.command()
def url() -> None:
    """Print the URL of the database, for other programs: `export TASKFLOW_DATABASE_URL=$(taskflow db url)`."""
    click.echo(database_url(load_settings(attach=True)))


@db.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def current(as_json: bool) -> None:
    """Print the revision of the database and the newest one of this TaskFlow."""
    found = asyncio.run(migrate.current(database_url(load_settings(attach=True))))
    newest = head()
    if as_json:
        click.echo(json.dumps({"current": found, "head": newest, "up_to_date": found == newest}))
    elif found == newest:
        click.echo(f"{found} (the newest)")
    else:
        click.echo(f"{found or 'empty'}; the newest is {newest}: run `taskflow db upgrade`.")
