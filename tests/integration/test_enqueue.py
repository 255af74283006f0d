"""Enqueueing is an INSERT: with the caller's transaction or not at all."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from support import sample_tasks as tasks
from taskflow.base.ids import uuid7
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine import Engine, Graph, Request
from taskflow.engine.client import TaskNotFoundError
from taskflow.engine.payload import InvalidTaskArgumentsError
from taskflow.engine.states import IllegalTransitionError, TaskStatus


@pytest.fixture
def engine(database: Database, broker: RedisBroker) -> Engine:
    return Engine(database, broker)


async def count(database: Database) -> int:
    return int(await database.pool.fetchval("SELECT count(*) FROM tasks"))


async def test_a_task_enqueued_in_a_transaction_exists_if_and_only_if_it_commits(
    engine: Engine, database: Database, broker: RedisBroker
) -> None:
    async with database.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await engine.enqueue_in(connection, tasks.add, 1, right=2)
        await transaction.rollback()
        assert await count(database) == 0
        async with connection.transaction():
            handle = await engine.enqueue_in(connection, tasks.add, 1, right=2)
            assert await broker.dispatch.sizes(["default"]) == [(0, 0)], "no worker may hear of it before the commit"
        await engine.dispatch([handle])
    assert await count(database) == 1
    assert await broker.dispatch.sizes(["default"]) == [(1, 0)]


@pytest.mark.parametrize("codec", [False, True])
async def test_a_connection_that_writes_json_in_its_own_way_will_do(
    engine: Engine, database: Database, database_url: str, codec: bool
) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        if codec:
            await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
        async with connection.transaction():
            first = await engine.enqueue_in(connection, tasks.add.options(tags=["red"], expires_in=60), 1, right=2)
            keyed = await engine.enqueue_in(connection, tasks.noop.options(unique_key="k", idempotency_key="k"))
            child = await engine.enqueue_in(connection, tasks.add.options(tags=["red"]), first.output, right=4)
            graph = Graph()
            pair = [graph.add(tasks.add, 1, 2), graph.add(tasks.add, 3, 4)]
            graph.add(tasks.collect, [one.output for one in pair])
            await engine.submit_graph_in(connection, graph)
    finally:
        await connection.close()
    rows = {row["task_id"]: row for row in await database.pool.fetch("SELECT * FROM tasks")}
    assert len(rows) == 6
    assert (rows[first.task_id]["task_kwargs"], rows[first.task_id]["tags"]) == ({"left": 1, "right": 2}, ["red"])
    assert (rows[child.task_id]["status"], rows[child.task_id]["tags"]) == ("BLOCKED", ["red"])
    assert rows[child.task_id]["task_kwargs"] == {"right": 4}
    assert rows[keyed.task_id]["task_args"] is None
    arguments = "SELECT arguments FROM task_dependencies WHERE child_id = $1"
    assert await database.pool.fetchval(arguments, child.task_id) == [["left", None]]


async def test_an_idempotency_key_names_one_task_however_often_and_at_once(engine: Engine, database: Database) -> None:
    charge = tasks.noop.options(idempotency_key="order-17")
    handles = await asyncio.gather(*(engine.enqueue(charge) for _ in range(10)))
    assert len({handle.task_id for handle in handles}) == 1
    assert [handle.is_new for handle in handles].count(True) == 1
    assert await count(database) == 1


async def test_an_expired_idempotency_key_is_free_again(engine: Engine, database: Database) -> None:
    charge = tasks.noop.options(idempotency_key="order-17")
    first = await engine.enqueue(charge)
    await database.pool.execute("UPDATE task_keys SET expires_at = now() - interval '1 second'")
    second = await engine.enqueue(charge)
    assert second.is_new
    assert second.task_id != first.task_id


async def test_bad_arguments_are_refused_before_anything_is_written(engine: Engine, database: Database) -> None:
    with pytest.raises(InvalidTaskArgumentsError):
        await engine.enqueue(tasks.add, "x", right=1)  # type: ignore[arg-type]
    with pytest.raises(InvalidTaskArgumentsError):
        await engine.submit_many([Request("add", kwargs={"left": 1, "right": 1}), Request("add", kwargs={"left": 1})])
    with pytest.raises(InvalidTaskArgumentsError, match="NUL"):
        await engine.submit(Request("somebody.elses", kwargs={"text": "a\x00"}))
    assert await count(database) == 0


async def test_a_name_that_only_workers_know_is_taken_as_it_is(engine: Engine, database: Database) -> None:
    handle = await engine.submit(Request("somebody.elses", args=[1, "two"], priority=8, queue="theirs"))
    row = await database.pool.fetchrow("SELECT * FROM tasks WHERE task_id = $1", handle.task_id)
    assert row is not None
    assert (row["task_args"], row["queue"], row["dispatch_key"], row["priority"]) == ([1, "two"], "theirs", "theirs", 8)


async def test_a_delay_is_measured_on_the_clock_of_the_database(engine: Engine, database: Database) -> None:
    one = await engine.enqueue(tasks.noop.options(delay=90))
    [many] = await engine.enqueue_many(tasks.noop.options(delay=90), [{}])
    assert one.status is many.status is TaskStatus.SCHEDULED
    seconds = await database.pool.fetch("SELECT extract(epoch FROM due_at - created_at)::float8 AS wait FROM tasks")
    assert [round(row["wait"]) for row in seconds] == [90, 90]


async def test_a_time_that_has_passed_is_due_now_where_the_scheduler_still_looks(
    engine: Engine, database: Database
) -> None:
    past = datetime.now(UTC) - timedelta(hours=1)
    await engine.submit(Request("noop", scheduled_at=past))
    await engine.submit_many([Request("noop", scheduled_at=past)])
    rows = await database.pool.fetch(
        "SELECT scheduled_at, created_at - due_at < interval '5 seconds' AS is_due_now FROM tasks"
    )
    assert [tuple(row) for row in rows] == [(past, True)] * 2


async def test_cancelling_ends_what_waits_once(engine: Engine, database: Database) -> None:
    handle = await engine.enqueue(tasks.noop)
    assert await engine.cancel(handle.task_id) is TaskStatus.CANCELLED
    with pytest.raises(IllegalTransitionError, match="CANCELLED cannot be cancelled"):
        await engine.cancel(handle.task_id)
    with pytest.raises(TaskNotFoundError):
        await engine.cancel(uuid7())


async def test_a_task_that_ended_badly_starts_over_with_all_its_attempts(
    engine: Engine, database: Database, broker: RedisBroker
) -> None:
    handle = await engine.enqueue(tasks.noop)
    await engine.cancel(handle.task_id)
    await broker.redis.flushall()
    await engine.retry(handle.task_id)
    row = await database.pool.fetchrow("SELECT * FROM tasks WHERE task_id = $1", handle.task_id)
    assert row is not None
    assert (row["status"], row["retry_count"], row["completed_at"]) == ("PENDING", 0, None)
    assert await broker.dispatch.sizes(["default"]) == [(1, 0)]
    with pytest.raises(IllegalTransitionError, match="PENDING cannot be retried"):
        await engine.retry(handle.task_id)


async def test_enqueueing_survives_redis_being_away(engine: Engine, database: Database, broker: RedisBroker) -> None:
    broker.redis.connection_pool.connection_kwargs["path"] = "/nonexistent"
    await broker.redis.connection_pool.disconnect()
    handle = await engine.enqueue(tasks.noop)
    assert handle.status is TaskStatus.PENDING
    assert await count(database) == 1
