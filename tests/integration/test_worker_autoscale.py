"""A node that starts children while tasks wait, and drains them when they do not, without losing a task."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from support import sample_tasks as tasks
from support.processes import running, start
from support.waiting import eventually
from taskflow.db.pool import Database
from taskflow.engine import Engine


@pytest.fixture
async def node(environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """A node of one to three children with a slot each and nothing in stock, that shrinks quickly and beats often."""
    quick = environment | {
        "TASKFLOW_WORKER_SHRINK_SECONDS": "1",
        "TASKFLOW_WORKER_HEARTBEAT_SECONDS": "0.2",
        "TASKFLOW_WORKER_PREFETCH_SECONDS": "0.001",
    }
    async with running(quick, "worker", "--autoscale", "1:3", "--capacity", "1") as process:
        yield process


async def worker(database: Database) -> dict[str, Any]:
    return dict(await database.pool.fetchrow("SELECT * FROM workers") or {})


async def processes(database: Database) -> set[str]:
    return set((await worker(database)).get("metadata", {}).get("processes", []))


async def test_children_come_while_tasks_wait_and_go_afterwards_and_no_task_is_lost(
    engine: Engine, node: asyncio.subprocess.Process, database: Database, tmp_path: Path
) -> None:
    gate = tmp_path / "open"
    handles = await engine.enqueue_many(tasks.waits_for, [{"path": str(gate)}] * 9)

    async def has(count: int) -> set[str]:
        found = await processes(database)
        return found if len(found) == count else set()

    first = await eventually(lambda: has(1), seconds=30, what="one child")
    full = await eventually(lambda: has(3), seconds=30, what="as many as may be")
    assert first < full
    assert (await worker(database))["capacity"] == 3

    gate.touch()

    async def all_ended() -> bool:
        return await database.pool.fetchval("SELECT count(*) FROM tasks WHERE status = 'COMPLETED'") == len(handles)

    await eventually(all_ended, seconds=30, what="every task has completed")
    last = await eventually(lambda: has(1), seconds=60, what="one child is left")
    assert last < full
    assert (await worker(database))["capacity"] == 1
    ends = await database.pool.fetch("SELECT status, count(*) FROM task_executions GROUP BY status")
    assert {row["status"] for row in ends} <= {"COMPLETED", "RELEASED"}
    assert await database.pool.fetchval("SELECT max(crash_count) FROM tasks") == 0


async def test_a_drained_child_finishes_what_it_runs(
    engine: Engine, node: asyncio.subprocess.Process, database: Database, tmp_path: Path
) -> None:
    gates = [tmp_path / str(number) for number in range(3)]
    for gate in gates:
        await engine.enqueue(tasks.waits_for, str(gate))

    async def runs(count: int) -> bool:
        found = await database.pool.fetchval("SELECT count(*) FROM tasks WHERE status = 'RUNNING'")
        return bool(found == count)

    async def capacity(count: int) -> bool:
        return bool((await worker(database))["capacity"] == count)

    await eventually(lambda: runs(3), seconds=30, what="all three run, in a child each")
    for gate in gates[:2]:
        gate.touch()
    await eventually(lambda: capacity(1), seconds=60, what="the idle ones are drained")
    assert await runs(1)
    gates[2].touch()
    await eventually(lambda: runs(0), seconds=30, what="the last one ends")
    attempts = await database.pool.fetch("SELECT status FROM task_executions")
    assert [row["status"] for row in attempts] == ["COMPLETED"] * 3


@pytest.mark.parametrize("value", ["3", "0:2", "4:2", "1:999", "a:b"])
async def test_a_wrong_range_is_a_usage_error(environment: dict[str, str], value: str) -> None:
    process = await start(environment, "worker", "--autoscale", value)
    assert await asyncio.wait_for(process.wait(), 30) == 2
