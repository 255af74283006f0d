"""The schedules duty: what is due fires once, and the policies say what becomes of the rest."""

import asyncio
import signal
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from support.duties import lead
from support.processes import running
from support.sample_tasks import add, noop
from support.schedules import complete, elapse, run_task, statuses, task_ids
from support.waiting import eventually
from taskflow.base.errors import NotFoundError
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine import After, At, Cron, Engine, Every, Schedule
from taskflow.engine.coordinator import schedules as duty_module
from taskflow.engine.coordinator.duty import DutyContext
from taskflow.engine.coordinator.election import Election, LeadershipLostError
from taskflow.engine.coordinator.pruner import Pruner
from taskflow.engine.coordinator.relay import Relay
from taskflow.engine.coordinator.scheduler import Scheduler
from taskflow.engine.coordinator.schedules import Schedules
from taskflow.engine.queues.terms import QueueDrainingError
from taskflow.settings import Settings


@pytest.fixture
async def context(database: Database, broker: RedisBroker, settings: Settings) -> DutyContext:
    context = await lead(database, broker, settings)
    await Relay().run_once(context)
    return context


@pytest.fixture
def engine(context: DutyContext) -> Engine:
    return Engine(context.database, context.broker)


def two_minutes() -> tuple[datetime, datetime]:
    now = datetime.now(UTC)
    return now - timedelta(seconds=120), now


async def minutely(engine: Engine, **words: Any) -> None:
    await engine.schedule(Schedule("x", Every(60), **words), noop)


async def test_a_due_schedule_becomes_a_task_in_line_and_moves_on(
    context: DutyContext, engine: Engine, broker: RedisBroker
) -> None:
    schedule_id = await engine.schedule(
        Schedule("x", Every(60)), add.options(priority="HIGH", queue="sums"), 1, right=2
    )
    assert await Schedules().run_once(context) == 0
    await elapse(context.database, 60)
    assert await Schedules().run_once(context) > 0
    assert await Schedules().run_once(context) == 0
    task = await context.database.pool.fetchrow("SELECT * FROM tasks")
    assert task is not None
    assert (task["task_name"], task["task_kwargs"], task["queue"]) == ("add", {"left": 1, "right": 2}, "sums")
    assert (task["status"], task["priority"]) == ("PENDING", 8)
    assert await broker.dispatch.peek("sums", 9) == [str(task["task_id"])]
    row = await context.database.pool.fetchrow("SELECT * FROM schedules WHERE schedule_id = $1", schedule_id)
    assert row is not None
    assert row["last_fire_at"] == task["scheduled_at"]
    assert row["next_fire_at"] == task["scheduled_at"] + timedelta(seconds=60)


async def test_of_two_leaders_that_race_one_fires_each_instant(
    context: DutyContext, engine: Engine, settings: Settings, broker: RedisBroker
) -> None:
    for number in range(40):
        await engine.schedule(Schedule(f"s{number}", Every(60), misfire="all"), noop)
    lease = await Election(context.database, seconds=120, role="coordinator/schedules").stand()
    assert lease is not None
    other = DutyContext(context.database, broker, settings, lease)
    for _ in range(3):
        await elapse(context.database, 180)
        while sum(await asyncio.gather(*(Schedules().run_once(one) for one in (context, other, context, other)))):
            pass
    assert await context.database.pool.fetchval("SELECT count(*) FROM schedule_fires") == 40 * 9
    assert len(await task_ids(context.database)) == 40 * 9


async def test_a_leader_of_a_past_term_fires_nothing(context: DutyContext, engine: Engine) -> None:
    await minutely(engine)
    await elapse(context.database, 60)
    await context.database.pool.execute("UPDATE coordinator_leases SET term = term + 1")
    with pytest.raises(LeadershipLostError):
        await Schedules().run_once(context)
    assert await task_ids(context.database) == []


