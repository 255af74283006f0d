"""How the hot statements behave at size: their plans do not age, and a backlog is taken in batches."""

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from support.lives import publish_generation
from support.processes import running
from support.sample_tasks import noop
from support.waiting import eventually
from taskflow.base.ids import uuid7
from taskflow.broker.redis.broker import RedisBroker
from taskflow.campaigns.ledger import sql as ledger_sql
from taskflow.db.pool import Database
from taskflow.engine import Engine
from taskflow.engine.coordinator.rescuer import sql as coordinator_sql
from taskflow.engine.store import sql

ROWS = 200_000
BACKLOG = 10_000
BIG = ("tasks", "task_executions", "email_recipients", "task_claims")

HOT = {
    "claim": sql.claim,
    "claim_limited": sql.claim_limited,
    "reroute": sql.reroute,
    "complete": sql.complete,
    "finish": sql.finish,
    "ended_as": sql.ended_as,
    "cancel_requested": sql.cancel_requested,
    "append_logs": sql.append_logs,
    "write_progress": sql.write_progress,
    "backlog_after": coordinator_sql.backlog_after,
    "live_dispatch_keys": coordinator_sql.live_dispatch_keys,
    "standing": coordinator_sql.standing,
    "promote_due": coordinator_sql.promote_due,
    "expire_tasks": coordinator_sql.expire_tasks,
    "rescue": coordinator_sql.rescue,
    "ledger.read": ledger_sql.read,
    "ledger.turn": ledger_sql.turn,
    "ledger.settle": ledger_sql.settle,
}
"""Name → statement; all of them run on `database.hot`."""


async def fill(connection: Any) -> UUID:
    """Insert many tasks and recipients without an ANALYZE; return the campaign."""
    campaign = uuid7()
    await connection.execute("ALTER TABLE tasks SET (autovacuum_enabled = off)")
    await connection.execute(
        "INSERT INTO tasks (task_id, task_name, dispatch_key, task_kwargs) "
        "SELECT gen_random_uuid(), 'noop', 'default', '{}' FROM generate_series(1, $1::int)",
        ROWS,
    )
    await connection.execute(
        "INSERT INTO email_recipients (recipient_id, campaign_id, email) "
        "SELECT gen_random_uuid(), $1, 'p' || n || '@example.com' FROM generate_series(1, $2::int) n",
        campaign,
        ROWS,
    )
    return campaign


def nulls(statement: str) -> str:
    """Return as many NULLs as the statement has parameters: the generic plan does not look at them."""
    return ", ".join(["NULL"] * max((int(n) for n in re.findall(r"\$(\d+)", statement)), default=0))


async def plan(connection: Any, name: str, statement: str) -> list[str]:
    """Return the plan of a prepared statement."""
    call = nulls(statement)
    rows = await connection.fetch(f'EXPLAIN EXECUTE "{name}"' + (f"({call})" if call else ""))
    return [row[0] for row in rows]


def scans(lines: Sequence[str]) -> list[str]:
    """Return the nodes that read a whole big table."""
    return [
        line.strip()
        for line in lines
        if re.search(rf"Seq Scan on ({'|'.join(BIG)})", line) or re.search(r"(Hash|Merge) Join", line)
    ]


async def test_statements_prepared_on_empty_tables_still_walk_indexes_when_they_are_full(database: Database) -> None:
    async with database.hot.acquire() as connection:
        for name, statement in HOT.items():
            await connection.execute(f'PREPARE "{name}" AS {statement}')
            await plan(connection, name, statement)  # the generic plan is made now, while the tables are empty
        await fill(database.pool)
        for name, statement in HOT.items():
            lines = await plan(connection, name, statement)
            assert not scans(lines), f"{name}:\n" + "\n".join(lines)


async def test_a_claim_prepared_on_an_empty_table_is_quick_when_it_is_full(database: Database) -> None:
    async with database.hot.acquire() as connection:
        claim = await connection.prepare(sql.claim)
        await claim.fetch([uuid4()], uuid7(), uuid7(), uuid7())
        await fill(database.pool)
        ids = [row[0] for row in await database.pool.fetch("SELECT task_id FROM tasks ORDER BY task_id LIMIT 100")]
        assert len(await claim.fetch(ids, uuid7(), uuid7(), uuid7())) == 100
        buffers = await connection.fetchval(
            "SELECT (shared_blks_hit + shared_blks_read) / calls FROM pg_stat_statements "
            "WHERE query LIKE '%journal AS%' "
            "AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        # 100 descents of the index and 100 rows written; reading the whole table would be some 6,000 pages.
        assert buffers < 3_000


@pytest.fixture
async def statistics(database: Database) -> "asyncpg.Pool[asyncpg.Record]":
    """The pool of a database whose statement statistics begin now."""
    await database.pool.execute("SELECT pg_stat_statements_reset()")
    return database.pool


async def test_a_backlog_is_claimed_and_completed_in_batches(
    database: Database,
    broker: RedisBroker,
    statistics: "asyncpg.Pool[asyncpg.Record]",
    environment: dict[str, str],
) -> None:
    """At default settings, with nothing to do but work: at least 20 rows a claim and a completion statement."""
    await publish_generation(broker, "test")
    await Engine(database, broker).enqueue_many(noop, [{} for _ in range(BACKLOG)])
    async with running(environment, "worker"):

        async def all_done() -> bool:
            return await statistics.fetchval("SELECT count(*) FROM tasks WHERE completed_at IS NULL") == 0

        await eventually(all_done, seconds=60, every=0.2)
    for what, mark in (("claim", "INSERT INTO task_claims"), ("completion", "SET status = %completed_at = now()")):
        calls = await statistics.fetchval(
            "SELECT sum(calls)::int FROM pg_stat_statements WHERE query LIKE '%' || $1 || '%' "
            "AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())",
            mark,
        )
        assert calls, f"there is no {what} statement"
        assert BACKLOG / calls >= 20, f"{BACKLOG} tasks in {calls} {what} statements"
