"""Migrations from Python: `upgrade`, `downgrade`, `current`; `revision.head` names the newest.

Two processes that start together migrate once: an advisory lock makes the second wait and then find nothing to do.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, pool
from sqlalchemy.ext.asyncio import create_async_engine

T = TypeVar("T")

_LOCK = 0x7461736B666C6F77  # "taskflow"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


async def current(url: str) -> str | None:
    """Return the revision of the database at `url`, or None for an empty one."""
    return await _with_connection(url, lambda sync: MigrationContext.configure(sync).get_current_revision())


async def upgrade(url: str, revision: str = "head") -> None:
    """Bring the database at `url` to `revision`."""
    await _locked(url, lambda config: command.upgrade(config, revision))


async def downgrade(url: str, revision: str) -> None:
    """Take the database at `url` back to `revision` (`base` drops everything)."""
    await _locked(url, lambda config: command.downgrade(config, revision))


async def _locked(url: str, step: Callable[[Config], None]) -> None:
    guard = await asyncpg.connect(url)
    try:
        await guard.execute("SELECT pg_advisory_lock($1)", _LOCK)

        def run(sync: Connection) -> None:
            config = _config()
            config.attributes["connection"] = sync
            step(config)

        await _with_connection(url, run)
    finally:
        await guard.close()  # the lock goes with its session


async def _with_connection(url: str, work: Callable[[Connection], T]) -> T:
    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(url)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=pool.NullPool)
    try:
        async with engine.connect() as connection:
            result = await connection.run_sync(work)
            await connection.commit()
            return result
    finally:
        await engine.dispose()
