"""Unique keys and idempotency keys of tasks."""

import asyncio

import pytest

from support import option_tasks as tasks
from support.duties import lead
from support.following import row
from taskflow.base.errors import InvalidInputError
from taskflow.base.ids import uuid7
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine import DuplicateTaskError, Engine, TaskKeyReusedError
from taskflow.engine.coordinator.pruner import Pruner
from taskflow.engine.dependencies.models import InvalidDependencyError
from taskflow.engine.outcomes import completed
from taskflow.engine.requests import Request
from taskflow.engine.store import TaskStore
from taskflow.settings import Settings


@pytest.fixture
def engine(database: Database, broker: RedisBroker) -> Engine:
    return Engine(database, broker)


async def complete(database: Database, task_id: object) -> None:
    store = TaskStore(database)
    [lease] = await store.claim(uuid7(), uuid7(), uuid7(), [str(task_id)])
    await store.finish([completed(lease, 0.1)])


async def count(database: Database) -> int:
    return int(await database.pool.fetchval("SELECT count(*) FROM tasks"))


async def test_while_a_task_lives_its_key_answers_it(engine: Engine, database: Database) -> None:
    first = await engine.enqueue(tasks.sync_account, 7)
    again = await engine.enqueue(tasks.sync_account, 7, force=True)
    other = await engine.enqueue(tasks.sync_account, 8)
    assert (again.task_id, again.is_new) == (first.task_id, False)
    assert other.is_new
    await complete(database, first.task_id)
    assert (await engine.enqueue(tasks.sync_account, 7)).is_new


async def test_twenty_at_once_make_one(engine: Engine, database: Database) -> None:
    handles = await asyncio.gather(*(engine.enqueue(tasks.sync_account, 7) for _ in range(20)))
    assert [handle.is_new for handle in handles].count(True) == 1
    assert len({handle.task_id for handle in handles}) == 1
    assert await count(database) == 1


async def test_a_window_holds_the_key_beyond_the_tasks_end(engine: Engine, database: Database) -> None:
    hourly = tasks.sync_account.options(unique_for=3600)
    first = await engine.enqueue(hourly, 7)
    await complete(database, first.task_id)
    assert (await engine.enqueue(hourly, 7)).task_id == first.task_id
    await database.pool.execute("UPDATE task_keys SET expires_at = now() - interval '1 second'")
    assert (await engine.enqueue(hourly, 7)).is_new


async def test_a_conflict_can_be_an_error(engine: Engine, database: Database) -> None:
    first = await engine.enqueue(tasks.sync_account, 7)
    with pytest.raises(DuplicateTaskError, match="account 7") as caught:
        await engine.enqueue(tasks.sync_account.options(on_conflict="raise"), 7)
    assert caught.value.context == {"task_id": str(first.task_id)}
    assert await count(database) == 1


async def test_a_conflict_can_replace_the_holder_waiting_or_running(
    engine: Engine, database: Database, broker: RedisBroker
) -> None:
    latest = tasks.sync_account.options(on_conflict="replace")
    first = await engine.enqueue(latest, 7)
    second = await engine.enqueue(latest, 7)
    assert (await row(database, first.task_id))["status"] == "CANCELLED"
    [_] = await TaskStore(database).claim(uuid7(), uuid7(), uuid7(), [str(second.task_id)])
    third = await engine.enqueue(latest, 7)
    assert third.is_new
    running = await row(database, second.task_id)
    assert (running["status"], running["cancel_requested_at"] is not None) == ("RUNNING", True)
    assert (await engine.enqueue(tasks.sync_account, 7)).task_id == third.task_id


async def test_a_key_is_free_again_when_the_enqueueing_was_rolled_back(engine: Engine, database: Database) -> None:
    async with database.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await engine.enqueue_in(connection, tasks.sync_account, 7)
        await transaction.rollback()
    assert (await engine.enqueue(tasks.sync_account, 7)).is_new