async def test_a_task_whose_push_was_lost_is_pushed_by_the_relay(
    context: DutyContext, engine: Engine, broker: RedisBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await minutely(engine)
    await elapse(context.database, 60)

    async def die(*_: object) -> int:
        raise RedisConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(broker.dispatch, "push", die)
        with pytest.raises(RedisConnectionError):
            await Schedules().run_once(context)
    [task_id] = await task_ids(context.database)
    assert await broker.dispatch.peek("default", 9) == []
    await Relay().run_once(context)
    assert await broker.dispatch.peek("default", 9) == [str(task_id)]
    assert await Schedules().run_once(context) == 0


async def test_a_coordinator_killed_between_commit_and_push_costs_no_instant_and_doubles_none(
    database: Database, broker: RedisBroker, environment: dict[str, str]
) -> None:
    await Engine(database, broker).schedule(Schedule("x", Every(1), misfire="all"), noop)
    deadly = environment | {"TASKFLOW_FAILPOINTS": "fired_before_push=kill@2"}
    async with running(deadly, "coordinator") as first:
        assert await asyncio.wait_for(first.wait(), 60) == -signal.SIGKILL
    left = {str(task_id) for task_id in await task_ids(database)}
    assert len(left) >= 2
    assert not left <= set(await broker.dispatch.peek("default", 99))
    async with running(environment, "coordinator"):

        async def pushed() -> bool:
            return left < set(await broker.dispatch.peek("default", 99))

        await eventually(pushed, seconds=60, what="the successor has pushed what was left, and fired more")
    rows = await database.pool.fetch("SELECT fire_at, task_id FROM schedule_fires ORDER BY fire_at")
    instants = [row["fire_at"] for row in rows]
    assert {later - one for one, later in pairwise(instants)} == {timedelta(seconds=1)}
    assert sorted(row["task_id"] for row in rows) == await task_ids(database)


@pytest.mark.parametrize(
    ("words", "fired"),
    [
        ({"misfire": "skip"}, 0),
        ({"misfire": "once"}, 1),
        ({"misfire": "once", "misfire_window": 20}, 0),
        ({"misfire": "all"}, 5),
        ({"misfire": "all", "misfire_window": 100}, 2),
    ],
)
async def test_after_a_downtime_the_misfire_policy_decides(
    words: dict[str, Any], fired: int, context: DutyContext, engine: Engine
) -> None:
    await minutely(engine, **words)
    await elapse(context.database, 5 * 60 + 30)  # five instants, the newest of them half a minute ago
    await Schedules().run_once(context)
    assert len(await task_ids(context.database)) == fired
    ahead = await context.database.pool.fetchval("SELECT next_fire_at - now() FROM schedules")
    assert timedelta() < ahead <= timedelta(seconds=30)


async def test_a_backlog_of_instants_is_worked_off_in_rounds(
    context: DutyContext, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duty_module, "_FIRES_OF_ONE", 3)
    await minutely(engine, misfire="all")
    await elapse(context.database, 8 * 60 + 1)
    duty, rounds = Schedules(), 0
    while await duty.run_once(context):
        rounds += 1
    assert (rounds, len(await task_ids(context.database))) == (3, 8)


async def test_overlap_allow_starts_another(context: DutyContext, engine: Engine) -> None:
    await minutely(engine, overlap="allow")
    for _ in range(3):
        await elapse(context.database, 60)
        await Schedules().run_once(context)
    assert await statuses(context.database) == ["FIRED", "FIRED", "FIRED"]


async def test_overlap_skip_leaves_out_what_comes_while_a_task_is_under_way(
    context: DutyContext, engine: Engine
) -> None:
    await minutely(engine, overlap="skip")
    for _ in range(2):
        await elapse(context.database, 60)
        await Schedules().run_once(context)
    assert await statuses(context.database) == ["FIRED", "SKIPPED"]
    await complete(context.database)
    await elapse(context.database, 60)
    await Schedules().run_once(context)
    assert await statuses(context.database) == ["FIRED", "SKIPPED", "FIRED"]


async def test_overlap_queue_one_lets_one_wait(context: DutyContext, engine: Engine, broker: RedisBroker) -> None:
    await minutely(engine, overlap="queue_one")
    duty = Schedules()
    for _ in range(3):
        await elapse(context.database, 60)
        await duty.run_once(context)
    assert await statuses(context.database) == ["FIRED", "WAITING", "SKIPPED"]
    assert await duty.run_once(context) == 0
    [first] = await task_ids(context.database)
    await complete(context.database, first)
    assert await duty.run_once(context) > 0
    assert await statuses(context.database) == ["FIRED", "FIRED", "SKIPPED"]
    [_, second] = await task_ids(context.database)
    assert str(second) in await broker.dispatch.peek("default", 9)
    await elapse(context.database, 60)
    await duty.run_once(context)
    assert await statuses(context.database) == ["FIRED", "FIRED", "SKIPPED", "WAITING"]


async def test_what_waits_does_not_begin_during_a_pause(context: DutyContext, engine: Engine) -> None:
    schedule_id = await engine.schedule(Schedule("x", Every(60), overlap="queue_one"), noop)
    for _ in range(2):
        await elapse(context.database, 60)
        await Schedules().run_once(context)
    await engine.schedules.pause(schedule_id)
    await complete(context.database)
    assert await Schedules().run_once(context) == 0
    await engine.schedules.resume(schedule_id)
    assert await Schedules().run_once(context) > 0
    assert await statuses(context.database) == ["FIRED", "FIRED"]


async def test_into_a_queue_that_drains_nothing_fires_and_nothing_is_cancelled_for_it(
    context: DutyContext, engine: Engine
) -> None:
    waits = await engine.schedule(Schedule("waits", Every(60), overlap="queue_one"), noop)
    await engine.schedule(Schedule("replaces", Every(60), overlap="cancel_previous"), noop)
    elsewhere = await engine.schedule(Schedule("elsewhere", Every(60)), noop.options(queue="other"))
    for _ in range(2):
        await elapse(context.database, 60)
        await Schedules().run_once(context)
    open_now = "SELECT count(*) FROM tasks WHERE completed_at IS NULL AND queue = 'default'"
    assert await context.database.pool.fetchval(open_now) == 2
    await engine.queues.drain("default")
    await elapse(context.database, 60)
    await Schedules().run_once(context)
    assert await context.database.pool.fetchval(open_now) == 2
    for steer in (engine.schedules.run(waits), engine.schedules.backfill(waits, *two_minutes())):
        with pytest.raises(QueueDrainingError):
            await steer
    await engine.schedules.run(elsewhere)
    await complete(context.database)
    assert await Schedules().run_once(context) == 0, "what waits for its turn goes on waiting"
    await engine.queues.resume("default")
    assert await Schedules().run_once(context) == 1
    assert await context.database.pool.fetchval(open_now) == 1


async def test_a_schedule_takes_what_its_queue_grants_when_it_is_made_or_declared(
    context: DutyContext, engine: Engine
) -> None:
    await engine.queues.change("default", {"priority": 8, "max_retries": 1, "timeout_seconds": 7})
    mine = noop.options(max_retries=3)
    schedule_id = await engine.schedule(Schedule("x", Every(60)), mine)
    terms = "SELECT priority, max_retries, timeout_seconds FROM schedules WHERE schedule_id = $1"
    assert tuple(await context.database.pool.fetchrow(terms, schedule_id) or ()) == (8, 3, 7)
    await engine.queues.change("default", {"timeout_seconds": None})
    await engine.schedule(Schedule("x", Every(60)), mine)
    assert tuple(await context.database.pool.fetchrow(terms, schedule_id) or ()) == (8, 3, 300)


async def test_overlap_cancel_previous_cancels_what_waits_and_asks_what_runs(
    context: DutyContext, engine: Engine, broker: RedisBroker
) -> None:
    await minutely(engine, overlap="cancel_previous")
    for _ in range(2):
        await elapse(context.database, 60)
        await Schedules().run_once(context)
    _, second = await task_ids(context.database)
    found = await context.database.pool.fetch("SELECT status FROM tasks ORDER BY task_id")
    assert [row["status"] for row in found] == ["CANCELLED", "PENDING"]
    assert str(second) in await broker.dispatch.peek("default", 9)
    await run_task(context.database, second)
    await elapse(context.database, 60)
    await Schedules().run_once(context)
    row = await context.database.pool.fetchrow("SELECT * FROM tasks WHERE task_id = $1", second)
    assert row is not None
    assert row["status"] == "RUNNING"
    assert row["cancel_requested_at"] is not None
    assert len(await task_ids(context.database)) == 3


async def test_what_waits_for_a_task_that_an_overlap_cancels_hears_of_it(
    context: DutyContext, engine: Engine, broker: RedisBroker
) -> None:
    await minutely(engine, overlap="cancel_previous")
    await elapse(context.database, 60)
    await Schedules().run_once(context)
    [first] = await task_ids(context.database)
    child = await engine.enqueue(noop.options(after=[After(first, on_failure="run")], queue="released"))
    await elapse(context.database, 60)
    await Schedules().run_once(context)
    assert await broker.dispatch.peek("released", 9) == [str(child.task_id)]


async def test_a_policy_that_begins_to_matter_counts_what_is_under_way(context: DutyContext, engine: Engine) -> None:
    schedule_id = await engine.schedule(Schedule("x", Every(60)), noop)
    await elapse(context.database, 60)
    await Schedules().run_once(context)
    await engine.schedules.update(schedule_id, {"overlap_policy": "skip"})
    await elapse(context.database, 60)
    await Schedules().run_once(context)
    assert await statuses(context.database) == ["FIRED", "SKIPPED"]


async def test_what_passes_during_a_pause_is_not_made_up_for(context: DutyContext, engine: Engine) -> None:
    schedule_id = await engine.schedule(Schedule("x", Every(60), misfire="all"), noop)
    await engine.schedules.pause(schedule_id)
    await elapse(context.database, 600)
    assert await Schedules().run_once(context) == 0
    row = await engine.schedules.resume(schedule_id)
    assert row["next_fire_at"] > row["updated_at"]
    assert await Schedules().run_once(context) == 0
    await elapse(context.database, 60)
    await Schedules().run_once(context)
    assert await statuses(context.database) == ["FIRED"]


async def test_a_deleted_schedule_stops_and_its_tasks_go_on(context: DutyContext, engine: Engine) -> None:
    schedule_id = await engine.schedule(Schedule("x", Every(60)), noop)
    await elapse(context.database, 60)
    await Schedules().run_once(context)
    await elapse(context.database, 60)
    await engine.schedules.delete(schedule_id)
    assert await Schedules().run_once(context) == 0
    assert await statuses(context.database) == []
    assert await context.database.pool.fetchval("SELECT status FROM tasks") == "PENDING"
    with pytest.raises(NotFoundError):
        await engine.schedules.delete(schedule_id)


async def test_another_timing_moves_the_next_instant_and_another_limit_does_not(engine: Engine) -> None:
    schedule_id = await engine.schedule(Schedule("x", Every(60)), noop)
    before = await engine.schedules.update(schedule_id, {"timeout_seconds": 7})
    assert before["timeout_seconds"] == 7
    after = await engine.schedules.update(schedule_id, {"cron": "0 3 * * *", "time_zone": "Europe/Berlin"})
    assert (after["kind"], after["interval_seconds"]) == ("cron", None)
    assert after["next_fire_at"] != before["next_fire_at"]
    assert after["next_fire_at"] == Cron("0 3 * * *", "Europe/Berlin").next_after(
        after["updated_at"], after["updated_at"]
    )
    back = await engine.schedules.update(schedule_id, {"interval_seconds": 60})
    assert (back["cron"], back["time_zone"], back["next_fire_at"]) == (None, "UTC", before["next_fire_at"])


async def test_jitter_lets_the_task_wait_as_scheduled(context: DutyContext, engine: Engine) -> None:
    await minutely(engine, jitter=86_400)
    await elapse(context.database, 60)
    await Schedules().run_once(context)
    row = await context.database.pool.fetchrow(
        "SELECT t.status, t.due_at = f.due_at AS same, f.due_at > f.fire_at AS later"
        " FROM tasks t JOIN schedule_fires f USING (task_id)"
    )
    assert row is not None
    assert tuple(row) == ("SCHEDULED", True, True)
    await context.database.pool.execute("UPDATE tasks SET due_at = now()")
    assert await Scheduler().run_once(context) == 1


async def test_one_instant_fires_once_and_then_there_is_none(context: DutyContext, engine: Engine) -> None:
    await engine.schedule(Schedule("x", At(datetime.now(UTC) + timedelta(hours=1))), noop)
    await elapse(context.database, 3600)
    assert await Schedules().run_once(context) > 0
    assert await Schedules().run_once(context) == 0
    assert await context.database.pool.fetchval("SELECT next_fire_at IS NULL FROM schedules")


async def test_a_zone_that_this_machine_does_not_know_pauses_its_schedule_and_no_other(
    context: DutyContext, engine: Engine
) -> None:
    await engine.schedule(Schedule("lost", Cron("* * * * *", "Europe/Berlin")), noop)
    await engine.schedule(Schedule("well", Every(60)), noop)
    await context.database.pool.execute("UPDATE schedules SET time_zone = 'Mars/Olympus' WHERE name = 'lost'")
    await elapse(context.database, 60)
    await Schedules().run_once(context)
    rows = await context.database.pool.fetch("SELECT name, paused FROM schedules ORDER BY name")
    assert [tuple(row) for row in rows] == [("lost", True), ("well", False)]
    assert len(await task_ids(context.database)) == 1


async def test_declaring_again_what_is_there_disturbs_nothing(context: DutyContext, engine: Engine) -> None:
    first = await engine.schedule(Schedule("x", Every(60)), add, left=1, right=2)
    before = await context.database.pool.fetchrow("SELECT * FROM schedules")
    assert await engine.schedule(Schedule("x", Every(60)), add, left=1, right=2) == first
    assert await context.database.pool.fetchrow("SELECT * FROM schedules") == before
    await engine.schedules.pause(first)
    assert await engine.schedule(Schedule("x", Every(90), overlap="skip"), add, left=1, right=3) == first
    after = await context.database.pool.fetchrow("SELECT * FROM schedules")
    assert after is not None
    assert (after["interval_seconds"], after["overlap_policy"], after["paused"]) == (90, "skip", True)
    assert after["task_kwargs"] == {"left": 1, "right": 3}


async def test_old_fires_are_pruned_but_not_those_whose_task_is_under_way(context: DutyContext, engine: Engine) -> None:
    await minutely(engine, misfire="all")
    await elapse(context.database, 180)
    await Schedules().run_once(context)
    first, second, _ = await task_ids(context.database)
    await complete(context.database, first, second)
    await context.database.pool.execute("UPDATE schedule_fires SET created_at = now() - interval '31 days'")
    assert await Pruner().run_once(context) == 2
    assert len(await statuses(context.database)) == 1
