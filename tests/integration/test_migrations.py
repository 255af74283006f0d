"""Migrations go up and down again, step by step."""

import asyncpg

from taskflow.db import migrate, revision

COLUMNS = """
SELECT c.table_name, c.column_name, c.data_type FROM information_schema.columns c
WHERE c.table_schema = 'public' ORDER BY 1, 2
"""
FUNCTIONS = """
SELECT p.oid::regprocedure::text AS name, p.prosrc FROM pg_proc p
WHERE p.pronamespace = 'public'::regnamespace AND p.prolang <> (SELECT oid FROM pg_language WHERE lanname = 'c')
ORDER BY 1
"""
INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"


async def shape(url: str) -> list[list[asyncpg.Record]]:
    """Return every column, every index and every function."""
    connection = await asyncpg.connect(url)
    try:
        return [await connection.fetch(query) for query in (COLUMNS, INDEXES, FUNCTIONS)]
    finally:
        await connection.close()


async def test_each_revision_goes_up_and_down(empty_database_url: str) -> None:
    url = empty_database_url
    await migrate.upgrade(url)
    assert await migrate.current(url) == revision.head()
    whole = above = await shape(url)
    while await migrate.current(url) != "0001":
        await migrate.downgrade(url, "-1")
        below = await shape(url)
        assert below != above
        above = below
    await migrate.upgrade(url)
    assert await shape(url) == whole
    await migrate.downgrade(url, "base")
    columns, *_ = await shape(url)
    ours = {row["table_name"] for row in columns if not row["table_name"].startswith("pg_stat_statements")}
    assert ours == {"alembic_version"}