async def test_many_at_once_keep_their_keys_apart(engine: Engine, database: Database) -> None:
    first = await engine.enqueue(tasks.sync_account, 3)
    calls = [{"account": number % 5} for number in range(10)]
    handles = await engine.enqueue_many(tasks.sync_account, calls)
    assert [handle.is_new for handle in handles] == [True, True, True, False, True] + [False] * 5
    assert handles[3].task_id == handles[8].task_id == first.task_id
    assert await count(database) == 5


async def test_a_key_of_a_living_task_outlasts_the_pruner(
    engine: Engine, database: Database, broker: RedisBroker, settings: Settings
) -> None:
    first = await engine.enqueue(tasks.sync_account, 7)
    await database.pool.execute("UPDATE task_keys SET expires_at = now() - interval '1 day'")
    context = await lead(database, broker, settings)
    await Pruner().run_once(context)
    assert (await engine.enqueue(tasks.sync_account, 7)).task_id == first.task_id
    await complete(database, first.task_id)
    await Pruner().run_once(context)
    assert await database.pool.fetchval("SELECT count(*) FROM task_keys") == 0


async def test_an_idempotency_key_with_other_arguments_is_an_error(engine: Engine, database: Database) -> None:
    charge = tasks.sync_account.options(idempotency_key="order-17", unique_key="order 17")
    first = await engine.enqueue(charge, 1)
    assert (await engine.enqueue(charge, 1)).task_id == first.task_id
    with pytest.raises(TaskKeyReusedError, match="order-17"):
        await engine.enqueue(charge, 2)
    assert await count(database) == 1


async def test_an_idempotency_key_outlives_its_task_and_belongs_to_its_name(engine: Engine, database: Database) -> None:
    first = await engine.enqueue(tasks.keeps_nothing.options(idempotency_key="k"))
    await complete(database, first.task_id)
    again = await engine.enqueue(tasks.keeps_nothing.options(idempotency_key="k"))
    assert (again.task_id, again.status) == (first.task_id, "COMPLETED")
    assert (await engine.enqueue(tasks.keeps_for_an_hour.options(idempotency_key="k"))).is_new


async def test_a_call_under_both_keys_goes_on_naming_the_task_that_answered_it(
    engine: Engine, database: Database
) -> None:
    first = await engine.enqueue(tasks.sync_account, 7)
    both = tasks.sync_account.options(idempotency_key="seven")
    assert (await engine.enqueue(both, 7)).task_id == first.task_id
    again = await engine.enqueue(both, 7)
    assert (again.task_id, again.status, again.is_new) == (first.task_id, "PENDING", False)
    assert await count(database) == 1


async def test_idempotency_keys_hold_in_bulk_too(engine: Engine, database: Database) -> None:
    once = [Request("sync_account", kwargs={"account": number}, idempotency_key=f"key-{number}") for number in (2, 1)]
    first = await engine.submit_many([*once, Request("sync_account", kwargs={"account": 3}, unique_key="3")])
    again = await engine.submit_many(once)
    assert [handle.task_id for handle in again] == [handle.task_id for handle in first[:2]]
    assert await count(database) == 3
    with pytest.raises(TaskKeyReusedError):
        await engine.enqueue_many(
            tasks.sync_account.options(idempotency_key="one"), [{"account": number} for number in (1, 2)]
        )
    assert await count(database) == 3
    child = once[0]._replace(after=[first[0].task_id])
    with pytest.raises(InvalidDependencyError):
        await engine.submit_many([child, child._replace(idempotency_key="other")])


async def test_nothing_is_kept_of_an_enqueueing_that_failed(engine: Engine, database: Database) -> None:
    await engine.enqueue(tasks.sync_account, 7)
    refused = tasks.sync_account.options(idempotency_key="k", on_conflict="raise")
    with pytest.raises(DuplicateTaskError):
        await engine.enqueue(refused, 7)
    assert (await engine.enqueue(refused, 8)).is_new, "the key is free: nothing was done under it"


def test_a_key_that_cannot_be_one_is_refused() -> None:
    for key in ("", "x" * 256, "a\nb"):
        with pytest.raises(InvalidInputError, match="Unique key"):
            tasks.sync_account.options(unique_key=key)
