"""Arguments of other versions than the worker's."""

from typing import Any

import pytest

from support import option_tasks as tasks
from support.duties import lead
from support.following import ended, result, row
from support.processes import running
from support.waiting import eventually
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine import Engine, Request
from taskflow.engine.coordinator.relay import Relay
from taskflow.settings import Settings


@pytest.fixture
async def engine(database: Database, broker: RedisBroker, settings: Settings) -> Engine:
    await Relay().run_once(await lead(database, broker, settings))
    return Engine(database, broker)


async def test_older_arguments_are_upgraded_and_newer_ones_wait_for_a_newer_worker(
    engine: Engine, environment: dict[str, str], database: Database
) -> None:
    present = await engine.enqueue(tasks.renamed, "Ada")
    old = await engine.submit(Request("renamed", kwargs={"first": "Ada", "last": "Lovelace"}, payload_version=1))
    stuck = await engine.enqueue(tasks.never_upgraded, "x")
    await database.pool.execute("UPDATE tasks SET payload_version = 1 WHERE task_id = $1", stuck.task_id)
    newer = await engine.submit(Request("renamed", kwargs={"names": ["Ada"]}, payload_version=4))
    async with running({**environment, "TASKFLOW_WORKER_PROCESSES": "1"}, "worker", "--import", "support.option_tasks"):
        for handle, greeting in ((present, "Hello Ada"), (old, "Hello Ada Lovelace")):
            assert (await ended(database, handle.task_id))["status"] == "COMPLETED"
            assert (await result(database, handle.task_id))["result_data"] == greeting
        assert (await ended(database, stuck.task_id))["retry_count"] == 0
        assert "no upgrade from 1" in (await result(database, stuck.task_id))["error_message"]

        async def handed_back() -> dict[str, Any] | None:
            found = await row(database, newer.task_id)
            return found if found["status"] == "SCHEDULED" else None

        waits = await eventually(handed_back)
        assert (waits["retry_count"], waits["crash_count"], waits["lease_epoch"]) == (0, 0, 1)
        attempts = "SELECT count(*) FROM task_executions WHERE task_id = $1"
        assert await database.pool.fetchval(attempts, newer.task_id) == 0
