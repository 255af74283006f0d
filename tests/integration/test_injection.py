"""Dependencies and lifespan hooks in real worker processes."""

from pathlib import Path

import pytest

from support import option_tasks as tasks
from support.duties import lead
from support.following import ended, result
from support.processes import running, start, stop
from support.waiting import eventually
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine import Engine
from taskflow.engine.coordinator.relay import Relay
from taskflow.settings import Settings


@pytest.fixture
async def engine(database: Database, broker: RedisBroker, settings: Settings) -> Engine:
    await Relay().run_once(await lead(database, broker, settings))
    return Engine(database, broker)


async def test_what_a_task_depends_on_is_opened_once_for_it_or_for_its_process_and_closed(
    engine: Engine, environment: dict[str, str], database: Database, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    environment |= {"OPTION_TASKS_JOURNAL": str(journal), "TASKFLOW_WORKER_PROCESSES": "1"}
    process = await start(environment, "worker", "--import", "support.option_tasks")
    try:
        good = [await engine.enqueue(tasks.uses_a_session, fails=False) for _ in range(3)]
        bad = await engine.enqueue(tasks.uses_a_session, fails=True)
        batch = await engine.enqueue(tasks.batch_with_a_pool)
        for handle in good:
            assert (await ended(database, handle.task_id))["status"] == "COMPLETED"
        assert (await ended(database, bad.task_id))["status"] == "FAILED"
        assert (await result(database, bad.task_id))["error_message"] == "ValueError: no"
        await ended(database, batch.task_id)
        assert (await result(database, batch.task_id))["result_data"] == ["worker"]
        for _ in range(2):
            in_a_slot = await engine.enqueue(tasks.uses_a_file)
            assert (await ended(database, in_a_slot.task_id))["status"] == "COMPLETED"
            assert (await result(database, in_a_slot.task_id))["result_data"] is True
    finally:
        await stop(process)
    await eventually(lambda: "child ends" in journal.read_text())
    lines = [line.rsplit(" ", 1)[0] if line[-1].isdigit() else line for line in journal.read_text().splitlines()]
    assert lines.count("session committed") == 3
    assert lines.count("session rolled back") == 1
    for once in (
        "child begins",
        "pool opened",
        "slot begins",
        "file opened",
        "file closed",
        "slot ends",
        "pool closed",
    ):
        assert lines.count(once) == 1, (once, lines)
    assert lines[0] == "child begins"
    assert (
        lines.index("slot begins") < lines.index("file opened") < lines.index("file closed") < lines.index("slot ends")
    )
    assert lines.index("pool closed") < lines.index("child ends")


async def test_a_process_whose_hook_raises_does_not_start_and_says_why(
    engine: Engine, environment: dict[str, str], database: Database, tmp_path: Path
) -> None:
    spoiled = tmp_path / "spoiled"
    spoiled.touch()
    environment |= {"OPTION_TASKS_SLOT_FAILS": "1", "OPTION_TASKS_CHILD_FAILS_ONCE": str(spoiled)}
    async with running(environment | {"TASKFLOW_WORKER_PROCESSES": "1"}, "worker", "--import", "support.option_tasks"):
        on_the_loop = await engine.enqueue(tasks.uses_a_session, fails=False)
        assert (await ended(database, on_the_loop.task_id))["status"] == "COMPLETED", "by the child's successor"
        in_a_slot = await engine.enqueue(tasks.uses_a_file.options(max_retries=0))
        assert (await ended(database, in_a_slot.task_id))["status"] == "FAILED"
    error = (await result(database, in_a_slot.task_id))["error_message"]
    assert error == "SlotUnavailableError: A lifespan hook failed: OSError: no scratch space"
