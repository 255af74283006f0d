"""What dead workers held comes back exactly once, under an epoch that shuts them out."""

import asyncio
from unittest.mock import Mock
from uuid import UUID

import pytest

from support.duties import add_tasks, add_worker, age_claims, lead
from support.sample_tasks import noop
from taskflow.base.ids import uuid7
from taskflow.broker.redis.broker import RedisBroker
from taskflow.broker.redis.dispatch import Entry
from taskflow.db.pool import Database
from taskflow.engine import After, Engine
from taskflow.engine.coordinator.duty import DutyContext
from taskflow.engine.coordinator.relay import Relay
from taskflow.engine.coordinator.rescuer import Rescuer
from taskflow.engine.states import TaskStatus
from taskflow.engine.store import Outcome, TaskStore
from taskflow.settings import Settings

LONG_AGO = 3600.0


@pytest.fixture
def settings(settings: Settings) -> Settings:
    settings.worker.heartbeat_seconds = 0.01
    settings.coordinator.dead_after_seconds = 30
    return settings


@pytest.fixture
async def context(database: Database, broker: RedisBroker, settings: Settings) -> DutyContext:
    context = await lead(database, broker, settings)
    await Relay().run_once(context)
    return context


async def patient(context: DutyContext) -> Rescuer:
    """Return a rescuer that has waited its heartbeat period at the start of the term."""
    rescuer = Rescuer()
    await rescuer.run_once(context)
    await asyncio.sleep(0.02)
    return rescuer


async def hold(
    database: Database, broker: RedisBroker, worker: UUID, ids: list[str], process: UUID | None = None
) -> None:
    """Claim tasks as a worker does, on both sides."""
    await broker.dispatch.push(Entry("default", 5, task_id) for task_id in ids)
    await broker.dispatch.claim("c", limit=len(ids), quota=len(ids), lease=30)
    assert len(await TaskStore(database).claim(uuid7(), worker, process or uuid7(), ids)) == len(ids)
    await age_claims(database, LONG_AGO)


async def begin_alone(database: Database, task_id: str) -> None:
    """Say that a claimed task has started, as a child does before it runs a suspect."""
    await database.pool.execute(
        "UPDATE tasks SET started_at = started_at + interval '1 second' WHERE task_id = $1", UUID(task_id)
    )


async def rows(database: Database, columns: str, table: str = "tasks") -> list[tuple[object, ...]]:
    return [tuple(row) for row in await database.pool.fetch(f"SELECT {columns} FROM {table} ORDER BY task_id")]  # noqa: S608


async def test_a_dead_workers_tasks_go_back_in_line_once(context: DutyContext, broker: RedisBroker) -> None:
    database = context.database
    worker = await add_worker(database, beat_age=LONG_AGO)
    ids = await add_tasks(database, 3)
    store = TaskStore(database)
    await hold(database, broker, worker, ids)
    rescuer = await patient(context)
    assert await rescuer.run_once(context) == 3
    assert await rescuer.run_once(context) == 0
    assert (
        await rows(database, "status, lease_epoch, crash_count, claim_id, worker_id")
        == [("PENDING", 1, 1, None, None)] * 3
    )
    executions = await rows(database, "status, lease_epoch, attempt_number, worker_id", "task_executions")
    assert executions == [("CRASHED", 1, 1, worker)] * 3
    assert await database.pool.fetchval("SELECT count(*) FROM task_claims") == 0
    assert await database.pool.fetchval("SELECT status FROM workers") == "DEAD"
    assert await broker.dispatch.sizes(["default"]) == [(3, 0)]
    again = await store.claim(uuid7(), uuid7(), uuid7(), ids)
    assert [lease.lease_epoch for lease in again] == [2, 2, 2]


async def test_a_woken_worker_cannot_end_what_was_taken_from_it(context: DutyContext, broker: RedisBroker) -> None:
    database, store = context.database, TaskStore(context.database)
    worker = await add_worker(database, beat_age=LONG_AGO)
    ids = await add_tasks(database, 1)
    [lease] = await store.claim(uuid7(), worker, uuid7(), ids)
    await age_claims(database, LONG_AGO)
    rescuer = await patient(context)
    assert await rescuer.run_once(context) == 1
    stale = (await store.finish([Outcome(lease, TaskStatus.COMPLETED)])).stale
    assert stale == {lease.task_id}
    assert await rows(database, "status") == [("PENDING",)]


