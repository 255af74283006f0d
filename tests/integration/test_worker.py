"""A worker node on real servers: what it runs, how attempts end, and what survives."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from support import sample_tasks as tasks
from support.following import ended, result, row
from support.processes import running, start, stop
from support.waiting import eventually
from taskflow.db.pool import Database
from taskflow.engine import Engine


@pytest.fixture
async def node(environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker node with one child."""
    async with running({**environment, "TASKFLOW_WORKER_PROCESSES": "1"}, "worker") as process:
        yield process


async def test_an_async_task_runs_and_leaves_result_and_history(
    engine: Engine, node: asyncio.subprocess.Process, database: Database
) -> None:
    handle = await engine.enqueue(tasks.add, 2, right=3)
    task = await ended(database, handle.task_id)
    assert task["status"] == "COMPLETED"
    assert task["lease_epoch"] == 1
    result = await database.pool.fetchrow("SELECT * FROM task_results WHERE task_id = $1", handle.task_id)
    assert result is not None
    assert result["result_data"] == 5
    [attempt] = await database.pool.fetch("SELECT * FROM task_executions WHERE task_id = $1", handle.task_id)
    assert (attempt["status"], attempt["attempt_number"]) == ("COMPLETED", 1)


async def test_a_queue_stays_known_when_it_is_empty_again(
    engine: Engine, environment: dict[str, str], database: Database
) -> None:
    one_child = {**environment, "TASKFLOW_WORKER_PROCESSES": "1"}
    async with running(one_child, "worker", "--queues", "brief,never-used"):
        handle = await engine.enqueue(tasks.noop.options(queue="brief"))
        await ended(database, handle.task_id)

        async def known() -> list[tuple[str, int | None]]:
            found = [
                (queue.row["name"], queue.look and queue.look.waiting) for queue in await engine.queues.page("", 9)
            ]
            return found if len(found) == 2 else []

        assert await eventually(known) == [("brief", 0), ("never-used", 0)]


async def test_lists_come_back_whole_whatever_is_written_with_them(
    engine: Engine, node: asyncio.subprocess.Process, database: Database
) -> None:
    handles = await engine.enqueue_many(tasks.returns_a_list, [{"count": n % 4} for n in range(20)])
    for number, handle in enumerate(handles):
        assert (await ended(database, handle.task_id))["status"] == "COMPLETED"
        assert (await result(database, handle.task_id))["result_data"] == list(range(number % 4))


async def test_a_sync_task_runs_in_a_slot_and_logs(
    engine: Engine, node: asyncio.subprocess.Process, database: Database
) -> None:
    handle = await engine.enqueue(tasks.add_in_a_slot, 2, 3)
    assert (await ended(database, handle.task_id))["status"] == "COMPLETED"
    [line] = await database.pool.fetch("SELECT * FROM task_logs WHERE task_id = $1", handle.task_id)
    assert (line["message"], line["metadata"]) == ("adding", {"left": 2})


async def test_a_failing_task_waits_for_its_retry(
    engine: Engine, node: asyncio.subprocess.Process, database: Database
) -> None:
    handle = await engine.enqueue(tasks.always_fails, "pear")

    async def scheduled() -> dict[str, Any] | None:
        found = await row(database, handle.task_id)
        return found if found["status"] == "SCHEDULED" else None

    task = await eventually(scheduled)
    assert task["retry_count"] == 1
    assert task["due_at"] is not None
    result = await database.pool.fetchrow("SELECT * FROM task_results WHERE task_id = $1", handle.task_id)
    assert result is not None
    assert result["error_message"] == "ValueError: pear"
    assert "raise ValueError(word)" in result["stack_trace"]


async def test_a_task_that_gives_up_enters_the_dead_letters(
    engine: Engine, node: asyncio.subprocess.Process, database: Database
) -> None:
    handle = await engine.enqueue(tasks.fails_for_good)
    assert (await ended(database, handle.task_id))["status"] == "FAILED"
    letter = await database.pool.fetchrow("SELECT * FROM dead_letter_queue WHERE task_id = $1", handle.task_id)
    assert letter is not None
    assert letter["failure_reason"] == "NoRetry: no use"
    assert letter["task_data"]["task_name"] == "fails_for_good"
    assert "raise NoRetry" in letter["stack_trace"]


