"""Migrations go up and down again, step by step."""

import asyncpg

from taskflow.db import migrate, revision

TABLES = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"


async def count_tables(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval(TABLES))
    finally:
        await connection.close()


async def test_each_revision_goes_up_and_down(empty_database_url: str) -> None:
    url = empty_database_url
    await migrate.upgrade(url)
    assert await migrate.current(url) == revision.head()
    whole = await count_tables(url)
    await migrate.downgrade(url, "0001")
    assert await count_tables(url) == whole - 5
    await migrate.upgrade(url)
    assert await count_tables(url) == whole
    await migrate.downgrade(url, "base")
    assert await count_tables(url) == 1  # Alembic's own
