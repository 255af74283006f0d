"""What a worker node is told from outside: it obeys at once, and with its next beat when Redis has lost the word."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from support import sample_tasks as tasks
from support.duties import open_dispatch
from support.processes import running
from support.waiting import eventually
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine import Engine
from taskflow.engine.repository import EngineReader


@pytest.fixture
async def engine(database: Database, broker: RedisBroker) -> Engine:
    """The direct client; the dispatch is open, as after the relay's first run."""
    await open_dispatch(database, broker)
    return Engine(database, broker)


@pytest.fixture
async def node(environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker node with one child and a quick heart."""
    quick = {"TASKFLOW_WORKER_PROCESSES": "1", "TASKFLOW_WORKER_HEARTBEAT_SECONDS": "0.3"}
    async with running({**environment, **quick}, "worker") as process:
        yield process


async def the_row(database: Database, *statuses: str) -> asyncpg.Record:
    """Wait until the only node has one of these states."""

    async def look() -> Any:
        return await database.pool.fetchrow("SELECT * FROM workers WHERE status = ANY($1::text[])", list(statuses))

    row: asyncpg.Record = await eventually(look, seconds=20, what=f"a node that is {statuses}")
    return row


async def started(database: Database, count: int) -> None:
    """Wait until so many tasks run their function."""

    async def look() -> bool:
        return await database.pool.fetchval("SELECT sum(current_load) FROM workers") == count

    await eventually(look, seconds=20)


async def test_words_that_redis_loses_arrive_with_the_heartbeat(
    engine: Engine, database: Database, node: asyncio.subprocess.Process
) -> None:
    worker_id = (await the_row(database, "IDLE"))["worker_id"]
    reader = EngineReader(database.pool)
    await reader.want_worker(worker_id, "PAUSE")  # and nobody tells Redis
    await the_row(database, "PAUSED")
    await reader.want_worker(worker_id, "RUN")
    await the_row(database, "IDLE")
    await reader.want_worker(worker_id, "DRAIN")
    await the_row(database, "DEAD")
    assert await node.wait() == 0


async def test_a_drained_node_finishes_what_it_runs_however_often_it_beats(
    engine: Engine, database: Database, broker: RedisBroker, node: asyncio.subprocess.Process
) -> None:
    worker_id = (await the_row(database, "IDLE"))["worker_id"]
    handle = await engine.enqueue(tasks.alone, seconds=2.0)  # several heartbeats
    await started(database, 1)
    await EngineReader(database.pool).want_worker(worker_id, "DRAIN")
    await broker.workers.command(worker_id, "drain")
    await the_row(database, "DRAINING")
    refused = await EngineReader(database.pool).want_worker(worker_id, "RUN")
    assert refused is not None
    assert refused["wanted"] == "DRAIN"
    assert await node.wait() == 0
    task = await database.pool.fetchrow("SELECT * FROM tasks WHERE task_id = $1", handle.task_id)
    assert task is not None
    assert (task["status"], task["lease_epoch"]) == ("COMPLETED", 1)


async def test_a_node_that_is_shut_down_hands_back_what_it_runs(
    engine: Engine, database: Database, broker: RedisBroker, node: asyncio.subprocess.Process
) -> None:
    worker_id = (await the_row(database, "IDLE"))["worker_id"]
    handle = await engine.enqueue(tasks.alone, seconds=600.0)
    await started(database, 1)
    await EngineReader(database.pool).want_worker(worker_id, "STOP")
    await broker.workers.command(worker_id, "shutdown")
    async with asyncio.timeout(15):
        assert await node.wait() == 0
    task = await database.pool.fetchrow("SELECT * FROM tasks WHERE task_id = $1", handle.task_id)
    assert task is not None
    assert (task["status"], task["retry_count"], task["crash_count"]) == ("PENDING", 0, 0)
    assert await broker.dispatch.held(["queue:default", "task:alone"]) == [0, 0]