@pytest.mark.parametrize(
    "stubborn",
    [tasks.spins, tasks.spins_and_catches, tasks.swallows_cancellation, tasks.spins_in_a_slot, tasks.ignores_sigterm],
    ids=lambda task: task.name,
)
async def test_whatever_will_not_stop_times_out_and_its_neighbours_finish(
    engine: Engine, node: asyncio.subprocess.Process, database: Database, stubborn: Any
) -> None:
    warm = await engine.enqueue(tasks.add_in_a_slot, 1, 1)
    await ended(database, warm.task_id)
    neighbours = [await engine.enqueue(tasks.sleeps, 2.0), await engine.enqueue(tasks.sleeps_in_a_slot, 2.0)]
    handle = await engine.enqueue(stubborn)
    task = await ended(database, handle.task_id)
    assert task["status"] == "TIMEOUT"
    assert 1 <= (task["completed_at"] - task["started_at"]).total_seconds() < 60  # its body has no end
    for neighbour in neighbours:
        assert (await ended(database, neighbour.task_id))["status"] == "COMPLETED"


async def test_a_task_that_crashes_its_slot_is_counted_apart_from_errors(
    engine: Engine, node: asyncio.subprocess.Process, database: Database
) -> None:
    handle = await engine.enqueue(tasks.segfaults)

    async def crashed() -> dict[str, Any] | None:
        found = await row(database, handle.task_id)
        return found if found["crash_count"] else None

    task = await eventually(crashed)
    assert (task["status"], task["retry_count"]) == ("SCHEDULED", 0)
    [attempt] = await database.pool.fetch("SELECT * FROM task_executions WHERE task_id = $1", handle.task_id)
    assert attempt["status"] == "CRASHED"
    assert "SIGSEGV" in attempt["error_message"]


async def test_a_task_that_takes_the_child_down_counts_a_crash_and_its_neighbours_go_back_free(
    engine: Engine, node: asyncio.subprocess.Process, database: Database
) -> None:
    killer = await engine.enqueue(tasks.exits_the_process)

    async def crashed() -> bool:
        return bool((await row(database, killer.task_id))["crash_count"])

    await eventually(crashed)
    after = await engine.enqueue(tasks.noop)
    assert (await ended(database, after.task_id))["status"] == "COMPLETED"


async def test_a_result_that_is_no_json_fails_the_attempt(
    engine: Engine, node: asyncio.subprocess.Process, database: Database
) -> None:
    handle = await engine.enqueue(tasks.returns_rubbish)

    async def failed() -> str | None:
        return await database.pool.fetchval("SELECT error_message FROM task_results WHERE task_id = $1", handle.task_id)

    assert "The result cannot be written as JSON" in (await eventually(failed) or "")


async def test_cancelling_a_running_task_stops_it(
    engine: Engine, node: asyncio.subprocess.Process, database: Database
) -> None:
    for sleeper in (tasks.sleeps, tasks.sleeps_in_a_slot):
        handle = await engine.enqueue(sleeper, 60.0)

        async def runs(task_id: UUID = handle.task_id) -> bool:
            return (await row(database, task_id))["status"] == "RUNNING"

        await eventually(runs)
        await engine.cancel(handle.task_id)
        assert (await ended(database, handle.task_id))["status"] == "CANCELLED"


async def test_priority_goes_first_and_then_age(
    engine: Engine, environment: dict[str, str], database: Database, tmp_path: Any
) -> None:
    path = str(tmp_path / "order")
    for name, priority in (("a", 2), ("b", 5), ("c", 10), ("d", 10), ("e", 8), ("f", 2)):
        await engine.enqueue(tasks.writes_line.options(priority=priority), path, name)
    one_at_a_time = {"TASKFLOW_WORKER_PROCESSES": "1", "TASKFLOW_WORKER_CAPACITY": "1"}
    async with running({**environment, **one_at_a_time}, "worker"):

        async def all_done() -> bool:
            return await database.pool.fetchval("SELECT count(*) FROM tasks WHERE completed_at IS NULL") == 0

        await eventually(all_done)
    with open(path) as file:  # noqa: ASYNC230, PTH123
        assert file.read().split() == ["c", "d", "e", "b", "a", "f"]


