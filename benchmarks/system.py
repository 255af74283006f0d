"""What the benchmarks run on: embedded servers of their own, and TaskFlow's real processes on a fresh database.

    async with Servers.running() as servers:
        async with System.fresh(servers) as system:
            await system.start("coordinator")
            await system.start("worker")

Settings are the defaults. Everything is under benchmarks/.work, listens on sockets and loopback only, and dies with the
process of the benchmarks.
"""

import asyncio
import contextlib
import os
import secrets
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
from pydantic import SecretStr
from redis.asyncio import Redis

from taskflow.broker.redis.broker import RedisBroker
from taskflow.db import migrate, partitions
from taskflow.db.pool import Database
from taskflow.embedded import EmbeddedServers
from taskflow.settings import DatabaseSettings, RedisSettings, Settings

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "benchmarks" / ".work"
_READY_SECONDS = 60.0
_STOP_SECONDS = 40.0
_POLL = 0.05


class TooSlowError(Exception):
    """Something that was waited for did not happen in time."""


@dataclass
class Servers:
    """PostgreSQL (durable) and Valkey, for us and for the rivals that use them too."""

    _embedded: EmbeddedServers
    redis_version_number: str = "unknown"
    _databases: int = 0

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator["Servers"]:
        """Start them in an empty home, stop them at the end."""
        home = WORK / "home"
        shutil.rmtree(home, ignore_errors=True)
        (WORK / "logs").mkdir(parents=True, exist_ok=True)
        async with EmbeddedServers(home) as embedded:
            servers = cls(embedded)
            async with servers.redis() as redis:
                info = await redis.info("server")
                servers.redis_version_number = info.get("valkey_version") or info["redis_version"]
            yield servers
        shutil.rmtree(home, ignore_errors=True)

    @property
    def database_url(self) -> str:
        """The server's own database; work happens in fresh ones."""
        return self._embedded.database_url

    @property
    def pids(self) -> dict[str, int]:
        """Process ids: `postgresql` and `redis`."""
        return {name: pid for name, pid in self._embedded.pids.items() if name != "guardian"}

    def redis_url(self, number: int = 0) -> str:
        """Return the URL of one of Valkey's numbered databases; 0 is ours."""
        return f"{self._embedded.redis_url.rpartition('?')[0]}?db={number}"

    def redis_version(self) -> str:
        """Return Valkey's version."""
        return self.redis_version_number

    @asynccontextmanager
    async def redis(self, number: int = 0) -> AsyncIterator[Redis]:
        """Connect to one of Valkey's databases."""
        client = Redis.from_url(self.redis_url(number), decode_responses=True)
        try:
            yield client
        finally:
            await client.aclose()

    @asynccontextmanager
    async def fresh_database(self) -> AsyncIterator[str]:
        """Make an empty database, and drop it at the end; Valkey is emptied, and what others wrote is on disk."""
        self._databases += 1
        name = f"bench_{self._databases}"
        await self._execute(f"CREATE DATABASE {name}")
        async with self.redis() as redis:
            await redis.flushall()
        try:
            yield self._embedded.database_url.replace("/taskflow?", f"/{name}?")
        finally:
            await self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    @staticmethod
    @asynccontextmanager
    async def connection(url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """Connect to a database."""
        connection = await asyncpg.connect(url)
        try:
            yield connection
        finally:
            await connection.close()

    async def settle(self) -> None:
        """Let nothing that was written before disturb what is measured next."""
        await self._execute("CHECKPOINT")

    async def _execute(self, statement: str) -> None:
        async with self.connection(self._embedded.database_url) as connection:
            await connection.execute(statement)


@dataclass
class System:
    """TaskFlow on a database of its own."""

    servers: Servers
    database: Database
    broker: RedisBroker
    settings: Settings
    environment: Mapping[str, str]
    _processes: list[asyncio.subprocess.Process] = field(default_factory=list)

    @classmethod
    @asynccontextmanager
    async def fresh(cls, servers: Servers, **environment: str) -> AsyncIterator["System"]:
        """Migrate an empty database, hand the system out, stop its processes at the end.

        `environment`: settings beyond the defaults, for its processes.
        """
        async with servers.fresh_database() as url:
            await migrate.upgrade(url)
            home = WORK / "system"
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir(parents=True)
            settings = Settings(
                home=home,
                secret_key=SecretStr(secrets.token_urlsafe(48)),
                database=DatabaseSettings(url=SecretStr(url)),
                redis=RedisSettings(url=SecretStr(servers.redis_url())),
            )
            assert settings.secret_key is not None
            variables = {
                "TASKFLOW_HOME": str(home),
                "TASKFLOW_SECRET_KEY": settings.secret_key.get_secret_value(),
                "TASKFLOW_DATABASE_URL": url,
                "TASKFLOW_REDIS_URL": servers.redis_url(),
                "TASKFLOW_LOG_LEVEL": "WARNING",
                **environment,
            }
            async with Database.open(settings.database) as database, RedisBroker.open(settings.redis) as broker:
                await partitions.ensure(database.pool)
                system = cls(servers, database, broker, settings, clean_environment() | variables)
                try:
                    yield system
                finally:
                    await system.stop()

    async def start(self, *command: str, own_session: bool = False) -> int:
        """Start `taskflow <command>`; return its process id. The caller waits for what it does.

        `own_session`: as `taskflow up` starts its processes; the kernel shares its processors out among sessions.
        """
        program = [sys.executable, "-m", "taskflow.cli.main", *command]
        process = await spawn(program, self.environment, log=f"{command[0]}.log", start_new_session=own_session)
        self._processes.append(process)
        return process.pid

    async def start_coordinator(self) -> int:
        """Start a coordinator and wait until it leads and has opened the dispatch."""
        pid = await self.start("coordinator")
        await until(self.broker.dispatch.generation, _READY_SECONDS, "the coordinator to lead")
        return pid

    async def wait_for_workers(self, processes: int) -> None:
        """Wait until so many worker processes wait for work."""

        async def all_idle() -> bool:
            idle: int = await self.broker.redis.llen(self.broker.keys.idle)
            return idle >= processes

        await until(all_idle, _READY_SECONDS, "the workers")

    async def stop(self) -> None:
        """Stop what was started, newest first."""
        for process in reversed(self._processes):
            await end(process)
        self._processes.clear()


def clean_environment() -> dict[str, str]:
    """Return our environment without anybody's settings of TaskFlow, able to import the benchmarks' own tasks."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TASKFLOW_", "PGQUEUER_"))}
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), kept.get("PYTHONPATH"))))
    return kept


async def spawn(
    program: Sequence[str | Path], environment: Mapping[str, str], *, log: str | None = None, **options: Any
) -> asyncio.subprocess.Process:
    """Start a program that the kernel kills when we die; its output goes to benchmarks/.work/logs/<log>."""
    leash = [sys.executable, "-P", "-m", "taskflow.embedded.leash", str(os.getpid())]
    options = {"stdin": asyncio.subprocess.DEVNULL, **options, "env": environment, "cwd": ROOT}
    if log is None:
        return await asyncio.create_subprocess_exec(*leash, *map(str, program), **options)
    with (WORK / "logs" / log).open("ab") as file:
        return await asyncio.create_subprocess_exec(*leash, *map(str, program), stdout=file, stderr=file, **options)


async def end(process: asyncio.subprocess.Process, seconds: float = _STOP_SECONDS) -> None:
    """Ask a process to end, and insist after `seconds`."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
    try:
        async with asyncio.timeout(seconds):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def until(happened: Callable[[], Awaitable[object]], seconds: float, what: str, *, every: float = _POLL) -> None:
    """Ask again and again until `happened` answers something true.

    Raises:
        TooSlowError: naming `what` did not happen within `seconds`.
    """
    async with bounded(seconds, what):
        while not await happened():  # noqa: ASYNC110 - these things happen in other processes
            await asyncio.sleep(every)


@asynccontextmanager
async def bounded(seconds: float, what: str) -> AsyncIterator[None]:
    """Give up what is inside after `seconds`.

    Raises:
        TooSlowError: naming `what` was waited for.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise TooSlowError(f"Waited {seconds:.0f} s for {what}; see {WORK / 'logs'}.") from None
