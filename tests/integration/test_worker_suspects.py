"""What was lost with a process runs alone, so that the next loss names its culprit and nobody else."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from support import sample_tasks as tasks
from support.processes import running, start, stop
from support.waiting import eventually
from taskflow.db.pool import Database
from taskflow.engine import Engine, Task

QUICK = {
    "TASKFLOW_WORKER_HEARTBEAT_SECONDS": "0.5",
    "TASKFLOW_COORDINATOR_DEAD_AFTER_SECONDS": "5",  # a busy machine must not lose a node that lives
    "TASKFLOW_COORDINATOR_RESCUER_SECONDS": "0.2",
    "TASKFLOW_WORKER_PROCESSES": "1",
}


@pytest.fixture
async def coordinator(environment: dict[str, str]) -> AsyncIterator[None]:
    async with running({**environment, **QUICK}, "coordinator"):
        yield


async def enqueue_suspect(database: Database, engine: Engine, definition: Task[..., Any], **arguments: Any) -> UUID:
    """Enqueue a task as it comes back from a lost node."""
    async with database.pool.acquire() as connection, connection.transaction():
        handle = await engine.enqueue_in(connection, definition, **arguments)
        await connection.execute("UPDATE tasks SET crash_count = 1 WHERE task_id = $1", handle.task_id)
    await engine.dispatch([handle])
    return handle.task_id


async def row(database: Database, task_id: UUID) -> Any:
    return await database.pool.fetchrow(
        "SELECT status, crash_count, r.* FROM tasks LEFT JOIN task_results r USING (task_id) WHERE task_id = $1",
        task_id,
    )


async def all_ended(database: Database, seconds: float = 60) -> None:
    async def look() -> bool:
        return await database.pool.fetchval("SELECT count(*) FROM tasks WHERE completed_at IS NULL") == 0

    await eventually(look, seconds=seconds, what="every task has ended")


async def count_running(database: Database) -> int:
    return int(await database.pool.fetchval("SELECT count(*) FROM tasks WHERE status = 'RUNNING'"))


@pytest.mark.parametrize("definition", [tasks.counts_company, tasks.counts_company_in_a_batch], ids=lambda t: t.name)
async def test_a_suspect_runs_alone_in_its_child_and_neighbours_before_and_after_run_together(
    engine: Engine, database: Database, environment: dict[str, str], definition: Task[..., Any]
) -> None:
    before = [(await engine.enqueue(tasks.counts_company, 0.3)).task_id for _ in range(5)]
    suspects = [await enqueue_suspect(database, engine, definition, seconds=0.1) for _ in range(3)]
    after = [(await engine.enqueue(tasks.counts_company, 0.3)).task_id for _ in range(5)]
    async with running({**environment, **QUICK}, "worker"):
        await all_ended(database)
    assert {(await row(database, task_id))["result_data"] for task_id in suspects} == {1}
    assert {(await row(database, task_id))["crash_count"] for task_id in suspects} == {1}
    for group in (before, after):
        assert max([(await row(database, task_id))["result_data"] for task_id in group]) > 1


async def test_a_suspect_waits_for_what_runs_and_others_do_not_wait_for_it(
    engine: Engine, database: Database, coordinator: None, environment: dict[str, str], tmp_path: Path
) -> None:
    flag = tmp_path / "go"

    async def open_tasks() -> set[UUID]:
        return {r["task_id"] for r in await database.pool.fetch("SELECT task_id FROM tasks WHERE completed_at IS NULL")}

    async with running({**environment, **QUICK}, "worker"):
        slow = (await engine.enqueue(tasks.waits_for, str(flag))).task_id
        await eventually(lambda: count_running(database), what="the slow one runs")
        suspect = await enqueue_suspect(database, engine, tasks.counts_company, seconds=0.0)
        await engine.enqueue_many(tasks.noop, [{} for _ in range(20)])

        async def only_they_are_left() -> bool:
            return await open_tasks() == {slow, suspect}

        await eventually(only_they_are_left, seconds=30, what="the end of everybody else")
        await asyncio.to_thread(flag.touch)
        await all_ended(database)
    assert [(await row(database, task_id))["result_data"] for task_id in (slow, suspect)] == [1, 1]


async def test_of_a_lost_nodes_tasks_only_the_one_that_kills_again_is_quarantined(
    engine: Engine, database: Database, coordinator: None, environment: dict[str, str], tmp_path: Path
) -> None:
    flag = str(tmp_path / "go")
    innocents = [(await engine.enqueue(tasks.waits_for, flag)).task_id for _ in range(2)]
    killer = (await engine.enqueue(tasks.waits_for_and_exits, flag)).task_id
    innocents += [(await engine.enqueue(tasks.waits_for, flag)).task_id for _ in range(2)]
    async with running({**environment, **QUICK}, "worker") as lost:

        async def all_run() -> bool:
            return await count_running(database) == 5

        await eventually(all_run, what="all run on one node")
        os.killpg(lost.pid, signal.SIGKILL)
    await asyncio.to_thread(Path(flag).touch)
    async with running({**environment, **QUICK}, "worker"):
        await all_ended(database)
    for task_id in innocents:
        found = await row(database, task_id)
        assert (found["status"], found["crash_count"]) == ("COMPLETED", 1)
    guilty = await row(database, killer)
    assert (guilty["status"], guilty["crash_count"]) == ("FAILED", 3)
    assert guilty["error_message"].startswith("Poison: it crashed its process 3 times.")
    assert await database.pool.fetch("SELECT task_id FROM dead_letter_queue") == [(killer,)]


async def test_of_several_that_ran_in_a_child_nobody_is_quarantined_for_its_first_death(
    engine: Engine, database: Database, coordinator: None, environment: dict[str, str], tmp_path: Path
) -> None:
    flag = str(tmp_path / "go")
    async with running({**environment, **QUICK, "TASKFLOW_WORKER_CRASH_LIMIT": "1"}, "worker"):
        innocents = [(await engine.enqueue(tasks.waits_for, flag)).task_id for _ in range(3)]
        killer = (await engine.enqueue(tasks.waits_for_and_exits, flag)).task_id

        async def all_run() -> bool:
            return await count_running(database) == 4

        await eventually(all_run, what="all run in one child")
        await asyncio.to_thread(Path(flag).touch)
        await all_ended(database)
    for task_id in innocents:
        assert (await row(database, task_id))["status"] == "COMPLETED"
    assert await database.pool.fetch("SELECT task_id FROM dead_letter_queue") == [(killer,)]


async def test_sigterm_hands_back_suspects_that_run_and_that_wait_unburnt(
    engine: Engine, database: Database, environment: dict[str, str]
) -> None:
    suspects = [await enqueue_suspect(database, engine, tasks.sleeps, seconds=60.0) for _ in range(3)]
    process = await start({**environment, **QUICK, "TASKFLOW_WORKER_DRAIN_SECONDS": "0.2"}, "worker")
    try:
        await eventually(lambda: count_running(database), what="one runs, and the others wait for their turn")
        assert await stop(process) == 0
    finally:
        await stop(process)
    for task_id in suspects:
        found = await row(database, task_id)
        assert (found["status"], found["crash_count"]) == ("PENDING", 1)
    assert await database.pool.fetchval("SELECT count(*) FROM task_claims") == 0


async def test_a_suspect_that_waits_behind_another_can_be_cancelled(
    engine: Engine, database: Database, environment: dict[str, str]
) -> None:
    first = await enqueue_suspect(database, engine, tasks.sleeps, seconds=60.0)
    second = await enqueue_suspect(database, engine, tasks.sleeps, seconds=60.0)
    async with running({**environment, **QUICK}, "worker"):
        await eventually(lambda: count_running(database), what="they are claimed")
        for task_id in (second, first):
            await engine.cancel(task_id)
        await all_ended(database)
    assert [(await row(database, task_id))["status"] for task_id in (first, second)] == ["CANCELLED"] * 2