async def test_a_batch_reports_each_of_its_tasks(
    engine: Engine, node: asyncio.subprocess.Process, database: Database
) -> None:
    await engine.enqueue_many(tasks.in_batches, [{"number": n} for n in range(40)])  # type: ignore[arg-type]

    async def all_done() -> bool:
        return await database.pool.fetchval("SELECT count(*) FROM tasks WHERE completed_at IS NULL") == 0

    await eventually(all_done)
    rows = await database.pool.fetch(
        "SELECT (task_kwargs->>'number')::int AS n, status, lease_epoch FROM tasks ORDER BY n"
    )
    assert {r["n"] for r in rows if r["status"] == "COMPLETED"} == set(range(0, 40, 2))
    assert {r["n"] for r in rows if r["status"] == "FAILED"} == set(range(1, 40, 2))
    assert {r["n"] for r in rows if r["lease_epoch"] == 2} == set(range(0, 40, 7))


async def test_what_was_claimed_as_quick_and_is_slow_goes_back_to_whoever_is_idle(
    engine: Engine, environment: dict[str, str], database: Database
) -> None:
    settings = {"TASKFLOW_WORKER_PROCESSES": "1", "TASKFLOW_WORKER_CAPACITY": "2", "TASKFLOW_WORKER_DRAIN_SECONDS": "1"}
    await engine.enqueue_many(tasks.noop, [{}] * 500)
    async with running({**environment, **settings}, "worker"):

        async def count(status: str) -> int:
            found: int = await database.pool.fetchval("SELECT count(*) FROM tasks WHERE status = $1", status)
            return found

        async def quick_ones_are_done() -> bool:
            return await count("COMPLETED") == 500

        async def only_those_in_slots_run() -> bool:
            return await count("RUNNING") == 2

        await eventually(quick_ones_are_done)
        await engine.enqueue_many(tasks.sleeps, [{"seconds": 60}] * 50)
        await eventually(only_those_in_slots_run)
    assert await database.pool.fetchval("SELECT max(lease_epoch) FROM tasks WHERE task_name = 'sleeps'") <= 2


async def test_sigterm_drains_and_hands_back_what_does_not_finish(
    engine: Engine, environment: dict[str, str], database: Database
) -> None:
    process = await start({**environment, "TASKFLOW_WORKER_DRAIN_SECONDS": "1"}, "worker")
    try:
        quick = await engine.enqueue(tasks.sleeps, 0.7)
        slow = [await engine.enqueue(tasks.sleeps, 60.0) for _ in range(3)]

        async def all_run() -> bool:
            return await database.pool.fetchval("SELECT count(*) FROM tasks WHERE status = 'RUNNING'") == 4

        await eventually(all_run)
        assert await stop(process) == 0
    finally:
        await stop(process)
    assert (await row(database, quick.task_id))["status"] == "COMPLETED"
    for handle in slow:
        task = await row(database, handle.task_id)
        assert (task["status"], task["retry_count"], task["crash_count"]) == ("PENDING", 0, 0)
    assert await database.pool.fetchval("SELECT count(*) FROM task_claims") == 0
    assert await database.pool.fetchval("SELECT status FROM workers") == "DEAD"


async def test_a_node_killed_hard_leaves_no_process(
    engine: Engine, environment: dict[str, str], database: Database
) -> None:
    process = await start(environment, "worker")
    handle = await engine.enqueue(tasks.sleeps_in_a_slot, 60.0)

    async def runs() -> bool:
        return (await row(database, handle.task_id))["status"] == "RUNNING"

    await eventually(runs)
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()

    def group_is_gone() -> bool:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return True
        return False

    await eventually(group_is_gone, seconds=60)


async def test_a_thousand_tasks_end_once_each(
    engine: Engine, node: asyncio.subprocess.Process, database: Database
) -> None:
    handles = await engine.enqueue_many(tasks.add, [{"left": n, "right": 1} for n in range(1000)])

    async def all_done() -> bool:
        return await database.pool.fetchval("SELECT count(*) FROM tasks WHERE status = 'COMPLETED'") == 1000

    await eventually(all_done, seconds=60)
    assert len({handle.task_id for handle in handles}) == 1000
    assert await database.pool.fetchval("SELECT count(*) FROM task_executions") == 1000
    assert await database.pool.fetchval("SELECT sum(result_data::int) FROM task_results") == sum(range(1, 1001))
