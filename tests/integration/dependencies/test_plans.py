"""The statements look rows up by their keys, also when they were planned while the tables were empty."""

import re
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from taskflow.db.pool import Database
from taskflow.engine.coordinator.dependencies import sql as duty_sql
from taskflow.engine.dependencies.release import sql
from taskflow.engine.store import sql as tasks_sql

_WALKS = frozenset({"orphaned_edges"})  # follows an index from its end, up to a limit


@pytest.mark.parametrize("name", sorted(vars(sql)))
async def test_a_statement_looks_up_by_keys(database: Database, name: str) -> None:
    await assert_looks_up(database, getattr(sql, name))


@pytest.mark.parametrize("name", sorted(set(vars(duty_sql)) - _WALKS))
async def test_a_statement_of_the_duty_looks_up_by_keys(database: Database, name: str) -> None:
    await assert_looks_up(database, getattr(duty_sql, name))


@pytest.mark.parametrize("name", ["complete", "finish", "request_cancel", "retry_by_hand"])
async def test_what_ends_tasks_still_looks_up_by_keys(database: Database, name: str) -> None:
    await assert_looks_up(database, getattr(tasks_sql, name))


@pytest.mark.parametrize("statement", [sql.settle_edges, sql.reopen, duty_sql.prune_edges])
async def test_edges_are_updated_where_they_were_found(database: Database, statement: str) -> None:
    assert "Tid Scan" in {node["Node Type"] for node in await assert_looks_up(database, statement)}


async def assert_looks_up(database: Database, statement: str) -> list[dict[str, Any]]:
    count = max(map(int, re.findall(r"\$(\d+)", statement)), default=0)
    async with database.hot.acquire() as connection:
        await connection.execute(f"PREPARE one AS {statement}")
        arguments = f"({', '.join(['NULL'] * count)})" if count else ""
        [explained] = orjson.loads(await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE one {arguments}"))
        await connection.execute("DEALLOCATE one")
    found = list(nodes(explained["Plan"]))
    for node in found:
        assert node["Node Type"] != "Seq Scan", node
        if node["Node Type"].startswith("Index"):
            assert "Index Cond" in node, node
    return found


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a plan's nodes."""
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)
