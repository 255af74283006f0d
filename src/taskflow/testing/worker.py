"""A real worker for tests: a node in processes of its own, and the coordinator's duties beside the test."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import orjson

from taskflow.base.errors import ConfigurationError
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine.coordinator.daemon import Coordinator
from taskflow.engine.coordinator.duty import Duty
from taskflow.engine.coordinator.relay import Relay
from taskflow.engine.coordinator.rescuer import Rescuer
from taskflow.engine.coordinator.scheduler import Scheduler
from taskflow.engine.coordinator.schedules import Schedules
from taskflow.engine.definition import registry
from taskflow.settings import Settings

_STOP_SECONDS = 10.0
_LOOK_SECONDS = 0.02


class TestWorkerError(ConfigurationError):
    """The worker of the test did not start; what it printed says why."""

    __test__ = False
    code = "test_worker"


def environment_of(settings: Settings, imports: Sequence[str] = ()) -> dict[str, str]:
    """Return the environment of a TaskFlow process that a test starts: its database, its Redis, free ports."""
    database, redis, key = settings.database.url, settings.redis.url, settings.secret_key
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("TASKFLOW_")},
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "TASKFLOW_HOME": str(settings.home),
        "TASKFLOW_DATABASE_URL": database.get_secret_value() if database else "",
        "TASKFLOW_REDIS_URL": redis.get_secret_value() if redis else "",
        "TASKFLOW_SECRET_KEY": key.get_secret_value() if key else "",
        "TASKFLOW_HTTP_PORT": "0",
        "TASKFLOW_SANDBOX_PORT": "0",
        "TASKFLOW_SUBMISSION_PORT": "0",
        "TASKFLOW_LOG_LEVEL": "WARNING",
        "TASKFLOW_WORKER_IMPORTS": orjson.dumps(list(imports)).decode(),
    }


def modules_of_tasks() -> list[str]:
    """Return the modules of the tasks that are defined in this process, but not TaskFlow's own."""
    found = {registry.get(name).function.__module__ for name in registry.names()}
    return sorted(name for name in found if not name.startswith("taskflow.") and name != "__main__")


@asynccontextmanager
async def running_worker(settings: Settings, imports: Sequence[str]) -> AsyncIterator[None]:
    """Run a node with one child process, and a coordinator, as long as the block lasts.

    Raises:
        TestWorkerError: the node does not start.
    """
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database.open(settings.database, name="taskflow test coordinator"))
        broker = await stack.enter_async_context(RedisBroker.open(settings.redis))
        await stack.enter_async_context(_coordinating(database, broker, settings))
        process = await stack.enter_async_context(_node(environment_of(settings, imports)))
        while not await database.pool.fetchval("SELECT EXISTS (SELECT FROM workers WHERE stopped_at IS NULL)"):
            if process.returncode is not None:
                raise TestWorkerError
            await asyncio.sleep(_LOOK_SECONDS)
        yield


@asynccontextmanager
async def _coordinating(database: Database, broker: RedisBroker, settings: Settings) -> AsyncIterator[None]:
    stop = asyncio.Event()
    duties: list[Duty] = [Relay(), Scheduler(), Schedules(), Rescuer()]
    running = asyncio.create_task(Coordinator(database, broker, settings, duties).run(stop))
    try:
        yield
    finally:
        stop.set()
        await running


@asynccontextmanager
async def _node(environment: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "taskflow.cli.main", "worker", "--processes", "1"),
        env=environment,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
