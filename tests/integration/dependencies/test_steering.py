"""Cancelling with all that hangs on it, and going on from where a graph failed."""

from uuid import UUID

import pytest

from support.graphs import FakeWorker, assert_settled, fails, is_cancelled, statuses
from support.sample_tasks import noop
from taskflow.db.pool import Database
from taskflow.engine import After, Engine, Graph
from taskflow.engine.states import IllegalTransitionError
from taskflow.engine.waiting import TaskNotFoundError


@pytest.fixture
async def worker(database: Database) -> FakeWorker:
    return await FakeWorker.register(database)


async def test_a_subtree_is_cancelled_whatever_its_policies_and_other_parents(
    engine: Engine, worker: FakeWorker, database: Database
) -> None:
    graph = Graph()
    root, other = graph.add(noop), graph.add(noop)
    left = graph.add(noop.options(after=[After(root, on_failure="run")]))
    both = graph.add(noop.options(after=[left, After(other, on_failure="run")]))
    apart = graph.add(noop.options(after=[other]))
    await engine.submit_graph(graph)
    assert await engine.dependencies.cancel_subtree(root.task_id) == 3
    assert await statuses(database, root.task_id, left.task_id, both.task_id) == ["CANCELLED"] * 3
    await worker.run_all()
    assert await statuses(database, other.task_id, apart.task_id) == ["COMPLETED"] * 2
    await assert_settled(database)
    with pytest.raises(IllegalTransitionError, match="nothing to cancel"):
        await engine.dependencies.cancel_subtree(root.task_id)
    with pytest.raises(TaskNotFoundError):
        await engine.dependencies.cancel_subtree(UUID(int=7))


async def test_what_runs_in_a_subtree_is_asked_to_stop(engine: Engine, worker: FakeWorker, database: Database) -> None:
    graph = Graph()
    root = graph.add(noop)
    runs = graph.add(noop.options(after=[root]))
    waits = graph.add(noop.options(after=[After(runs, on_failure="run")]))
    await engine.submit_graph(graph)
    await worker.run()
    [lease] = await worker.claim()
    assert await engine.dependencies.cancel_subtree(root.task_id) == 2  # although the root has ended
    assert await statuses(database, runs.task_id, waits.task_id) == ["RUNNING", "CANCELLED"]
    assert await worker.store.cancel_requested([runs.task_id]) == {runs.task_id}
    await worker.store.finish([is_cancelled(lease)])
    await assert_settled(database)


async def test_a_graph_goes_on_from_the_node_that_failed(
    engine: Engine, worker: FakeWorker, database: Database
) -> None:
    graph = Graph()
    first = graph.add(noop)
    bad = graph.add(noop.options(after=[first]))
    good = graph.add(noop.options(after=[first]))
    both = graph.add(noop.options(after=[bad, good]))
    group = graph.group([bad, good], on_success=noop.options(queue="success"), on_failure=noop.options(queue="failure"))
    last = graph.add(noop.options(after=[both, group]))
    await engine.submit_graph(graph)
    await worker.run()
    await worker.run(fails, [bad.task_id])
    await worker.run_all()
    failed = (bad.task_id, both.task_id, group.task_id, last.task_id)
    assert await statuses(database, *failed) == ["FAILED"] * 4
    assert await engine.dependencies.retry_from_failed(last.task_id) == 5  # and the callback for success
    assert await statuses(database, *failed) == ["PENDING", "BLOCKED", "BLOCKED", "BLOCKED"]
    await worker.run_all()
    assert await statuses(database, *failed) == ["COMPLETED"] * 4
    queues = await database.pool.fetch("SELECT queue, status FROM tasks WHERE queue <> 'default' ORDER BY queue")
    assert [tuple(record) for record in queues] == [("failure", "COMPLETED"), ("success", "COMPLETED")]
    await assert_settled(database)
    epochs = await database.pool.fetch("SELECT task_id FROM tasks WHERE lease_epoch = 2")
    assert [record[0] for record in epochs] == [bad.task_id]  # nothing else ran twice
    with pytest.raises(IllegalTransitionError, match="has failed"):
        await engine.dependencies.retry_from_failed(last.task_id)


async def test_a_task_retried_by_hand_runs_although_its_parent_failed_but_waits_for_one_that_runs_again(
    engine: Engine, worker: FakeWorker, database: Database
) -> None:
    parent = await engine.enqueue(noop)
    child = await engine.enqueue(noop.options(after=[parent]))
    await worker.run(fails)
    await engine.retry(child.task_id)
    assert await statuses(database, parent.task_id, child.task_id) == ["FAILED", "PENDING"]
    await worker.run(fails)
    await engine.retry(parent.task_id)
    await engine.retry(child.task_id)
    assert await statuses(database, parent.task_id, child.task_id) == ["PENDING", "BLOCKED"]
    await worker.run_all()
    assert await statuses(database, parent.task_id, child.task_id) == ["COMPLETED"] * 2
    await assert_settled(database)


async def test_a_group_that_starts_over_is_judged_anew(engine: Engine, worker: FakeWorker, database: Database) -> None:
    graph = Graph()
    member = graph.add(noop)
    group = graph.group([member])
    after = graph.add(noop.options(after=[group]))
    await engine.submit_graph(graph)
    await worker.run(fails)
    assert await statuses(database, group.task_id, after.task_id) == ["FAILED", "FAILED"]
    await engine.retry(member.task_id)
    await worker.run()
    assert await statuses(database, group.task_id, after.task_id) == ["FAILED", "FAILED"]
    assert await engine.dependencies.retry_from_failed(group.task_id) == 2
    assert await statuses(database, group.task_id, after.task_id) == ["COMPLETED", "PENDING"]
    await worker.run_all()
    await assert_settled(database)


async def test_the_graph_of_a_task_is_read_nearest_first_and_bounded(engine: Engine, database: Database) -> None:
    graph = Graph()
    nodes = [graph.add(noop)]
    for _ in range(9):
        nodes.append(graph.add(noop.options(after=[nodes[-1]])))
    graph.add(noop)
    await engine.submit_graph(graph)
    whole = await engine.dependencies.graph(nodes[4].task_id)
    assert ([row["task_id"] for row in whole.nodes], len(whole.edges), whole.truncated) == (
        [node.task_id for node in nodes], 9, False,
    )  # fmt: skip
    part = await engine.dependencies.graph(nodes[4].task_id, limit=3)
    assert [row["task_id"] for row in part.nodes] == [node.task_id for node in nodes[3:6]]
    assert (len(part.edges), part.truncated) == (2, True)
    alone = await engine.enqueue(noop)
    assert [row["task_id"] for row in (await engine.dependencies.graph(alone.task_id)).nodes] == [alone.task_id]
    with pytest.raises(TaskNotFoundError):
        await engine.dependencies.graph(UUID(int=7))


async def test_the_cycle_check_of_the_specification_finds_nothing_in_what_was_submitted(engine: Engine) -> None:
    graph = Graph()
    first = graph.add(noop)
    graph.add(noop.options(after=[first]))
    await engine.submit_graph(graph)
    await engine.dependencies.check_circular(first.task_id)
    assert await engine.dependencies.trigger_children(first.task_id) == 0
