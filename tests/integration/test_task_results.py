"""What is kept of what tasks return: how much, and for how long."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from support import option_tasks as tasks
from support.duties import lead
from support.following import ended, result
from support.processes import running
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine import Engine
from taskflow.engine.coordinator.duty import DutyContext
from taskflow.engine.coordinator.pruner import Pruner
from taskflow.engine.coordinator.relay import Relay
from taskflow.engine.repository import EngineReader
from taskflow.settings import Settings


@pytest.fixture
async def term(database: Database, broker: RedisBroker, settings: Settings) -> DutyContext:
    context = await lead(database, broker, settings)
    await Relay().run_once(context)
    return context


@pytest.fixture
def engine(database: Database, broker: RedisBroker, term: DutyContext) -> Engine:
    return Engine(database, broker)


@pytest.fixture
async def node(environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    async with running(
        {**environment, "TASKFLOW_WORKER_PROCESSES": "1"}, "worker", "--import", "support.option_tasks"
    ) as process:
        yield process


@pytest.mark.parametrize("task", [tasks.returns_bytes, tasks.returns_bytes_from_a_slot], ids=lambda task: task.name)
async def test_a_result_over_the_limit_fails_for_good_and_says_what_to_do(
    engine: Engine, node: asyncio.subprocess.Process, database: Database, task: Any
) -> None:
    fits, too_large = await engine.enqueue(task, 98), await engine.enqueue(task, 99)
    assert (await ended(database, fits.task_id))["status"] == "COMPLETED"
    row = await ended(database, too_large.task_id)
    assert (row["status"], row["retry_count"]) == ("FAILED", 0)
    error = (await result(database, too_large.task_id))["error_message"]
    assert error.startswith("ResultTooLargeError: The result takes 101 bytes; the limit is 100.")
    assert "max_result_bytes" in error


async def test_a_task_may_keep_nothing(engine: Engine, node: asyncio.subprocess.Process, database: Database) -> None:
    handle = await engine.enqueue(tasks.keeps_nothing)
    assert (await ended(database, handle.task_id))["status"] == "COMPLETED"
    assert await result(database, handle.task_id) == {}


async def test_a_result_is_forgotten_when_its_time_is_up(
    engine: Engine,
    node: asyncio.subprocess.Process,
    database: Database,
    term: DutyContext,
) -> None:
    handle = await engine.enqueue(tasks.keeps_for_an_hour)
    await ended(database, handle.task_id)
    kept = await result(database, handle.task_id)
    assert (kept["expires_at"] - kept["created_at"]).total_seconds() == 3600
    reader = EngineReader(database.pool)
    assert (await reader.history(handle.task_id, 1)).result is not None
    await database.pool.execute("UPDATE task_results SET expires_at = now() - interval '1 second'")
    assert (await reader.history(handle.task_id, 1)).result is None, "also before it is pruned"
    await Pruner().run_once(term)
    assert await result(database, handle.task_id) == {}
