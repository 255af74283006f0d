"""`taskflow.testing.inline`: what a worker would make of tasks, without one."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated

import pytest

from support import sample_tasks as tasks
from taskflow.base.errors import NotFoundError
from taskflow.base.ids import uuid7
from taskflow.engine import (
    PROVIDED,
    After,
    At,
    Batch,
    Call,
    Cron,
    Depends,
    DuplicateTaskError,
    Every,
    Middleware,
    Retry,
    Schedule,
    TaskCancelledError,
    TaskFailedError,
    TaskStatus,
    WaitTimeoutError,
    current_task,
    task,
)
from taskflow.engine.dependencies.models import InvalidDependencyError
from taskflow.engine.middleware.stack import stack
from taskflow.engine.payload import InvalidTaskArgumentsError
from taskflow.engine.states import IllegalTransitionError
from taskflow.testing import inline

MONDAY = datetime(2026, 3, 23, 8, 0, tzinfo=UTC)


@task(name="inline.stamp")
async def stamp(at: datetime) -> datetime:
    return at + timedelta(days=1)


@task(name="inline.slow", timeout=1, max_retries=0)
async def slow() -> None:
    await asyncio.Event().wait()


@task(name="inline.greedy", max_retries=1)
async def asks_again() -> None:
    raise Retry("later", after=3600)


@task(name="inline.family")
async def family(depth: int) -> int:
    return 1 + (await (await family.enqueue(depth - 1)).result() if depth else 0)


@task(name="inline.choosy", batch=10)
async def choosy(batch: Batch) -> None:
    for item in batch.items:
        match item.kwargs["word"]:
            case "good":
                batch.complete(item, "GOOD")
            case "bad":
                batch.fail(item, "bad", retry=False)
            case _:
                batch.release(item, after=360)


async def test_a_task_runs_where_it_is_enqueued_and_its_result_is_typed() -> None:
    with inline() as engine:
        handle = await stamp.enqueue(MONDAY)
        assert handle.status is TaskStatus.COMPLETED
        assert await handle.result() == MONDAY + timedelta(days=1)
        [ran] = engine.ran(stamp)
        assert ran.result == "2026-03-24T08:00:00Z"  # it went through JSON
        assert ran.arguments == {"at": MONDAY}
        assert await (await tasks.add_in_a_slot.enqueue(2, right=3)).result() == 5
        assert [line.message for line in engine.ran(tasks.add_in_a_slot)[0].logs] == ["adding"]


async def test_arguments_are_checked_as_by_a_real_engine() -> None:
    with inline() as engine:
        with pytest.raises(InvalidTaskArgumentsError, match="left"):
            await tasks.add.enqueue("x", 3)  # type: ignore[arg-type]  # that is the point
        assert engine.tasks == []


async def test_attempts_are_visible_and_take_no_time() -> None:
    with inline() as engine:
        assert await (await tasks.succeeds_at_third.enqueue()).result() == 3
        [ran] = engine.ran(tasks.succeeds_at_third)
        assert [(a.number, a.status, a.retry_after) for a in ran.attempts] == [
            (1, "FAILED", 0.05), (2, "FAILED", 0.05), (3, "COMPLETED", None),
        ]  # fmt: skip
        await asks_again.enqueue()
        assert [a.retry_after for a in engine.ran(asks_again)[0].attempts] == [3600, None]


async def test_failures_are_told_by_the_handle_and_keep_their_exception() -> None:
    with inline() as engine:
        handle = await tasks.always_fails.enqueue("word")
        with pytest.raises(TaskFailedError, match="ValueError: word"):
            await handle.result()
        [ran] = engine.ran(tasks.always_fails)
        assert (len(ran.attempts), isinstance(ran.exception, ValueError)) == (3, True)
        for_good = await tasks.fails_for_good.enqueue()
        assert len(engine.ran(tasks.fails_for_good)[0].attempts) == 1
        await for_good.retry()
        assert len(engine.ran(tasks.fails_for_good)[0].attempts) == 2
    with inline(propagate=True), pytest.raises(ValueError, match="word"):
        await tasks.always_fails.enqueue("word")


async def test_an_async_task_is_held_to_its_time_limit() -> None:
    with inline():
        assert (await (await slow.enqueue()).wait()).status is TaskStatus.TIMEOUT


async def test_tasks_enqueue_tasks_and_know_themselves() -> None:
    with inline() as engine:
        assert await (await family.enqueue(3)).result() == 4
        assert len(engine.ran(family)) == 4
    with pytest.raises(Exception, match="outside a task"):
        current_task()


async def test_a_delayed_task_waits_for_the_clock() -> None:
    with inline(now=MONDAY) as engine:
        later = await tasks.add.options(delay=3600).enqueue(1, 2)
        with pytest.raises(WaitTimeoutError):
            await later.result()
        assert await engine.advance(minutes=59) == []
        [ran] = await engine.advance(minutes=1)
        assert (ran.started_at, await later.result()) == (MONDAY + timedelta(hours=1), 3)
        never = await tasks.noop.options(delay=60).enqueue()
        assert await never.cancel() is TaskStatus.CANCELLED
        assert await engine.advance(days=1) == []
        with pytest.raises(TaskCancelledError):
            await never.result()
        with pytest.raises(IllegalTransitionError):
            await later.cancel()
        with pytest.raises(NotFoundError):
            await engine.cancel(uuid7())


async def test_a_batch_task_reports_for_itself_or_hands_back() -> None:
    with inline(now=MONDAY) as engine:
        [good, bad, later] = await engine.enqueue_many(choosy, [{"word": word} for word in ("good", "bad", "later")])
        assert await good.result() == "GOOD"
        assert (await bad.wait()).error == "bad"
        with pytest.raises(WaitTimeoutError):
            await later.wait()
        assert len(await engine.advance(minutes=10)) == 1  # once more, and handed back once more
        assert later.status is TaskStatus.SCHEDULED


async def test_the_same_key_is_the_same_task() -> None:
    with inline() as engine:
        first = await tasks.noop.options(idempotency_key="k").enqueue()
        again = await tasks.noop.options(idempotency_key="k").enqueue()
        assert (again.task_id, first.is_new, again.is_new) == (first.task_id, True, False)
        assert len(engine.tasks) == 1
        await engine.advance(days=1)
        assert (await tasks.noop.options(idempotency_key="k").enqueue()).is_new


async def test_a_schedule_fires_when_the_clock_comes_by_also_over_the_setting_of_clocks() -> None:
    with inline(now=MONDAY) as engine:
        await engine.schedule(Schedule("daily", Cron("30 2 * * *", "Europe/Berlin")), tasks.add, left=1, right=2)
        ran = await engine.advance(days=7)  # clocks are set forward on the Sunday: 02:30 does not exist then
        assert [one.enqueued_at.isoformat()[:16] for one in ran] == [
            "2026-03-24T01:30", "2026-03-25T01:30", "2026-03-26T01:30", "2026-03-27T01:30", "2026-03-28T01:30",
            "2026-03-29T01:00", "2026-03-30T00:30",
        ]  # fmt: skip
        assert {one.result for one in ran} == {3}


async def test_schedules_end_pause_and_are_declared_by_name() -> None:
    with inline(now=MONDAY) as engine:
        first = await engine.schedule(Schedule("often", Every(60), ends_at=MONDAY + timedelta(minutes=3)), tasks.noop)
        assert len(await engine.advance(hours=1)) == 3
        assert await engine.schedule(Schedule("often", Every(600)), tasks.noop) == first
        assert len(await engine.advance(hours=1)) == 6
        await engine.schedule(Schedule("often", Every(600), paused=True), tasks.noop)
        assert await engine.advance(hours=1) == []
        await engine.schedule(Schedule("once", At(engine.now + timedelta(minutes=5))), tasks.noop)
        assert len(await engine.advance(hours=1)) == 1


@pytest.mark.parametrize(("policy", "fired"), [("skip", 0), ("once", 1), ("all", 6)])
async def test_after_a_jump_the_misfire_policy_decides(policy: str, fired: int) -> None:
    with inline(now=MONDAY) as engine:
        schedule = Schedule("hourly", Every(3600), misfire=policy)  # type: ignore[arg-type]  # one of the three
        await engine.schedule(schedule, tasks.noop)
        assert len(await engine.jump(hours=6, minutes=30)) == fired
        assert len(await engine.advance(hours=1)) == 1


async def test_parents_hand_on_what_they_returned_and_policies_decide() -> None:
    with inline() as engine:
        three = await tasks.add.enqueue(1, 2)
        ten = await tasks.add.enqueue(three.output, right=7)
        assert await ten.result() == 10
        bad = await tasks.always_fails.enqueue("word")
        assert (await tasks.noop.options(after=[bad]).enqueue()).status is TaskStatus.FAILED
        assert (await tasks.noop.options(after=[After(bad, on_failure="run")]).enqueue()).status is TaskStatus.COMPLETED
        alarm = After(ten, on_failure="run", on_success="skip")
        assert (await tasks.noop.options(after=[alarm]).enqueue()).status is TaskStatus.CANCELLED
        later = await tasks.add.options(delay=60).enqueue(1, 2)
        with pytest.raises(InvalidDependencyError, match="advance"):
            await tasks.add.enqueue(later.output, 1)
        await engine.advance(60)
        assert await (await tasks.add.enqueue(later.output, 1)).result() == 4


async def test_a_unique_key_is_held_by_one_task() -> None:
    with inline() as engine:
        waiting = tasks.noop.options(unique_key="k", delay=60)
        first = await waiting.enqueue()
        assert (await waiting.enqueue()).task_id == first.task_id
        with pytest.raises(DuplicateTaskError):
            await waiting.options(on_conflict="raise").enqueue()
        second = await waiting.options(on_conflict="replace").enqueue()
        assert [one.status for one in engine.tasks] == [TaskStatus.CANCELLED, TaskStatus.SCHEDULED]
        await engine.advance(60)
        assert (await waiting.enqueue()).task_id not in (first.task_id, second.task_id)


def open_word() -> Iterator[str]:
    yield "opened"


@task
def speaks_in_a_thread(word: Annotated[str, Depends(open_word)] = PROVIDED) -> str:
    context = current_task()
    context.progress(done=1, total=4)
    context.heartbeat()
    return f"{word} {context.fence} {context.cancelled}"


@task(keep_result=False)
async def speaks(number: int, word: Annotated[str, Depends(open_word)] = PROVIDED) -> str:
    current_task().progress(50, f"{word} {number}")
    return word


async def test_the_context_dependencies_and_middleware_are_there() -> None:
    class Doubling(Middleware):
        async def before_run(self, call: Call) -> None:
            call.kwargs = {name: value * 2 for name, value in (call.kwargs or {}).items()}

    doubling = Doubling()
    stack.use(doubling)
    try:
        with inline() as engine:
            assert await (await speaks_in_a_thread.enqueue()).result() == "opened 1 False"
            await speaks.enqueue(21)
    finally:
        stack.remove(doubling)
    assert [one.percent for one in engine.ran(speaks_in_a_thread)[0].progress] == [25.0]
    [ran] = engine.ran(speaks)
    assert ([one.message for one in ran.progress], ran.arguments, ran.result) == (["opened 42"], {"number": 42}, None)
