"""The hot statements keep walking indexes, whatever the tables looked like when they were prepared."""

import re

import orjson
import pytest

from taskflow.db.pool import Database
from taskflow.engine.coordinator.dependencies import sql as duty_sql
from taskflow.engine.dependencies.release import sql


@pytest.mark.parametrize(
    "name",
    ["settle_edges", "doom", "hold_parents", "results_of_parents", "subtree", "failed_around", "reopen", "connected"],
)
async def test_a_statement_reads_no_table_whole(database: Database, name: str) -> None:
    await assert_walks_indexes(database, getattr(sql, name))


@pytest.mark.parametrize("name", ["open_edges", "waiting_for_nobody", "prune_edges", "orphaned_edges"])
async def test_a_statement_of_the_duty_reads_no_table_whole(database: Database, name: str) -> None:
    await assert_walks_indexes(database, getattr(duty_sql, name))


async def assert_walks_indexes(database: Database, statement: str) -> None:
    count = max(map(int, re.findall(r"\$(\d)", statement)))
    async with database.hot.acquire() as connection:
        await connection.execute(f"PREPARE one AS {statement}")
        plan = await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE one ({', '.join(['NULL'] * count)})")
        await connection.execute("DEALLOCATE one")
    assert b'"Seq Scan"' not in orjson.dumps(plan)
