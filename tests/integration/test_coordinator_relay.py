"""Law 1: Redis may forget, lie or overflow at any moment; what PostgreSQL calls PENDING is dispatched, in order."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from support.duties import add_tasks, add_worker, drain, lead
from taskflow.broker.limits import Limit
from taskflow.broker.redis.broker import RedisBroker
from taskflow.broker.redis.dispatch import Entry
from taskflow.db.pool import Database
from taskflow.engine.coordinator import backlog
from taskflow.engine.coordinator import relay as relay_module
from taskflow.engine.coordinator.duty import DispatchRule, DutyContext
from taskflow.engine.coordinator.relay import Relay
from taskflow.settings import Settings

WINDOW = 100


@pytest.fixture
def settings(settings: Settings) -> Settings:
    settings.coordinator.window = WINDOW
    return settings


@pytest.fixture
async def broker(settings: Settings) -> AsyncIterator[RedisBroker]:
    async with RedisBroker.open(settings.redis, window=WINDOW) as opened:
        yield opened


@pytest.fixture
async def context(database: Database, broker: RedisBroker, settings: Settings) -> DutyContext:
    return await lead(database, broker, settings)


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweep with every run."""
    monkeypatch.setattr(relay_module, "SWEEP_SECONDS", 0.0)


def entries(ids: list[str], key: str = "default", priority: int = 5) -> list[Entry]:
    return [Entry(key, priority, task_id) for task_id in ids]


async def claim_in_postgresql(database: Database, ids: list[str], status: str) -> None:
    """Take tasks past PENDING, as workers do."""
    await database.pool.execute(
        "UPDATE tasks SET status = $2::text, completed_at = CASE WHEN $2::text = 'COMPLETED' THEN now() END,"
        " claim_id = gen_random_uuid(), worker_id = coalesce(worker_id, gen_random_uuid())"
        " WHERE task_id = ANY($1::uuid[])",
        ids,
        status,
    )


async def test_claims_wait_until_a_flushed_dispatch_is_rebuilt(context: DutyContext, broker: RedisBroker) -> None:
    low = await add_tasks(context.database, 3, priority=2)
    high = await add_tasks(context.database, 3, priority=8)
    relay = Relay()
    await relay.run_once(context)
    first = await broker.dispatch.generation()
    await broker.redis.flushall()
    assert (await broker.dispatch.claim("c", limit=9, quota=9, lease=30)).state == "NOGEN"
    await relay.run_once(context)
    assert await broker.dispatch.generation() not in (None, first)
    assert await drain(broker) == high + low


async def test_only_pending_tasks_are_rebuilt(context: DutyContext, broker: RedisBroker) -> None:
    running, done, waiting = [await add_tasks(context.database, 2) for _ in range(3)]
    await claim_in_postgresql(context.database, running, "RUNNING")
    await claim_in_postgresql(context.database, done, "COMPLETED")
    await Relay().run_once(context)
    assert await drain(broker) == waiting


async def test_pauses_and_rates_are_back_before_the_first_claim(
    database: Database, broker: RedisBroker, settings: Settings
) -> None:
    async def rules(_: Database) -> list[DispatchRule]:
        return [
            DispatchRule("email/campaign:a", paused=True),
            DispatchRule("email/campaign:b", limit=Limit(per_minute=60)),
        ]

    context = await lead(database, broker, settings, rule_sources=[rules])
    await add_tasks(database, 5, key="email/campaign:a")
    rated = await add_tasks(database, 5, key="email/campaign:b")
    await Relay().run_once(context)
    claimed = await broker.dispatch.claim("c", limit=10, quota=10, lease=30)
    assert [ids for _, ids in claimed.groups] in ([], [rated[:1]])
    assert await broker.dispatch.paused() == {"email/campaign:a"}
    assert await broker.dispatch.limits() == {"campaign:b": Limit(per_minute=60)}


async def test_a_rule_that_redis_lost_is_mended_at_the_second_look(
    database: Database, broker: RedisBroker, settings: Settings, eager: None
) -> None:
    paused = False

    async def rules(_: Database) -> list[DispatchRule]:
        return [DispatchRule("email/campaign:a", paused)]

    context, relay = await lead(database, broker, settings, rule_sources=[rules]), Relay()
    await relay.run_once(context)
    paused = True  # committed, but the word to Redis was lost
    await relay.run_once(context)
    assert await broker.dispatch.paused() == set()
    await relay.run_once(context)
    assert await broker.dispatch.paused() == {"email/campaign:a"}


async def test_an_old_snapshot_is_recognised_by_its_server_and_replaced(
    context: DutyContext, broker: RedisBroker
) -> None:
    relay = Relay()
    ghosts = await add_tasks(context.database, 3)
    await relay.run_once(context)
    old = await broker.dispatch.generation()
    # What a killed server comes back with: its old content, generation and all, under another run id.
    await claim_in_postgresql(context.database, ghosts, "COMPLETED")
    missing = await add_tasks(context.database, 3)
    await broker.redis.set(broker.keys.server, "the run id of the server that was killed")
    await broker.dispatch.pause("default")
    await relay.run_once(context)
    assert await broker.dispatch.generation() != old
    assert await drain(broker) == missing


