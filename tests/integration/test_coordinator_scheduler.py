"""Due tasks become PENDING on the database's clock; and the slower duties."""

import time

import pytest

from support.duties import add_tasks, add_worker, lead
from taskflow.base.ids import uuid7
from taskflow.broker.redis.broker import RedisBroker
from taskflow.broker.redis.dispatch import Entry
from taskflow.db.pool import Database
from taskflow.engine.coordinator import scheduler as scheduler_module
from taskflow.engine.coordinator.dead_letters import DeadLetters
from taskflow.engine.coordinator.drift import DriftMeter
from taskflow.engine.coordinator.duty import DutyContext
from taskflow.engine.coordinator.pruner import Pruner
from taskflow.engine.coordinator.relay import Relay
from taskflow.engine.coordinator.scheduler import Scheduler
from taskflow.settings import Settings


@pytest.fixture
async def context(database: Database, broker: RedisBroker, settings: Settings) -> DutyContext:
    context = await lead(database, broker, settings)
    await Relay().run_once(context)
    return context


async def schedule(database: Database, *seconds: float) -> list[str]:
    """Insert tasks that are due in so many seconds."""
    ids = [uuid7() for _ in seconds]
    await database.pool.executemany(
        "INSERT INTO tasks (task_id, task_name, status, due_at)"
        " VALUES ($1, 'noop', 'SCHEDULED', now() + $2::float8 * interval '1 second')",
        list(zip(ids, seconds, strict=True)),
    )
    return [str(task_id) for task_id in ids]


async def test_due_tasks_are_promoted_and_others_stay(context: DutyContext, broker: RedisBroker) -> None:
    first, second, later = await schedule(context.database, -2, -1, 3600)
    scheduler = Scheduler()
    assert await scheduler.run_once(context) == 2
    assert await scheduler.run_once(context) == 0
    assert await broker.dispatch.peek("default", 9) == [first, second]
    waiting = await context.database.pool.fetch("SELECT task_id::text FROM tasks WHERE status = 'SCHEDULED'")
    assert [row[0] for row in waiting] == [later]


async def test_a_task_that_is_due_before_the_last_promoted_one_is_found_all_the_same(
    context: DutyContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler = Scheduler()
    await schedule(context.database, -1)
    assert await scheduler.run_once(context) == 1
    await schedule(context.database, -5)
    assert await scheduler.run_once(context) == 1  # within the slack
    await schedule(context.database, -600)
    assert await scheduler.run_once(context) == 0
    monkeypatch.setattr(scheduler_module, "_RESET_SECONDS", 0.0)
    assert await scheduler.run_once(context) == 1


async def test_the_coming_minute_is_mirrored(
    context: DutyContext, broker: RedisBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler_module, "_MIRROR_SECONDS", 0.0)
    await broker.redis.zadd(broker.keys.scheduled, {"left by another leader": 1})
    soon, _ = await schedule(context.database, 30, 3600)
    scheduler = Scheduler()
    await scheduler.run_once(context)
    [(task_id, due)] = await broker.redis.zrange(broker.keys.scheduled, 0, -1, withscores=True)
    assert task_id == soon
    assert 0 < due - time.time() <= 31
    await context.database.pool.execute("UPDATE tasks SET status = 'CANCELLED', due_at = NULL, completed_at = now()")
    await scheduler.run_once(context)
    assert await broker.redis.zcard(broker.keys.scheduled) == 0


async def test_a_promotion_that_redis_missed_is_pushed_by_the_relay(context: DutyContext, broker: RedisBroker) -> None:
    [task_id] = await schedule(context.database, -1)
    await Scheduler().run_once(context)
    await broker.redis.delete(broker.keys.queue("default"))
    await Relay().run_once(context)
    assert await broker.dispatch.peek("default", 9) == [task_id]


async def test_expired_dead_letters_and_keys_go(context: DutyContext) -> None:
    pool = context.database.pool
    for days in (1, 29, 31, 400):
        await pool.execute(
            "INSERT INTO dead_letter_queue (dlq_id, task_id, lease_epoch, task_name, task_data, failure_reason,"
            " total_attempts, moved_at) VALUES ($1, $1, 1, 'noop', '{}', 'why', 1, now() - $2::int * interval '1 day')",
            uuid7(),
            days,
        )
    assert await DeadLetters().run_once(context) == 2
    for key, hours in (("old", -1), ("new", 1)):
        await pool.execute(
            "INSERT INTO task_keys VALUES ('s', $1, $2, now() + $3::int * interval '1 hour')", key, uuid7(), hours
        )
        await pool.execute(
            "INSERT INTO idempotency_keys (scope, key, request_hash, reserved_id, locked_until, expires_at)"
            " VALUES ('s', $1, '', gen_random_uuid(), now(), now() + $2::int * interval '1 hour')",
            key,
            hours,
        )
    assert await Pruner().run_once(context) == 2
    assert await pool.fetchval("SELECT key FROM task_keys") == "new"
    assert await pool.fetchval("SELECT key FROM idempotency_keys") == "new"


async def test_drift_is_nothing_at_rest_and_counted_by_kind(context: DutyContext, broker: RedisBroker) -> None:
    meter, database = DriftMeter(), context.database
    ids = await add_tasks(database, 5)
    await broker.dispatch.push(Entry("default", 5, task_id) for task_id in ids)
    assert set((await meter.measure(context)).counts().values()) == {0}
    await add_tasks(database, 2)  # never pushed
    await broker.dispatch.push([Entry("default", 5, str(uuid7()))])  # a ghost
    await add_worker(database)
    await database.pool.execute(
        "INSERT INTO tasks (task_id, task_name, status, claim_id, worker_id, started_at)"
        " SELECT gen_random_uuid(), 'noop', 'RUNNING', gen_random_uuid(), worker_id, now() - interval '1 hour'"
        " FROM workers"
    )
    await database.pool.execute(
        "INSERT INTO task_executions (task_id, lease_epoch, attempt_number, status) VALUES ($1, 1, 1, 'COMPLETED')",
        uuid7(),
    )
    found = await meter.measure(context)
    assert found.counts() == {"missing": 2, "ghosts": 1, "running_lost": 1, "blocked_lost": 0, "orphans": 1}
    await meter.run_once(context)
