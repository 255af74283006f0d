"""Limits on real rows and a real Redis: who is counted, when, and what happens to a task in the wrong line."""

import pytest

from support import sample_tasks as tasks
from support.duties import add_worker, lead, open_dispatch
from support.lives import publish_generation
from taskflow.base.errors import ConfigurationError
from taskflow.base.ids import uuid7
from taskflow.broker.limits import Limit
from taskflow.broker.redis.broker import RedisBroker
from taskflow.broker.redis.dispatch import Claimed, Entry, Settled
from taskflow.db.pool import Database
from taskflow.engine import Engine, task
from taskflow.engine.coordinator.relay import Relay
from taskflow.engine.limits.models import InvalidConcurrencyKeyError, Rate, segment
from taskflow.engine.limits.publishing import publish_limits
from taskflow.engine.limits.routing import reroute
from taskflow.engine.queues.rules import dispatch_rules
from taskflow.engine.store import Lease, TaskStore
from taskflow.settings import Settings

ADA = "default/task:serve/ada"


async def claim(broker: RedisBroker, limit: int = 100) -> Claimed:
    return await broker.dispatch.claim("c", limit=limit, quota=limit, lease=30)


def ids_of(claimed: Claimed) -> list[str]:
    return [task_id for _, ids in claimed.groups for task_id in ids]


async def test_a_limited_task_waits_in_a_line_of_its_own(database: Database, broker: RedisBroker) -> None:
    await open_dispatch(database, broker)
    await publish_limits(database, broker, [tasks.serve])
    engine = Engine(database, broker)
    await engine.enqueue_many(tasks.serve, [{"tenant": name} for name in ("ada", "ada", "ada", "bob", "", "", "")])
    claimed = await claim(broker)
    assert claimed.is_limited
    assert {key: len(ids) for key, ids in claimed.groups} == {
        ADA: 2,
        "default/task:serve/bob": 1,
        "default/task:serve/": 2,
    }
    assert (await claim(broker)).state == "EMPTY"
    assert await broker.redis.smembers(broker.keys.parked_keys("task:serve/ada")) == {ADA}
    keys = await database.pool.fetch("SELECT DISTINCT queue, dispatch_key FROM tasks")
    assert {tuple(row) for row in keys} == {("default", key) for key, _ in claimed.groups}


async def test_after_a_flush_what_runs_is_counted_before_anything_is_handed_out(
    database: Database, broker: RedisBroker, settings: Settings
) -> None:
    context = await lead(database, broker, settings, rule_sources=[dispatch_rules])
    relay, store, worker = Relay(), TaskStore(database), await add_worker(database)
    await publish_limits(database, broker, [tasks.serve])
    await relay.run_once(context)
    await Engine(database, broker).enqueue_many(tasks.serve, [{"tenant": "ada"}] * 5)
    claimed = await claim(broker)
    running = await store.claim(uuid7(), worker, uuid7(), ids_of(claimed), generation=claimed.generation)
    assert len(running) == 2
    await broker.redis.flushall()
    await relay.run_once(context)
    assert await broker.dispatch.held(["task:serve/ada", "queue:default"]) == [2, 2]
    assert ids_of(await claim(broker)) == []


async def test_suggestions_of_a_former_life_win_nothing_that_is_limited(
    database: Database, broker: RedisBroker, settings: Settings
) -> None:
    context = await lead(database, broker, settings, rule_sources=[dispatch_rules])
    relay, store, worker = Relay(), TaskStore(database), await add_worker(database)
    await publish_limits(database, broker, [tasks.serve])
    await relay.run_once(context)
    await Engine(database, broker).enqueue_many(tasks.serve, [{"tenant": "ada"}] * 5)
    stale = await claim(broker)
    await broker.redis.flushall()
    await relay.run_once(context)
    fresh = await claim(broker)
    assert len(ids_of(fresh)) == 2
    assert await store.claim(uuid7(), worker, uuid7(), ids_of(stale), generation=stale.generation) == []
    await broker.dispatch.forget(stale, ())
    assert await broker.dispatch.held(["task:serve/ada"]) == [2], "the ids may be the same; the leases are not"
    won = await store.claim(uuid7(), worker, uuid7(), ids_of(fresh), generation=fresh.generation)
    assert len(won) == 2