async def test_a_flush_in_the_middle_of_a_rebuild_starts_it_over(
    database: Database, broker: RedisBroker, settings: Settings
) -> None:
    flushes = 1

    async def flush_once(_: Database) -> list[DispatchRule]:
        nonlocal flushes
        if flushes:
            flushes -= 1
            await broker.redis.flushall()
        return [DispatchRule("default")]

    context, relay = await lead(database, broker, settings, rule_sources=[flush_once]), Relay()
    ids = await add_tasks(database, 3)
    assert await relay.run_once(context) == 1
    assert await broker.dispatch.generation() is None
    await relay.run_once(context)
    assert await drain(broker) == ids


async def test_a_backlog_longer_than_its_window_drains_whole_and_in_order(
    context: DutyContext, broker: RedisBroker
) -> None:
    low = await add_tasks(context.database, 7 * WINDOW, priority=3)
    high = await add_tasks(context.database, WINDOW, priority=9)
    relay = Relay()
    await relay.run_once(context)
    assert (await broker.dispatch.sizes(["default"]))[0] == (WINDOW, 0)
    assert await drain(broker, relay=(relay, context)) == high + low
    assert await broker.dispatch.overflowing() == set()


async def test_what_is_enqueued_behind_an_overflowing_window_does_not_overtake_its_tail(
    context: DutyContext, broker: RedisBroker
) -> None:
    relay = Relay()
    await relay.run_once(context)
    ids = await add_tasks(context.database, 3 * WINDOW)
    assert await broker.dispatch.push(entries(ids)) > WINDOW
    assert await broker.dispatch.overflowing() == {"default"}
    late = await add_tasks(context.database, 5)
    assert await broker.dispatch.push(entries(late)) == 0
    urgent = await add_tasks(context.database, 1, priority=10)
    assert await broker.dispatch.push(entries(urgent, priority=10)) == 1
    assert await drain(broker, relay=(relay, context)) == [*urgent, *ids, *late]


async def test_a_lost_push_is_found(context: DutyContext, broker: RedisBroker, eager: None) -> None:
    relay = Relay()
    await relay.run_once(context)
    known = await add_tasks(context.database, 3)
    await broker.dispatch.push(entries(known))
    lost = await add_tasks(context.database, 2, priority=9)
    await relay.run_once(context)
    assert await drain(broker) == lost + known


async def test_the_sweep_goes_round_a_backlog_that_is_larger_than_one_sweep(
    context: DutyContext, broker: RedisBroker, monkeypatch: pytest.MonkeyPatch, eager: None
) -> None:
    monkeypatch.setattr(relay_module, "SWEEP_ROWS", 20)
    relay = Relay()
    await relay.run_once(context)
    ids = {key: await add_tasks(context.database, 30, key=key) for key in ("a", "b", "c")}
    for _ in range(10):
        await relay.run_once(context)
    assert sorted(await drain(broker)) == sorted(task_id for some in ids.values() for task_id in some)


async def test_a_task_that_a_worker_took_is_not_pushed_again(
    context: DutyContext, broker: RedisBroker, eager: None
) -> None:
    relay = Relay()
    await relay.run_once(context)
    ids = await add_tasks(context.database, 3)
    await broker.dispatch.push(entries(ids))
    await broker.dispatch.claim("c", limit=3, quota=3, lease=30)  # popped, and not yet claimed in PostgreSQL
    await relay.run_once(context)
    assert await broker.dispatch.sizes(["default"]) == [(0, 3)]


async def test_an_expired_lease_ends_in_what_postgresql_says(context: DutyContext, broker: RedisBroker) -> None:
    relay = Relay()
    await relay.run_once(context)
    worker = await add_worker(context.database)
    ids = await add_tasks(context.database, 5)
    waiting, held, lost, done, gone = ids
    await broker.dispatch.push(entries(ids))
    await broker.dispatch.claim("c", limit=5, quota=5, lease=-1)
    await claim_in_postgresql(context.database, [held, lost], "RUNNING")
    await claim_in_postgresql(context.database, [done], "COMPLETED")
    await context.database.pool.execute("UPDATE tasks SET worker_id = $1 WHERE task_id = $2", worker, held)
    await context.database.pool.execute("DELETE FROM tasks WHERE task_id = $1", gone)
    assert await relay.return_expired(context) == 5
    running: dict[str, Any] = dict(await broker.redis.zrange(broker.keys.running("default"), 0, -1, withscores=True))
    assert set(running) == {held, lost}  # what a dead worker held counts until the rescuer has put it back
    assert await broker.dispatch.peek("default", 9) == [waiting]
    events = {event.data["task_id"]: event.data["status"] for _, event in await broker.events.read("0")}
    assert events == {done: "COMPLETED"}  # an end whose event was lost is announced now
    assert await relay.return_expired(context) == 0


async def test_very_many_keys_are_rebuilt_and_swept_together(
    context: DutyContext, broker: RedisBroker, eager: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def key_by_key(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(backlog, "page_after", key_by_key)
    keys = [f"default/task:serve/{number}" for number in range(450)]
    ids = [task_id for key in keys for task_id in await add_tasks(context.database, key=key)]
    relay = Relay()
    await relay.run_once(context)
    assert await broker.dispatch.overflowing() == set()
    assert await broker.dispatch.waiting() == 450
    for key in keys:
        await broker.dispatch.clear(key)
    await relay.run_once(context)
    assert sorted(await drain(broker)) == sorted(ids)
