"""Handles: `task.enqueue`, and waiting for what comes of it, with the direct engine and a real worker."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from pydantic import SecretStr

from support import sample_tasks as tasks
from support.lives import publish_generation
from support.processes import running
from support.waiting import eventually
from taskflow.base.errors import UnavailableError
from taskflow.base.ids import uuid7
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine import (
    Engine,
    NoEngineError,
    SyncEngine,
    TaskCancelledError,
    TaskFailedError,
    TaskStatus,
    WaitTimeoutError,
    use_engine,
)
from taskflow.engine.payload import InvalidTaskArgumentsError
from taskflow.engine.waiting import TaskNotFoundError
from taskflow.settings import DatabaseSettings, Settings


@pytest.fixture
async def engine(settings: Settings, broker: RedisBroker) -> AsyncIterator[Engine]:
    """An open engine; the dispatch is open too, as after the relay's first run."""
    await publish_generation(broker, "test")
    async with Engine.open(settings) as opened:
        yield opened


@pytest.fixture
async def node(environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    async with running({**environment, "TASKFLOW_WORKER_PROCESSES": "1"}, "worker") as process:
        yield process


async def test_a_task_enqueues_itself_and_its_result_comes_back_typed(
    engine: Engine, node: asyncio.subprocess.Process
) -> None:
    handles = [await tasks.add.enqueue(2, right=number) for number in range(20)]
    assert await asyncio.gather(*(handle.result(timeout=20) for handle in handles)) == [2 + n for n in range(20)]
    assert (await handles[0].wait()).status is TaskStatus.COMPLETED  # at once, from its row


async def test_a_task_that_runs_enqueues_another(engine: Engine, node: asyncio.subprocess.Process) -> None:
    handle = await tasks.add_by_another.enqueue(2, 3)
    child = UUID(await handle.result(timeout=20))
    assert (await engine.end_of(child, timeout=20)).result == 5


async def test_bad_ends_are_errors(engine: Engine, node: asyncio.subprocess.Process) -> None:
    failing = await tasks.fails_for_good.enqueue()
    with pytest.raises(TaskFailedError, match="no use") as caught:
        await failing.result(timeout=20)
    assert caught.value.context["task_id"] == str(failing.task_id)
    assert (await failing.wait()).status is TaskStatus.FAILED
    later = await tasks.noop.options(delay=600).enqueue()
    waiting = asyncio.create_task(later.result(timeout=20))
    await asyncio.sleep(0)
    assert await later.cancel() is TaskStatus.CANCELLED
    with pytest.raises(TaskCancelledError):
        await waiting


async def test_waiting_ends_in_time_and_leaves_nothing_behind(engine: Engine) -> None:
    handle = await tasks.noop.enqueue()
    with pytest.raises(WaitTimeoutError, match="goes on"):
        await handle.result(timeout=0.05)
    with pytest.raises(TaskNotFoundError):
        await engine.end_of(uuid7(), timeout=5)
    await eventually(lambda: not [task for task in asyncio.all_tasks() if task.get_name() == "task-ends"])


async def test_a_flushed_redis_delays_an_end_but_hides_none(
    engine: Engine, database: Database, broker: RedisBroker
) -> None:
    handle = await tasks.noop.options(delay=600).enqueue()
    waiting = asyncio.create_task(handle.wait(timeout=20))
    await eventually(lambda: any(task.get_name() == "task-ends" for task in asyncio.all_tasks()))
    await broker.redis.flushall()
    await database.pool.execute(
        "UPDATE tasks SET status = 'CANCELLED', completed_at = now(), due_at = NULL"
    )  # no event
    assert (await waiting).status is TaskStatus.CANCELLED


async def test_without_an_engine_enqueueing_says_what_to_do() -> None:
    with pytest.raises(NoEngineError, match=r"Engine\.open"):
        await tasks.noop.enqueue()


async def test_the_engine_of_a_context_comes_before_the_default(engine: Engine, database: Database) -> None:
    class Refusing:
        async def enqueue(self, *_: object, **__: object) -> object:
            raise RuntimeError("mine")

    with use_engine(Refusing()), pytest.raises(RuntimeError, match="mine"):  # type: ignore[arg-type]  # a small one
        await tasks.noop.enqueue()
    await tasks.noop.enqueue()
    assert await database.pool.fetchval("SELECT count(*) FROM tasks") == 1


async def test_code_that_blocks_has_an_engine_of_its_own(
    engine: Engine, node: asyncio.subprocess.Process, settings: Settings
) -> None:
    def program() -> list[int]:
        with SyncEngine.open(settings) as blocking, ThreadPoolExecutor(4) as threads:
            later = blocking.enqueue(tasks.noop.options(delay=600))
            with pytest.raises(WaitTimeoutError):
                later.wait(timeout=0.05)
            assert later.cancel() is TaskStatus.CANCELLED
            with pytest.raises(TaskCancelledError):
                later.result()
            with pytest.raises(InvalidTaskArgumentsError, match="left"):
                blocking.enqueue(tasks.add, "x", 3)  # type: ignore[arg-type]  # that is the point
            handles = blocking.enqueue_many(tasks.add, [{"left": 1, "right": number} for number in range(8)])
            return list(threads.map(lambda handle: handle.result(timeout=20), handles))

    assert await asyncio.to_thread(program) == [1 + number for number in range(8)]
    assert (await tasks.add.enqueue(1, 1)).client is engine  # nobody has taken its place


def test_a_database_that_is_away_is_told_to_whoever_opens(settings: Settings) -> None:
    away = settings.model_copy(update={"database": DatabaseSettings(url=SecretStr("postgresql://x@127.0.0.1:9/x"))})
    with pytest.raises(UnavailableError), SyncEngine.open(away):
        pass
