"""Schedules run by hand and backfilled: nothing twice."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from support.duties import lead
from support.sample_tasks import noop
from support.schedules import elapse, statuses, task_ids
from taskflow.base.ids import uuid7
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine import Cron, Engine, Every, Schedule
from taskflow.engine.coordinator.schedules import Schedules
from taskflow.engine.schedules.service import BackfillTooLargeError, ScheduleNameTakenError
from taskflow.engine.schedules.timetable import InvalidScheduleError
from taskflow.settings import Settings

MONDAY = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def engine(database: Database, broker: RedisBroker) -> Engine:
    return Engine(database, broker)


async def made(engine: Engine, **words: str) -> UUID:
    return await engine.schedule(Schedule("x", Cron("0 9 * * MON-FRI", "Europe/Berlin"), **words), noop)


async def test_a_backfill_fires_each_instant_of_its_range_once(engine: Engine, database: Database) -> None:
    schedule_id = await made(engine)
    first = await engine.schedules.backfill(schedule_id, MONDAY, MONDAY + 7 * DAY)
    assert (first.instants, len(first.task_ids)) == (5, 5)
    again = await engine.schedules.backfill(schedule_id, MONDAY, MONDAY + 8 * DAY)
    assert (again.instants, len(again.task_ids)) == (6, 1)
    rows = await database.pool.fetch("SELECT fire_at FROM schedule_fires ORDER BY fire_at")
    assert [row["fire_at"] for row in rows] == [MONDAY + d * DAY + timedelta(hours=7) for d in (0, 1, 2, 3, 4, 7)]
    assert await task_ids(database) == sorted([*first.task_ids, *again.task_ids])


async def test_backfills_that_race_fire_each_instant_once(engine: Engine, database: Database) -> None:
    schedule_id = await made(engine)
    done = await asyncio.gather(*(engine.schedules.backfill(schedule_id, MONDAY, MONDAY + 90 * DAY) for _ in range(4)))
    assert sum(len(one.task_ids) for one in done) == done[0].instants == len(await task_ids(database))


async def test_a_backfill_makes_up_for_what_an_overlap_left_out(
    engine: Engine, database: Database, broker: RedisBroker, settings: Settings
) -> None:
    context = await lead(database, broker, settings)
    schedule_id = await engine.schedule(Schedule("x", Every(60), overlap="skip", misfire="all"), noop)
    await elapse(database, 180)
    await Schedules().run_once(context)
    assert await statuses(database) == ["FIRED", "SKIPPED", "SKIPPED"]
    now = datetime.now(UTC)
    done = await engine.schedules.backfill(schedule_id, now - timedelta(seconds=150), now)
    assert len(done.task_ids) == 2
    assert await statuses(database) == ["FIRED", "FIRED", "FIRED"]
    assert not (await engine.schedules.backfill(schedule_id, now - timedelta(seconds=150), now)).task_ids


async def test_a_backfill_has_a_cap_and_says_how_far_it_would_come(engine: Engine, database: Database) -> None:
    schedule_id = await engine.schedule(Schedule("x", Cron("* * * * *")), noop)
    with pytest.raises(BackfillTooLargeError) as caught:
        await engine.schedules.backfill(schedule_id, MONDAY, MONDAY + DAY)
    upto = datetime.fromisoformat(caught.value.context["up_to"])
    done = await engine.schedules.backfill(schedule_id, MONDAY, upto)
    assert len(done.task_ids) == 1000
    assert await database.pool.fetchval("SELECT bool_and(status = 'PENDING') FROM tasks")


@pytest.mark.parametrize(("first", "last"), [(MONDAY, MONDAY - DAY), (MONDAY, datetime(2199, 1, 1, tzinfo=UTC))])
async def test_a_backfill_lies_in_the_past(engine: Engine, first: datetime, last: datetime) -> None:
    schedule_id = await made(engine)
    with pytest.raises(InvalidScheduleError):
        await engine.schedules.backfill(schedule_id, first, last)


async def test_run_now_starts_a_task_whatever_the_policy_and_the_pause_say(engine: Engine, database: Database) -> None:
    schedule_id = await made(engine, overlap="skip")
    await engine.schedules.pause(schedule_id)
    before = await database.pool.fetchval("SELECT next_fire_at FROM schedules")
    tasks = await asyncio.gather(*(engine.schedules.run(schedule_id) for _ in range(5)))
    assert {task.status for task in tasks} == {"PENDING"}
    assert await task_ids(database) == sorted(task.task_id for task in tasks)
    assert await database.pool.fetchval("SELECT next_fire_at FROM schedules") == before
    assert await database.pool.fetchval("SELECT count(*) FROM schedule_fires WHERE cause = 'run' AND occupies") == 5


async def test_a_run_that_is_repeated_under_its_id_starts_one_task(engine: Engine, database: Database) -> None:
    schedule_id, task_id = await made(engine), uuid7()
    first = await engine.schedules.run(schedule_id, task_id=task_id)
    assert await engine.schedules.run(schedule_id, task_id=task_id) == first
    assert await task_ids(database) == [task_id]


async def test_a_task_started_by_hand_counts_for_the_overlap(
    engine: Engine, database: Database, broker: RedisBroker, settings: Settings
) -> None:
    context = await lead(database, broker, settings)
    schedule_id = await engine.schedule(Schedule("x", Every(60), overlap="skip"), noop)
    await engine.schedules.run(schedule_id)
    await elapse(database, 60)
    await Schedules().run_once(context)
    assert await statuses(database) == ["FIRED", "SKIPPED"]


async def test_two_processes_that_declare_one_schedule_make_one(engine: Engine, database: Database) -> None:
    ids = await asyncio.gather(*(made(engine) for _ in range(6)))
    assert len(set(ids)) == 1
    assert await database.pool.fetchval("SELECT count(*) FROM schedules") == 1


async def test_a_name_is_taken_once(engine: Engine) -> None:
    schedule_id = await made(engine)
    other = await engine.schedule(Schedule("y", Every(60)), noop)
    with pytest.raises(ScheduleNameTakenError, match="'x'"):
        await engine.schedules.update(other, {"name": "x"})
    assert (await engine.schedules.update(schedule_id, {"name": "z"}))["name"] == "z"


async def test_a_task_that_waits_for_others_cannot_be_scheduled(engine: Engine) -> None:
    parent = await engine.enqueue(noop)
    with pytest.raises(InvalidScheduleError, match="cannot wait for others"):
        await engine.schedule(Schedule("x", Every(60)), noop.options(after=[parent]))