async def test_two_rescuers_at_once_rescue_once(context: DutyContext, broker: RedisBroker) -> None:
    database = context.database
    worker = await add_worker(database, beat_age=LONG_AGO)
    await hold(database, broker, worker, await add_tasks(database, 50))
    rescuers = [await patient(context) for _ in range(4)]
    await asyncio.gather(*(rescuer.run_once(context) for rescuer in rescuers))
    assert set(await rows(database, "status, crash_count")) == {("PENDING", 1)}
    assert await database.pool.fetchval("SELECT count(*) FROM task_executions") == 50


async def test_a_living_worker_keeps_what_it_holds(context: DutyContext, broker: RedisBroker) -> None:
    process = uuid7()
    worker = await add_worker(context.database, processes=[process])
    await hold(context.database, broker, worker, await add_tasks(context.database, 2), process)
    rescuer = await patient(context)
    assert await rescuer.run_once(context) == 0
    assert await rows(context.database, "status, crash_count") == [("RUNNING", 0)] * 2


async def test_a_process_that_its_living_node_no_longer_lists_has_lost_its_claims(
    context: DutyContext, broker: RedisBroker
) -> None:
    worker = await add_worker(context.database, processes=[uuid7()])
    await hold(context.database, broker, worker, await add_tasks(context.database, 2), process=uuid7())
    rescuer = await patient(context)
    assert await rescuer.run_once(context) == 2
    assert await context.database.pool.fetchval("SELECT status FROM workers") == "ACTIVE"


async def test_a_task_that_keeps_killing_its_process_waits_longer_and_is_quarantined(
    context: DutyContext, broker: RedisBroker
) -> None:
    database = context.database
    [task_id] = await add_tasks(database, 1)
    seen = []
    for _ in range(3):
        worker = await add_worker(database, beat_age=LONG_AGO)
        await hold(database, broker, worker, [task_id])
        await begin_alone(database, task_id)
        rescuer = await patient(context)
        await rescuer.run_once(context)
        seen.append((await rows(database, "status, crash_count, due_at > now() + interval '3 seconds'"))[0])
        await database.pool.execute("UPDATE tasks SET status = 'PENDING', due_at = NULL WHERE status = 'SCHEDULED'")
    assert seen == [("PENDING", 1, None), ("SCHEDULED", 2, True), ("FAILED", 3, None)]
    letter = await database.pool.fetchrow("SELECT * FROM dead_letter_queue")
    assert str(letter["task_id"]) == task_id
    assert letter["failure_reason"].startswith("poison")
    assert letter["total_attempts"] == 3
    assert letter["task_data"]["task_name"] == "noop"
    assert await rows(database, "status, lease_epoch", "task_executions") == [("CRASHED", epoch) for epoch in (1, 2, 3)]
    assert await broker.dispatch.sizes(["default"]) == [(0, 0)]


async def test_a_suspect_that_had_not_started_comes_back_free(context: DutyContext, broker: RedisBroker) -> None:
    database = context.database
    begun, waiting = await add_tasks(database, 2)
    for _ in range(2):
        worker = await add_worker(database, beat_age=LONG_AGO)
        await hold(database, broker, worker, [begun, waiting])
        await begin_alone(database, begun)
        rescuer = await patient(context)
        assert await rescuer.run_once(context) == 2
    assert await rows(database, "status, crash_count") == [("SCHEDULED", 2), ("PENDING", 1)]
    attempts = await rows(database, "task_id::text, lease_epoch", "task_executions")
    assert sorted(attempts) == [(begun, 1), (begun, 2), (waiting, 1)]
    assert await broker.dispatch.sizes(["default"]) == [(1, 0)]


async def test_nobody_is_quarantined_for_a_first_loss(context: DutyContext, broker: RedisBroker) -> None:
    context.settings.worker.crash_limit = 1
    worker = await add_worker(context.database, beat_age=LONG_AGO)
    await hold(context.database, broker, worker, await add_tasks(context.database, 2))
    rescuer = await patient(context)
    await rescuer.run_once(context)
    assert await rows(context.database, "status, crash_count") == [("PENDING", 1)] * 2