async def test_a_server_that_comes_back_with_an_old_snapshot_hands_out_nothing(
    database: Database, broker: RedisBroker
) -> None:
    await open_dispatch(database, broker)
    await broker.dispatch.push([Entry("default", 5, str(uuid7()))])
    await broker.redis.set(broker.keys.server, "another run")
    await broker.redis.script_flush()  # as a restart does
    assert (await claim(broker)).state == "NOGEN"
    await publish_generation(broker, "again")
    assert len(ids_of(await claim(broker))) == 1


async def test_a_postgresql_that_forgot_a_life_does_not_hold_up_what_is_limited(
    database: Database, broker: RedisBroker, settings: Settings
) -> None:
    context = await lead(database, broker, settings, rule_sources=[dispatch_rules])
    store, worker = TaskStore(database), await add_worker(database)
    await publish_limits(database, broker, [tasks.serve])
    await Relay().run_once(context)
    await Engine(database, broker).enqueue_many(tasks.serve, [{"tenant": "ada"}] * 5)
    await database.pool.execute("UPDATE dispatch_generation SET generation = 'of a backup'")
    await Relay().run_once(context)
    claimed = await claim(broker)
    won = await store.claim(uuid7(), worker, uuid7(), ids_of(claimed), generation=claimed.generation)
    assert len(won) == 2


async def test_a_word_that_comes_too_late_frees_nothing(database: Database, broker: RedisBroker) -> None:
    await open_dispatch(database, broker)
    await broker.dispatch.push([Entry("default", 5, str(uuid7()))])
    [(key, [task_id])] = (await claim(broker)).groups
    bound = broker.dispatch.bound
    for late in (bound._replace(deadline=1), bound._replace(generation="another life")):
        await broker.dispatch.settle([Settled(key, task_id, "SCHEDULED")], late)
        await broker.dispatch.release([Entry(key, 5, task_id)], late)
        assert await broker.dispatch.sizes([key]) == [(0, 1)]
    assert len(await broker.events.read("0")) == 2, "what happened is told all the same"
    await broker.dispatch.settle([Settled(key, task_id, "COMPLETED")], bound)
    assert await broker.dispatch.held(["queue:default"]) == [0]


async def test_a_queue_limit_counts_all_its_lines_and_a_task_limit_all_queues(
    database: Database, broker: RedisBroker
) -> None:
    await open_dispatch(database, broker)
    await broker.dispatch.set_limits({"queue:a": Limit(3), "task:x": Limit(2)})
    for key in ("a", "a/task:x", "b/task:x", "a/task:y/1"):
        await broker.dispatch.push(Entry(key, 5, str(uuid7())) for _ in range(5))
    await claim(broker)
    held = await broker.dispatch.held(["queue:a", "task:x"])
    assert held[0] == 3
    assert held[1] <= 2
    assert (await claim(broker)).state == "EMPTY" if held[1] == 2 else True


async def test_shares_follow_weights(database: Database, broker: RedisBroker) -> None:
    await open_dispatch(database, broker)
    await broker.dispatch.set_limits({"task:x/big": Limit(weight=3), "queue:heavy": Limit(weight=2)})
    for key in ("a/task:x/big", "a/task:x/small", "heavy"):
        await broker.dispatch.push(Entry(key, 5, str(uuid7())) for _ in range(400))
    taken = dict.fromkeys(("a/task:x/big", "a/task:x/small", "heavy"), 0)
    for _ in range(240):
        for key, ids in (await claim(broker, limit=1)).groups:
            taken[key] += len(ids)
    assert abs(taken["heavy"] - 160) <= 2
    assert abs(taken["a/task:x/big"] - 60) <= 2
    assert abs(taken["a/task:x/small"] - 20) <= 2


