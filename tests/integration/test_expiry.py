"""Tasks that have not begun by their time never begin."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from support import option_tasks as tasks
from support.duties import lead
from support.following import ended, result, row
from support.processes import running
from taskflow.base.errors import InvalidInputError
from taskflow.base.ids import uuid7
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine import Engine, Every, Request, Schedule
from taskflow.engine.coordinator.expiry import Expiry
from taskflow.engine.coordinator.relay import Relay
from taskflow.engine.outcomes import failed
from taskflow.engine.store import TaskStore
from taskflow.settings import Settings


@pytest.fixture
def engine(database: Database, broker: RedisBroker) -> Engine:
    return Engine(database, broker)


async def let_expire(database: Database) -> None:
    await database.pool.execute(
        "UPDATE tasks SET expires_at = now() - interval '1 second' WHERE expires_at IS NOT NULL"
    )


async def test_what_has_not_begun_ends_cancelled_with_the_reason(
    engine: Engine, database: Database, broker: RedisBroker, settings: Settings
) -> None:
    late = await engine.enqueue(tasks.tagged)
    waits = await engine.enqueue(tasks.tagged.options(delay=60, expires_in=120))
    other = await engine.enqueue(tasks.keeps_nothing)
    context = await lead(database, broker, settings)
    await Relay().run_once(context)
    assert await Expiry().run_once(context) == 0
    await let_expire(database)
    assert await Expiry().run_once(context) == 2
    assert await Expiry().run_once(context) == 0
    assert await broker.dispatch.peek("default", 9) == [str(other.task_id)]
    for handle in (late, waits):
        assert (await row(database, handle.task_id))["status"] == "CANCELLED"
        assert "It expired at" in (await result(database, handle.task_id))["error_message"]
    assert (await row(database, other.task_id))["status"] == "PENDING"
    told = [event.data for _, event in await broker.events.read("0-0")]
    assert {"task_id": str(late.task_id), "status": "CANCELLED"} in told


async def test_a_claim_leaves_an_expired_task_alone_also_without_the_duty(engine: Engine, database: Database) -> None:
    late = await engine.enqueue(tasks.tagged)
    in_time = await engine.enqueue(tasks.tagged)
    await database.pool.execute(
        "UPDATE tasks SET expires_at = now() - interval '1 second' WHERE task_id = $1", late.task_id
    )
    leases = await TaskStore(database).claim(uuid7(), uuid7(), uuid7(), [str(late.task_id), str(in_time.task_id)])
    assert [lease.task_id for lease in leases] == [in_time.task_id]


async def test_retries_do_not_expire_and_one_started_over_by_hand_neither(
    engine: Engine, database: Database, broker: RedisBroker, settings: Settings
) -> None:
    handle = await engine.enqueue(tasks.tagged)
    store, context = TaskStore(database), await lead(database, broker, settings)
    [lease] = await store.claim(uuid7(), uuid7(), uuid7(), [str(handle.task_id)])
    await store.finish([failed(lease, 0.1, "no luck", after=0.0)])
    await let_expire(database)
    assert await Expiry().run_once(context) == 0
    await database.pool.execute("UPDATE tasks SET status = 'PENDING', due_at = NULL")
    [again] = await store.claim(uuid7(), uuid7(), uuid7(), [str(handle.task_id)])
    await store.finish([failed(again, 0.1, "no luck", retry=False)])
    await engine.retry(handle.task_id)
    assert (await row(database, handle.task_id))["expires_at"] is None


async def test_expiry_is_counted_on_the_databases_clock_in_single_and_bulk_enqueueing(
    engine: Engine, database: Database
) -> None:
    single = await engine.enqueue(tasks.tagged)
    [bulk] = await engine.enqueue_many(tasks.tagged, [{}])
    for handle in (single, bulk):
        task = await row(database, handle.task_id)
        assert abs((task["expires_at"] - task["created_at"]).total_seconds() - 3600) < 1
        assert task["tags"] == ["billing", "nightly"]


async def test_a_task_that_would_expire_before_it_is_due_is_refused(engine: Engine) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=1)
    with pytest.raises(InvalidInputError, match="expire before it is due"):
        await engine.enqueue(tasks.tagged.options(delay=60, expires_in=60))
    with pytest.raises(InvalidInputError, match="expire before it is due"):
        await engine.submit(Request("tagged", scheduled_at=soon, expires_at=soon))


async def test_no_schedule_is_made_whose_tasks_would_expire_beyond_all_time(engine: Engine, database: Database) -> None:
    for forever in (1e15, float("inf")):
        with pytest.raises(InvalidInputError, match="expires_in takes up to 31,622,400 seconds"):
            await engine.schedule(Schedule("x", Every(60)), tasks.tagged.options(expires_in=forever))
    assert await database.pool.fetchval("SELECT count(*) FROM schedules") == 0


async def test_two_coordinators_expire_a_task_once(
    engine: Engine, database: Database, broker: RedisBroker, settings: Settings
) -> None:
    await engine.enqueue_many(tasks.tagged, [{} for _ in range(50)])
    await let_expire(database)
    context = await lead(database, broker, settings)
    assert sum(await asyncio.gather(Expiry().run_once(context), Expiry().run_once(context))) == 50


async def test_a_coordinator_ends_what_no_worker_has_begun(
    engine: Engine, environment: dict[str, str], database: Database
) -> None:
    async with running(environment, "coordinator"):
        handle = await engine.enqueue(tasks.tagged.options(expires_in=0.2))
        assert (await ended(database, handle.task_id, seconds=30))["status"] == "CANCELLED"
    assert "before it had begun" in (await result(database, handle.task_id))["error_message"]