async def test_a_suspect_whose_lease_is_gone_does_not_begin(context: DutyContext, broker: RedisBroker) -> None:
    database, store = context.database, TaskStore(context.database)
    [lease] = await store.claim(uuid7(), uuid7(), uuid7(), await add_tasks(database, 1))
    assert await store.begin_alone(lease)
    assert not await store.begin_alone(lease._replace(lease_epoch=lease.lease_epoch + 1))
    await store.finish([Outcome(lease, TaskStatus.PENDING)])
    assert not await store.begin_alone(lease)


async def test_a_cancelled_task_of_a_dead_worker_ends_cancelled(context: DutyContext, broker: RedisBroker) -> None:
    worker = await add_worker(context.database, beat_age=LONG_AGO)
    await hold(context.database, broker, worker, await add_tasks(context.database, 1))
    await context.database.pool.execute("UPDATE tasks SET cancel_requested_at = now()")
    rescuer = await patient(context)
    await rescuer.run_once(context)
    assert await rows(context.database, "status, completed_at IS NOT NULL") == [("CANCELLED", True)]
    statuses = [event.data.get("status") for _, event in await broker.events.read("0")]
    assert statuses == ["DEAD", "CANCELLED"]


async def test_nobody_is_buried_in_the_first_heartbeat_period_of_a_term_or_after_an_outage(
    context: DutyContext, broker: RedisBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Mock(**{"monotonic.return_value": 1_000.0})
    monkeypatch.setattr("taskflow.engine.coordinator.rescuer.time", clock)
    await add_worker(context.database, beat_age=LONG_AGO)
    context.settings.worker.heartbeat_seconds = 0.2
    rescuer = Rescuer()

    async def is_dead() -> bool:
        await rescuer.run_once(context)
        return await context.database.pool.fetchval("SELECT status FROM workers") == "DEAD"

    assert not await is_dead()
    assert not await is_dead()
    clock.monotonic.return_value += 0.25

    async def away() -> None:
        raise ConnectionRefusedError

    with monkeypatch.context() as patch:
        patch.setattr(broker.redis, "ping", away)
        with pytest.raises(ConnectionRefusedError):
            await rescuer.run_once(context)
    assert not await is_dead()
    clock.monotonic.return_value += 0.25
    assert await is_dead()


async def test_a_spent_claim_is_forgotten_and_a_busy_one_kept(context: DutyContext, broker: RedisBroker) -> None:
    database, processes = context.database, [uuid7(), uuid7()]
    worker = await add_worker(database, processes=processes)
    busy, spent = [await add_tasks(database, 2) for _ in range(2)]
    await hold(database, broker, worker, busy, processes[0])
    await hold(database, broker, worker, spent, processes[1])
    await database.pool.execute(
        "UPDATE tasks SET status = 'COMPLETED', completed_at = now() WHERE task_id = ANY($1::uuid[])", spent
    )
    rescuer = await patient(context)
    await rescuer.run_once(context)
    assert await database.pool.fetchval("SELECT array_agg(process_id) FROM task_claims") == [processes[0]]


async def test_the_children_of_a_task_that_a_rescue_ends_hear_of_it(
    context: DutyContext, broker: RedisBroker, database: Database
) -> None:
    engine = Engine(database, broker)
    parent = await engine.enqueue(noop)
    runs = await engine.enqueue(noop.options(after=[After(parent, on_failure="run")], queue="released"))
    skipped = await engine.enqueue(noop.options(after=[parent]))
    await hold(database, broker, await add_worker(database, beat_age=LONG_AGO), [str(parent.task_id)])
    await engine.cancel(parent.task_id)
    assert await (await patient(context)).run_once(context) == 1
    found = dict(await database.pool.fetch("SELECT task_id, status FROM tasks"))
    assert found == {parent.task_id: "CANCELLED", runs.task_id: "PENDING", skipped.task_id: "CANCELLED"}
    assert await broker.dispatch.peek("released", 9) == [str(runs.task_id)]
