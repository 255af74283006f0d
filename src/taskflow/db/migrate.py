"""Migrations from Python: `upgrade`, `downgrade`, `current`; `revision.head` names the newest.

Two processes that start together migrate once: an advisory lock makes the second wait and then find nothing to do.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection, pool
from sqlalchemy.ext.asyncio import create_async_engine

from taskflow.base.errors import NotFoundError
from taskflow.db.outages import NOT_CONNECTED, not_connected

T = TypeVar("T")

_LOCK = 0x7461736B666C6F77  # "taskflow"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


async def current(url: str) -> str | None:
    """Return the revision of the database at `url`, or None for an empty one.

    Raises:
        ConfigurationError: the URL is none.
        UnavailableError: PostgreSQL does not answer.
    """
    return await _with_connection(url, lambda sync: MigrationContext.configure(sync).get_current_revision())


async def upgrade(url: str, revision: str = "head") -> None:
    """Bring the database at `url` to `revision`.

    Raises:
        ConfigurationError: the URL is none.
        UnavailableError: PostgreSQL does not answer.
        NotFoundError: this TaskFlow has no such revision, or the database is at one that it does not know.
    """
    await _locked(url, lambda config: command.upgrade(config, revision))


async def downgrade(url: str, revision: str) -> None:
    """Take the database at `url` back to `revision` (`base` drops everything); raises like `upgrade`."""
    await _locked(url, lambda config: command.downgrade(config, revision))


async def _locked(url: str, step: Callable[[Config], None]) -> None:
    guard = await _connect(url)
    try:
        await guard.execute("SELECT pg_advisory_lock($1)", _LOCK)

        def run(sync: Connection) -> None:
            config = _config()
            config.attributes["connection"] = sync
            try:
                step(config)
            except CommandError as error:
                raise NotFoundError(f"{error}. `taskflow db current` says what there is.") from error

        await _with_connection(url, run)
    finally:
        await guard.close()  # the lock goes with its session


async def _connect(url: str) -> asyncpg.Connection:
    try:
        return await asyncpg.connect(url)
    except NOT_CONNECTED as error:
        raise not_connected(error) from error


async def _with_connection(url: str, work: Callable[[Connection], T]) -> T:
    engine = create_async_engine("postgresql+asyncpg://", async_creator=partial(_connect, url), poolclass=pool.NullPool)
    try:
        async with engine.connect() as connection:
            result = await connection.run_sync(work)
            await connection.commit()
            return result
    finally:
        await engine.dispose()
