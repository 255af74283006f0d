"""Children are released in the transaction that ends their parents, whichever way that is, and by their policies."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from support.duties import lead
from support.graphs import FakeWorker, assert_settled, completes, fails, is_cancelled, returns, statuses
from support.sample_tasks import add, collect, noop
from support.waiting import eventually
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine import After, Engine, Graph, outcomes
from taskflow.engine.coordinator import dependencies as duty_module
from taskflow.engine.coordinator.dependencies import Dependencies
from taskflow.engine.coordinator.drift import DriftMeter
from taskflow.engine.coordinator.pruner import Pruner
from taskflow.engine.coordinator.relay import Relay
from taskflow.engine.dependencies.insertion import ParentNotFoundError
from taskflow.engine.dependencies.order import CyclicDependencyError
from taskflow.engine.states import IllegalTransitionError
from taskflow.settings import Settings


@pytest.fixture
async def worker(database: Database) -> FakeWorker:
    return await FakeWorker.register(database)


async def row(database: Database, task_id: UUID) -> dict[str, Any]:
    return dict(await database.pool.fetchrow("SELECT * FROM tasks WHERE task_id = $1", task_id) or {})


async def reason(database: Database, task_id: UUID) -> str | None:
    found: str | None = await database.pool.fetchval(
        "SELECT error_message FROM task_results WHERE task_id = $1", task_id
    )
    return found


async def test_a_diamond_runs_from_top_to_bottom(engine: Engine, worker: FakeWorker, database: Database) -> None:
    graph = Graph()
    top = graph.add(noop)
    sides = [graph.add(noop.options(after=[top])) for _ in range(2)]
    bottom = graph.add(noop.options(after=sides))
    handles = await engine.submit_graph(graph)
    assert [handle.status for handle in handles.values()] == ["PENDING", "BLOCKED", "BLOCKED", "BLOCKED"]
    assert await worker.run_all() == [[top.task_id], sorted(side.task_id for side in sides), [bottom.task_id]]
    await assert_settled(database)
    assert (await row(database, bottom.task_id))["parent_task_id"] == sides[0].task_id


@pytest.mark.parametrize(
    ("end", "policy", "becomes"),
    [
        (completes, "fail", "PENDING"),
        (completes, "skip", "PENDING"),
        (completes, "run", "PENDING"),
        (fails, "fail", "FAILED"),
        (fails, "skip", "CANCELLED"),
        (fails, "run", "PENDING"),
        (is_cancelled, "fail", "CANCELLED"),
        (is_cancelled, "skip", "CANCELLED"),
        (is_cancelled, "run", "PENDING"),
    ],
)
@pytest.mark.parametrize("late", [False, True], ids=["waiting", "submitted after the end"])
async def test_the_table_of_policies(
    engine: Engine, worker: FakeWorker, database: Database, end: Any, policy: str, becomes: str, late: bool
) -> None:
    parent = await engine.enqueue(noop)
    task = noop.options(after=[After(parent, on_failure=policy)])
    if late:
        await worker.run(end, [parent.task_id])
        child = await engine.enqueue(task)
        assert child.status == becomes
    else:
        child = await engine.enqueue(task)
        assert child.status == "BLOCKED"
        await worker.run(end, [parent.task_id])
    found = await row(database, child.task_id)
    assert found["status"] == becomes
    assert (found["failed_at"] is not None) == (becomes == "FAILED")
    why = await reason(database, child.task_id)
    if becomes == "PENDING":
        assert why is None
    else:
        assert why is not None
        assert str(parent.task_id) in why


async def test_a_task_for_failures_only_is_skipped_when_there_is_none(
    engine: Engine, worker: FakeWorker, database: Database
) -> None:
    for end, becomes in ((completes, "CANCELLED"), (fails, "PENDING")):
        parent = await engine.enqueue(noop)
        child = await engine.enqueue(noop.options(after=[After(parent, on_failure="run", on_success="skip")]))
        await worker.run(end, [parent.task_id])
        assert await statuses(database, child.task_id) == [becomes]


async def test_a_failure_runs_down_a_chain_of_a_thousand_in_one_transaction(
    engine: Engine, worker: FakeWorker, database: Database
) -> None:
    graph = Graph()
    nodes = [graph.add(noop)]
    for _ in range(1_000):
        nodes.append(graph.add(noop.options(after=[nodes[-1]])))
    cleanup = graph.add(noop.options(after=[After(nodes[-1], on_failure="run")]))
    await engine.submit_graph(graph)
    assert await worker.run(fails) == [nodes[0].task_id]
    assert set(await statuses(database, *(node.task_id for node in nodes))) == {"FAILED"}
    assert await statuses(database, cleanup.task_id) == ["PENDING"]
    assert str(nodes[-2].task_id) in (await reason(database, nodes[-1].task_id) or "")
    await worker.run_all()
    await assert_settled(database)


@pytest.mark.parametrize(
    ("bad", "group_ends", "called"), [(0, "COMPLETED", ["success", "complete"]), (2, "FAILED", ["failure", "complete"])]
)
async def test_a_group_ends_with_its_last_member_and_calls_back(
    engine: Engine, worker: FakeWorker, database: Database, bad: int, group_ends: str, called: list[str]
) -> None:
    graph = Graph()
    members = [graph.add(add, number, 1) for number in range(5)]
    group = graph.group(
        members,
        on_success=noop.options(queue="success"),
        on_failure=noop.options(queue="failure"),
        on_complete=noop.options(queue="complete"),
    )
    await engine.submit_graph(graph)
    ids = [member.task_id for member in members]
    if bad:
        await worker.run(fails, ids[:bad])
    assert await statuses(database, group.task_id) == ["BLOCKED"]
    await worker.run(completes, ids[bad:-1])
    assert await statuses(database, group.task_id) == ["BLOCKED"]
    await worker.run(completes, ids[-1:])
    assert await statuses(database, group.task_id) == [group_ends]
    waiting = await database.pool.fetch("SELECT queue FROM tasks WHERE status = 'PENDING' ORDER BY task_id")
    assert [queue for (queue,) in waiting] == called
    await worker.run_all()
    await assert_settled(database)


async def test_results_of_parents_become_arguments(engine: Engine, worker: FakeWorker, database: Database) -> None:
    graph = Graph()
    parts = [graph.add(add, number, 0) for number in range(3)]
    group = graph.group(parts)
    silent = graph.add(noop)
    graph.add(add.options(queue="two"), parts[2].output, right=parts[0].output)
    graph.add(collect.options(queue="list"), [part.output for part in reversed(parts)])
    graph.add(collect.options(queue="group"), numbers=group.output)
    graph.add(add.options(queue="none"), silent.output, 7)  # type: ignore[arg-type]
    await engine.submit_graph(graph)
    for number, part in enumerate(parts):
        await worker.run(returns(number * 10), [part.task_id])
    await worker.run(completes, [silent.task_id])
    found = {lease.dispatch_key: lease.kwargs for lease in await worker.claim()}
    assert found == {
        "two": {"left": 20, "right": 0},
        "list": {"numbers": [20, 10, 0]},
        "group": {"numbers": [0, 10, 20]},
        "none": {"left": None, "right": 7},
    }


async def test_a_result_outlasts_its_time_while_a_task_waits_to_take_it(
    engine: Engine, worker: FakeWorker, database: Database, broker: RedisBroker, settings: Settings
) -> None:
    graph = Graph()
    taken, left = graph.add(add, 1, 2), graph.add(add, 3, 4)
    group = graph.group([taken])
    direct = graph.add(add, taken.output, 0)
    behind = graph.add(collect, numbers=group.output)
    await engine.submit_graph(graph)
    for node in (taken, left):
        await worker.run(lambda lease: outcomes.completed(lease, 0.1, 5, 60.0), [node.task_id])
    await database.pool.execute("UPDATE task_results SET expires_at = now() - interval '1 second'")
    context = await lead(database, broker, settings)
    for node, arguments in ((direct, {"left": 5, "right": 0}), (behind, {"numbers": [5]})):
        await Pruner().run_once(context)
        [lease] = await worker.claim([node.task_id])
        assert lease.kwargs == arguments
        await worker.store.finish([outcomes.completed(lease, 0.1)])
    await Pruner().run_once(context)
    assert await database.pool.fetchval("SELECT count(*) FROM task_results") == 0


async def test_results_that_are_too_large_together_are_refused(
    engine: Engine, worker: FakeWorker, database: Database
) -> None:
    graph = Graph()
    parts = [graph.add(add, number, 0) for number in range(3)]
    graph.add(collect, [part.output for part in parts])
    await engine.submit_graph(graph)
    await worker.run(returns("x" * 400_000))
    [lease] = await worker.claim()
    assert lease.refusal is not None
    assert "1,200,006 bytes" in lease.refusal


async def test_a_child_that_waits_for_its_time_too_is_scheduled_when_released(
    engine: Engine, worker: FakeWorker, database: Database
) -> None:
    parent = await engine.enqueue(noop)
    child = await engine.enqueue(noop.options(after=[parent], delay=3600))
    found = await row(database, child.task_id)
    assert (found["status"], found["due_at"]) == ("BLOCKED", None)
    await worker.run()
    found = await row(database, child.task_id)
    assert found["status"] == "SCHEDULED"
    assert found["due_at"] == found["scheduled_at"] is not None


async def test_released_children_are_in_line_at_once_and_skipped_ones_are_announced(
    engine: Engine, worker: FakeWorker, broker: RedisBroker
) -> None:
    parent = await engine.enqueue(noop)
    child = await engine.enqueue(noop.options(after=[After(parent, on_failure="run")], queue="q"))
    skipped = await engine.enqueue(noop.options(after=[After(parent, on_failure="skip")], queue="q"))
    await engine.cancel(parent.task_id)
    assert await broker.dispatch.peek("q", 9) == [str(child.task_id)]
    events = [event for _, event in await broker.redis.xrange(broker.keys.events)]
    assert {"task_id": str(skipped.task_id), "status": "CANCELLED"} in events


async def test_a_parent_that_does_not_exist_is_named_and_nothing_is_submitted(
    engine: Engine, database: Database
) -> None:
    nobody = UUID(int=7)
    with pytest.raises(ParentNotFoundError, match=str(nobody)):
        await engine.enqueue(noop.options(after=[nobody]))
    assert await database.pool.fetchval("SELECT count(*) FROM tasks") == 0


async def test_a_child_submitted_while_its_parent_completes_is_never_stuck(
    engine: Engine, worker: FakeWorker, database: Database
) -> None:
    for _ in range(60):
        parent = await engine.enqueue(noop)
        [lease] = await worker.claim([parent.task_id])
        finished, child = await asyncio.gather(
            worker.store.finish([completes(lease)]), engine.enqueue(noop.options(after=[parent]))
        )
        assert finished.stale == set()
        assert await statuses(database, parent.task_id, child.task_id) == ["COMPLETED", "PENDING"]


async def test_an_end_that_waits_for_a_submission_sees_its_edges(
    engine: Engine, worker: FakeWorker, database: Database
) -> None:
    parent = await engine.enqueue(noop)
    [lease] = await worker.claim()
    assert not lease.has_children
    async with database.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        child = await engine.enqueue_in(connection, noop.options(after=[parent]))
        finishing = asyncio.create_task(worker.store.finish([completes(lease)]))
        await _waits_for_a_lock(database)
        await transaction.commit()
    finished = await finishing
    assert [freed.task_id for freed in finished.freed] == [child.task_id]
    assert await statuses(database, parent.task_id, child.task_id) == ["COMPLETED", "PENDING"]


async def test_a_fan_in_is_released_once_by_workers_that_race(
    engine: Engine, worker: FakeWorker, database: Database
) -> None:
    graph = Graph()
    parents = [graph.add(noop) for _ in range(400)]
    children = [graph.add(noop.options(after=parents)) for _ in range(3)]
    await engine.submit_graph(graph)
    leases = await worker.claim()
    batches = [[completes(lease) for lease in leases[first::8]] for first in range(8)]
    finished = await asyncio.gather(*(worker.store.finish(batch) for batch in batches))
    released = [freed.task_id for one in finished for freed in one.freed]
    assert sorted(released) == sorted(child.task_id for child in children)
    await worker.run_all()
    await assert_settled(database)


async def test_a_repeated_finish_releases_nothing_twice(engine: Engine, worker: FakeWorker, database: Database) -> None:
    parent = await engine.enqueue(noop)
    other = await engine.enqueue(noop.options(queue="other"))
    child = await engine.enqueue(noop.options(after=[parent, other]))
    [lease] = await worker.claim([parent.task_id])
    for _ in range(2):  # the reply of the first was lost
        assert (await worker.store.finish([completes(lease)])).stale == set()
    assert (await row(database, child.task_id))["pending_parents"] == 1
    stale = lease._replace(lease_epoch=7)
    assert (await worker.store.finish([fails(stale)])).stale == {parent.task_id}
    assert (await row(database, child.task_id))["status"] == "BLOCKED"


async def test_the_net_releases_what_was_forgotten(
    engine: Engine, worker: FakeWorker, database: Database, broker: RedisBroker, settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    context = await lead(database, broker, settings)
    await Relay().run_once(context)
    duty = Dependencies()
    monkeypatch.setattr(duty_module, "PAGE", 2)  # it walks by pages
    graph = Graph()
    parents = [graph.add(noop) for _ in range(5)]
    children = [graph.add(noop.options(after=[parent])) for parent in parents]
    counted = graph.add(noop.options(after=parents[:2], queue="counted"))
    await engine.submit_graph(graph)
    assert await duty.run_once(context) == 0
    await database.pool.execute(
        "UPDATE tasks SET status = 'COMPLETED', completed_at = now() WHERE task_id = ANY($1::uuid[])",
        [parent.task_id for parent in parents[:3]],
    )
    for _ in range(5):
        await duty.run_once(context)
    assert await statuses(database, *(child.task_id for child in children)) == ["PENDING"] * 3 + ["BLOCKED"] * 2
    assert await statuses(database, counted.task_id) == ["PENDING"]
    await database.pool.execute("DELETE FROM tasks WHERE task_id = $1", parents[3].task_id)
    await database.pool.execute(
        "UPDATE task_dependencies SET satisfied_at = now() WHERE parent_id = $1", parents[4].task_id
    )
    drift = await DriftMeter().measure(context)
    assert (drift.blocked_lost, drift.orphans) == (1, 1)
    await worker.run(fails, [parents[4].task_id])
    for _ in range(5):
        await duty.run_once(context)
    assert await statuses(database, *(child.task_id for child in children[3:])) == ["CANCELLED", "FAILED"]
    assert set(await broker.dispatch.peek("default", 9)) >= {str(child.task_id) for child in children[:3]}


async def test_edges_of_children_that_are_gone_are_pruned(
    engine: Engine, database: Database, broker: RedisBroker, settings: Settings
) -> None:
    parent = await engine.enqueue(noop)
    gone = await engine.enqueue(noop.options(after=[parent]))
    kept = await engine.enqueue(noop.options(after=[parent]))
    await database.pool.execute("DELETE FROM tasks WHERE task_id = $1", gone.task_id)
    assert await Dependencies().prune(await lead(database, broker, settings)) == 1
    assert [record[0] for record in await database.pool.fetch("SELECT child_id FROM task_dependencies")] == [
        kept.task_id
    ]


async def test_a_dependency_may_be_added_until_the_child_starts(
    engine: Engine, worker: FakeWorker, database: Database
) -> None:
    first, second = await engine.enqueue(noop), await engine.enqueue(noop)
    for _ in range(2):  # saying it again changes nothing
        await engine.dependencies.add_dependency(first.task_id, second.task_id)
    assert (await row(database, second.task_id))["pending_parents"] == 1
    third = await engine.enqueue(noop.options(after=[second]))
    with pytest.raises(CyclicDependencyError, match="circle"):
        await engine.dependencies.add_dependency(third.task_id, first.task_id)
    await engine.dependencies.check_circular(first.task_id)
    [child] = await engine.dependencies.get_children(first.task_id)
    assert child["child_id"] == second.task_id
    assert await worker.run() == [first.task_id]
    leases = await worker.claim()
    other = await engine.enqueue(noop)
    with pytest.raises(IllegalTransitionError, match="RUNNING"):
        await engine.dependencies.add_dependency(other.task_id, leases[0].task_id)


async def _waits_for_a_lock(database: Database) -> None:
    async def waits() -> int:
        found: int = await database.pool.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return found

    await eventually(waits, what="a statement that waits for a lock")
