"""The HTTP clients against a served API and a real worker: results, cancelling, retrying, events."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, closing

import pytest

from support import sample_tasks as tasks
from support.api import serving
from support.lives import publish_generation
from support.processes import running
from taskflow.base.errors import InvalidInputError, UnauthenticatedError
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine import TaskCancelledError, TaskFailedError, TaskStatus, WaitTimeoutError
from taskflow.engine.remote import SyncTaskFlow, TaskFlow
from taskflow.engine.remote.live import follow, follow_blocking
from taskflow.identity.first_start import ensure_cli_key, ensure_first_admin
from taskflow.settings import ApiAccess, Settings


@pytest.fixture
async def url(
    settings: Settings, database: Database, broker: RedisBroker, environment: dict[str, str]
) -> AsyncIterator[str]:
    """The URL of an API with a worker behind it; its key lies in the home, as `taskflow up` leaves it."""
    await publish_generation(broker, "test")
    await ensure_first_admin(database, settings)
    settings.home.mkdir(parents=True)
    await ensure_cli_key(database, settings)
    async with serving(settings) as served, running({**environment, "TASKFLOW_WORKER_PROCESSES": "1"}, "worker"):
        yield served


@pytest.fixture
def key(url: str, settings: Settings) -> str:
    return settings.find_api().key


async def test_results_come_back_over_http(url: str, key: str) -> None:
    async with TaskFlow(url, key) as taskflow:
        handles = await taskflow.enqueue_many(tasks.add, [{"left": 1, "right": number} for number in range(12)])
        handles.append(await tasks.add.enqueue(1, right=12))  # more than the client opens sockets
        assert await asyncio.gather(*(handle.result(timeout=20) for handle in handles)) == [1 + n for n in range(13)]
        failing = await taskflow.enqueue(tasks.fails_for_good)
        with pytest.raises(TaskFailedError, match="no use"):
            await failing.result(timeout=20)
        await failing.retry()
        assert (await failing.wait(timeout=20)).status is TaskStatus.FAILED
        later = await taskflow.enqueue(tasks.noop.options(delay=600))
        with pytest.raises(WaitTimeoutError):
            await later.wait(timeout=0.1)
        assert await later.cancel() is TaskStatus.CANCELLED
        with pytest.raises(TaskCancelledError):
            await later.result(timeout=5)


async def test_a_blocking_program_does_the_same(url: str, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKFLOW_API_URL", url)
    monkeypatch.setenv("TASKFLOW_API_KEY", key)

    def program() -> int:
        with SyncTaskFlow() as taskflow:  # both from the environment
            later = taskflow.enqueue(tasks.noop.options(delay=600))
            with pytest.raises(WaitTimeoutError):
                later.wait(timeout=0.1)
            assert later.cancel() is TaskStatus.CANCELLED
            assert taskflow.get(later.task_id)["status"] == "CANCELLED"
            return taskflow.enqueue(tasks.add, 2, right=3).result(timeout=20)

    assert await asyncio.to_thread(program) == 5


async def test_events_begin_with_resync_and_go_on_from_a_cursor(url: str, key: str) -> None:
    async with TaskFlow(url, key) as taskflow, asyncio.timeout(60):
        events = taskflow.events()
        assert (await anext(events)).type == "resync"
        handle = await taskflow.enqueue(tasks.noop)
        seen = []
        async for event in events:
            seen.append(event)
            if event.data == {"task_id": str(handle.task_id), "status": "COMPLETED"}:
                break
        await taskflow.enqueue(tasks.add, 1, right=1)
        async for event in taskflow.events(after=seen[-1].cursor):
            assert event.type != "resync"
            if event.data.get("status") == "COMPLETED":
                break
        with pytest.raises(InvalidInputError, match="topic"):
            await anext(taskflow.events("nonsense"))
    with pytest.raises(UnauthenticatedError, match="does not take the key"):
        await anext(TaskFlow(url, "tf_000000000000_" + "A" * 43).events())


def test_without_a_key_the_client_says_where_it_looked(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKFLOW_HOME", str(tmp_path))
    with pytest.raises(UnauthenticatedError, match="TASKFLOW_API_KEY"):
        TaskFlow()
    with pytest.raises(InvalidInputError, match="http://"):
        SyncTaskFlow("localhost:8000", "key")


async def test_silence_is_said_as_resync_until_the_deadline(url: str, key: str) -> None:
    access = ApiAccess(url, key)
    topic = ["campaigns"]
    async with asyncio.timeout(20), aclosing(follow(access, topic, idle=0.05)) as events:
        assert [(await anext(events)).type for _ in range(3)] == ["resync"] * 3
    soon = time.monotonic() + 0.3
    async with asyncio.timeout(20):
        assert {event.type async for event in follow(access, topic, deadline=soon, idle=0.05)} == {"resync"}

    def program() -> list[str]:
        with closing(follow_blocking(access, topic, idle=0.05)) as events:
            return [next(events).type for _ in range(3)]

    assert await asyncio.to_thread(program) == ["resync"] * 3
