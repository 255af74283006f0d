"""What a running task says to its worker and hears from it, in async tasks, in slots and in batches."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support import option_tasks as tasks
from support.duties import add_tasks
from support.following import ended, progress, result, row
from support.processes import running
from support.waiting import eventually
from taskflow.base.ids import uuid7
from taskflow.broker.redis.broker import RedisBroker
from taskflow.broker.redis.events import Event
from taskflow.db.pool import Database
from taskflow.engine import Engine
from taskflow.engine.states import TaskStatus
from taskflow.engine.store import Outcome, ProgressLine, TaskStore


@pytest.fixture
async def node(environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    async with running(
        {**environment, "TASKFLOW_WORKER_PROCESSES": "1"}, "worker", "--import", "support.option_tasks"
    ) as process:
        yield process


async def progress_events(broker: RedisBroker, task_id: object) -> list[Event]:
    found = await broker.events.read("0-0")
    return [event for _, event in found if event.topic == f"task:{task_id}"]


async def test_progress_is_kept_published_and_its_last_word_never_lost(
    engine: Engine, node: asyncio.subprocess.Process, database: Database, broker: RedisBroker, tmp_path: Path
) -> None:
    go_on = tmp_path / "go on"
    handle = await engine.enqueue(tasks.reports, str(go_on))

    async def rendering() -> bool:
        return (await progress(database, handle.task_id)).get("message") == "rendering"

    await eventually(rendering, what="what the thread said")
    go_on.touch()
    await ended(database, handle.task_id)
    last = await progress(database, handle.task_id)
    assert (last["percent"], last["done"], last["total"], last["message"]) == (100, 8, 8, "rendered")

    async def told() -> list[Event]:
        return [e for e in await progress_events(broker, handle.task_id) if e.data["message"] == "rendered"]

    [event] = await eventually(told)
    assert event.type == "task.progress"
    assert event.data["percent"] == 100
    assert len(await progress_events(broker, handle.task_id)) <= 4, "forty words in a moment are not forty events"


async def test_a_slot_reports_too_and_knows_its_fence(
    engine: Engine, node: asyncio.subprocess.Process, database: Database
) -> None:
    handle = await engine.enqueue(tasks.reports_from_a_slot.options(max_retries=0))
    task = await ended(database, handle.task_id)
    assert task["status"] == "COMPLETED", await result(database, handle.task_id)
    assert (await progress(database, handle.task_id))["done"] == 5000
    assert (await result(database, handle.task_id))["result_data"] == 1


async def test_each_task_of_a_batch_has_its_own_progress_and_log(
    engine: Engine, node: asyncio.subprocess.Process, database: Database
) -> None:
    handles = await engine.enqueue_many(tasks.reports_in_a_batch, [{"number": n} for n in range(5)])
    for number, handle in enumerate(handles):
        await ended(database, handle.task_id)
        assert (await progress(database, handle.task_id))["message"] == f"number {number}"
        assert await database.pool.fetchval("SELECT count(*) FROM task_logs WHERE task_id = $1", handle.task_id) == 1


async def test_progress_of_a_lost_lease_changes_nothing(database: Database) -> None:
    store = TaskStore(database)
    [task_id] = await add_tasks(database, 1)
    [lease] = await store.claim(uuid7(), uuid7(), uuid7(), [task_id])

    def line(epoch: int, percent: float) -> ProgressLine:
        return ProgressLine(lease.task_id, epoch, percent, None, None, None)

    assert await store.write_progress([line(1, 10.0)]) == {lease.task_id}
    assert await store.write_progress([line(0, 90.0)]) == set()
    assert (await progress(database, lease.task_id))["percent"] == 10
    await store.finish([Outcome(lease, TaskStatus.COMPLETED)])
    assert await store.write_progress([line(1, 99.0)]) == set()
    assert (await progress(database, lease.task_id))["percent"] == 10


async def test_a_sync_task_that_looks_at_its_flag_ends_in_good_order(
    engine: Engine, node: asyncio.subprocess.Process, database: Database, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    handle = await engine.enqueue(tasks.returns_when_cancelled, str(journal))
    await eventually(journal.exists)
    await engine.cancel(handle.task_id)
    assert (await ended(database, handle.task_id))["status"] == "CANCELLED"
    assert journal.read_text() == "started\ntidied up\n"


async def test_the_thread_of_an_async_task_hears_of_its_cancel(
    engine: Engine, node: asyncio.subprocess.Process, database: Database, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    handle = await engine.enqueue(tasks.tells_its_thread, str(journal))
    await eventually(journal.exists)
    await engine.cancel(handle.task_id)
    assert (await ended(database, handle.task_id))["status"] == "CANCELLED"
    await eventually(lambda: "thread stopped" in journal.read_text())


async def test_a_task_that_falls_silent_times_out_long_before_its_time_limit(
    engine: Engine, node: asyncio.subprocess.Process, database: Database
) -> None:
    handle = await engine.enqueue(tasks.falls_silent, 5)
    task = await ended(database, handle.task_id)
    assert task["status"] == "TIMEOUT"
    assert (task["completed_at"] - task["started_at"]).total_seconds() > 1, "its heartbeats have carried it that far"
    assert (await result(database, handle.task_id))["error_message"] == "It gave no sign of life for 0.6 s."


async def test_heartbeats_of_a_slot_carry_a_task(
    engine: Engine, node: asyncio.subprocess.Process, database: Database
) -> None:
    handle = await engine.enqueue(tasks.beats_in_a_slot, 6)
    task = await ended(database, handle.task_id)
    assert task["status"] == "COMPLETED", await result(database, handle.task_id)
    assert (await row(database, handle.task_id))["retry_count"] == 0
