"""The statements that walk the backlog keep their plans: indexes only, whatever the planner believes."""

from typing import Any

import orjson
import pytest

from taskflow.db.pool import Database
from taskflow.engine.coordinator.backlog import sql
from taskflow.engine.store import sql as store_sql

HOT = (
    "live_dispatch_keys", "backlog_after", "standing", "something_is_due", "promote_due", "due_soon",
    "something_has_expired", "expire_tasks", "rescue", "abandoned_claims", "spent_claims", "running_under",
    "running_without_worker", "claims_after", "running_of",
)  # fmt: skip
STORE = ("claim", "claim_limited", "reroute", "complete")
STATEMENTS = {name: getattr(sql, name) for name in HOT} | {name: getattr(store_sql, name) for name in STORE}

# These may be walked from their beginning: they are partial, or small.
PARTIAL_OR_SMALL = {"tasks_live", "tasks_due_at", "tasks_expires_at", "task_claims_pkey"}


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", []) for node in nodes(child))]


@pytest.mark.parametrize("name", STATEMENTS)
async def test_a_hot_statement_prepared_on_an_empty_table_walks_indexes_only(name: str, database: Database) -> None:
    statement = STATEMENTS[name]
    async with database.hot.acquire() as connection:
        count = len((await connection.prepare(statement)).get_parameters())
        await connection.execute(f"PREPARE hot AS {statement}")
        arguments = f"({', '.join(['NULL'] * count)})" if count else ""
        explained = await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE hot {arguments}")
        await connection.execute("DEALLOCATE hot")
    plan = orjson.loads(explained)
    scans = [node for node in nodes(plan[0]["Plan"]) if node.get("Relation Name") in {"tasks", "task_claims"}]
    assert scans
    for node in scans:
        if node["Node Type"] != "ModifyTable":
            assert node["Node Type"] in {"Index Scan", "Index Only Scan"}, node
            assert "Index Cond" in node or node["Index Name"] in PARTIAL_OR_SMALL, node
