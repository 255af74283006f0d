"""Graphs on real worker processes: results travel, failures follow policies, and nothing is lost with a process."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from support import sample_tasks as tasks
from support.graphs import assert_settled, statuses
from support.processes import running
from support.waiting import eventually
from taskflow.db.pool import Database
from taskflow.engine import After, Engine, Graph


@pytest.fixture
async def node(environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker node with two children."""
    async with running({**environment, "TASKFLOW_WORKER_PROCESSES": "2"}, "worker") as process:
        yield process


async def all_ended(database: Database, seconds: float = 30) -> None:
    """Wait until nothing is left to do."""

    async def look() -> bool:
        return not await database.pool.fetchval("SELECT count(*) FROM tasks WHERE completed_at IS NULL")

    await eventually(look, seconds=seconds, what="the end of all tasks")
    await assert_settled(database)


async def result(database: Database, task_id: UUID) -> Any:
    return await database.pool.fetchval("SELECT result_data FROM task_results WHERE task_id = $1", task_id)


async def test_results_travel_down_a_diamond(
    engine: Engine, node: asyncio.subprocess.Process, database: Database
) -> None:
    graph = Graph()
    top = graph.add(tasks.add, 1, 2)
    left = graph.add(tasks.add_in_a_slot, top.output, 10)
    right = graph.add(tasks.add, left=20, right=top.output)
    bottom = graph.add(tasks.collect, [left.output, right.output])
    await engine.submit_graph(graph)
    later = await engine.enqueue(tasks.add, bottom.output, 1)
    await all_ended(database)
    assert await result(database, later.task_id) == 3 + 10 + 20 + 3 + 1


async def test_two_hundred_meet_in_one(engine: Engine, node: asyncio.subprocess.Process, database: Database) -> None:
    graph = Graph()
    group = graph.group([graph.add(tasks.add, number, 0) for number in range(200)], on_success=tasks.noop)
    total = graph.add(tasks.collect, group.output)
    await engine.submit_graph(graph)
    await all_ended(database)
    assert await result(database, total.task_id) == sum(range(200))


async def test_failures_follow_the_policies_of_the_edges(
    engine: Engine, node: asyncio.subprocess.Process, database: Database
) -> None:
    graph = Graph()
    bad, good = graph.add(tasks.fails_for_good), graph.add(tasks.noop)
    children = [
        graph.add(tasks.noop.options(after=[After(bad, on_failure=policy), good])) for policy in ("fail", "skip", "run")
    ]
    alarm = graph.add(tasks.noop.options(after=[After(children[0], on_failure="run", on_success="skip")]))
    await engine.submit_graph(graph)
    await all_ended(database)
    found = await statuses(database, *(child.task_id for child in children), alarm.task_id)
    assert found == ["FAILED", "CANCELLED", "COMPLETED", "COMPLETED"]
    letters = await database.pool.fetch("SELECT task_id FROM dead_letter_queue")
    assert [letter[0] for letter in letters] == [bad.task_id]  # what never ran is no dead letter


async def test_a_graph_goes_on_once_what_failed_is_mended(
    engine: Engine, node: asyncio.subprocess.Process, database: Database, tmp_path: Path
) -> None:
    graph = Graph()
    first = graph.add(tasks.add, 1, 1)
    bad = graph.add(tasks.needs.options(after=[first]), str(tmp_path / "there"))
    last = graph.add(tasks.noop.options(after=[bad]))
    await engine.submit_graph(graph)
    await all_ended(database)
    assert await statuses(database, last.task_id) == ["FAILED"]
    (tmp_path / "there").touch()
    assert await engine.dependencies.retry_from_failed(last.task_id) == 2
    await all_ended(database)
    assert await statuses(database, first.task_id, bad.task_id, last.task_id) == ["COMPLETED"] * 3
    attempts = await database.pool.fetchval("SELECT count(*) FROM task_executions WHERE task_id = $1", first.task_id)
    assert attempts == 1


async def test_a_subtree_is_cancelled_while_it_runs(
    engine: Engine, node: asyncio.subprocess.Process, database: Database
) -> None:
    graph = Graph()
    root = graph.add(tasks.sleeps, 60.0)
    slot = graph.add(tasks.sleeps_in_a_slot, 60.0)
    waits = graph.add(tasks.noop.options(after=[root, After(slot, on_failure="run")]))
    await engine.submit_graph(graph)

    async def run() -> bool:
        return await statuses(database, root.task_id, slot.task_id) == ["RUNNING"] * 2

    await eventually(run, seconds=30, what="both to run")
    assert await engine.dependencies.cancel_subtree(root.task_id) == 2
    assert await engine.dependencies.cancel_subtree(slot.task_id) == 1
    await all_ended(database)
    assert await statuses(database, root.task_id, slot.task_id, waits.task_id) == ["CANCELLED"] * 3


async def test_children_are_found_when_the_worker_dies_between_the_commit_and_the_push(
    engine: Engine, environment: dict[str, str], database: Database, tmp_path: Path
) -> None:
    deadly = environment | {
        "TASKFLOW_FAILPOINTS": "ended_before_announcement=kill@2",
        "TASKFLOW_FAILPOINTS_ONCE": str(tmp_path),
        "TASKFLOW_WORKER_PROCESSES": "1",
    }
    graph = Graph()
    nodes = [graph.add(tasks.noop)]
    for _ in range(4):
        nodes.append(graph.add(tasks.noop.options(after=[nodes[-1]])))
    async with running(environment, "coordinator"), running(deadly, "worker"):
        await engine.submit_graph(graph)
        await all_ended(database, seconds=60)
    assert (tmp_path / "ended_before_announcement").exists()
    assert set(await statuses(database, *(one.task_id for one in nodes))) == {"COMPLETED"}
    assert await database.pool.fetchval("SELECT max(lease_epoch) FROM tasks") == 1  # nothing ran twice