async def test_who_has_waited_long_overtakes_where_a_queue_ages(database: Database, broker: RedisBroker) -> None:
    await open_dispatch(database, broker)
    await broker.dispatch.set_limit("aging", Limit(aging=10))
    now = (await broker.redis.time())[0]

    def born(seconds_ago: float) -> str:
        milliseconds = f"{int((now - seconds_ago) * 1000):012x}"
        return f"{milliseconds[:8]}-{milliseconds[8:]}{str(uuid7())[13:]}"

    old_low, young_high, younger_low = born(35), born(0), born(0)
    for queue in ("aging", "plain"):
        await broker.dispatch.push(
            [Entry(queue, 5, old_low), Entry(queue, 8, young_high), Entry(queue, 5, younger_low)]
        )
    orders = dict((await claim(broker)).groups)
    assert orders == {"aging": [old_low, young_high, younger_low], "plain": [young_high, old_low, younger_low]}


async def test_a_push_wakes_only_who_serves_the_queue(database: Database, broker: RedisBroker) -> None:
    await open_dispatch(database, broker)
    for consumer, queues in (("other", ["b"]), ("mine", ["a", "c"])):
        await broker.dispatch.claim(consumer, limit=1, quota=1, lease=30, queues=queues)
    await broker.dispatch.push([Entry("a", 5, str(uuid7()))])
    assert await broker.redis.llen(broker.keys.wake("other")) == 0
    assert await broker.redis.llen(broker.keys.wake("mine")) == 1


async def test_a_task_in_the_wrong_line_is_sent_to_the_right_one(database: Database, broker: RedisBroker) -> None:
    def lease(name: str, key: str, kwargs: dict[str, object]) -> Lease:
        return Lease(uuid7(), 1, name, key, 5, 0, 5, 300, 0, None, None, kwargs)

    assert reroute(lease("serve", "default", {"tenant": "ada"}), "default") == ADA
    assert reroute(lease("serve", ADA, {"tenant": "ada"}), ADA) is None
    assert reroute(lease("serve", ADA, {"tenant": "ada"}), "default") == ADA
    assert reroute(lease("serve", "default", {"nonsense": 1}), "default") is None
    assert reroute(lease("alone", "q/task:alone/x", {}), "q/task:alone/x") == "q/task:alone"
    assert reroute(lease("noop", "default", {}), "default") is None


def test_rates_and_steps_are_read_and_written() -> None:
    assert [str(Rate.parse(text)) for text in ("100/m", "5 / 30s", "90/60s", "1000/h", "2/48h")] == [
        "100/m", "5/30s", "90/m", "1000/h", "2/2d",
    ]  # fmt: skip
    assert Rate.parse("10/s").per_minute == 600
    assert segment("a/b c") == "a%2Fb%20c"
    assert len(segment("x" * 300)) < 100
    assert segment("x" * 300) != segment("x" * 301)


def test_a_definition_that_contradicts_itself_is_refused() -> None:
    for options, sentence in (
        ({"concurrency_key": lambda a: a}, "needs a concurrency or a rate"),
        ({"concurrency": 0}, "1 or more"),
        ({"rate": "often"}, "is no rate"),
        ({"concurrency": 1, "concurrency_key": lambda b: b}, "wants b"),
    ):
        with pytest.raises(ConfigurationError, match=sentence):
            task(name="contradicts", **options)(_function)  # type: ignore[call-overload]  # they are wrong on purpose


def test_a_key_that_fails_is_told_to_whoever_enqueues() -> None:
    broken = task(name="broken_key", concurrency=1, concurrency_key=lambda a: a["no"])(_function)
    assert broken.limits is not None
    with pytest.raises(InvalidConcurrencyKeyError, match="broken_key: concurrency_key failed: TypeError"):
        broken.limits.part({"a": 1})
    spared = task(name="spared", concurrency=1, concurrency_key=lambda a: a or None)(_function)
    assert spared.limits is not None
    assert spared.limits.part({"a": 0}) is None


async def _function(a: int) -> None: ...
