"""The coordinator as a process: it takes over, outlives its servers, and ends in good order."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from unittest.mock import AsyncMock

import asyncpg
import pytest
from redis.exceptions import ReadOnlyError

from support.duties import add_tasks
from support.processes import running, start, stop
from support.waiting import eventually
from taskflow.base.errors import UnavailableError
from taskflow.base.health import serve_health
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db import migrate
from taskflow.db.pool import Database
from taskflow.embedded import EmbeddedServers
from taskflow.engine.coordinator.daemon import OUTAGES, Coordinator
from taskflow.engine.coordinator.duty import Duty, DutyContext
from taskflow.settings import CoordinatorSettings, Settings

TERM = "SELECT term FROM coordinator_leases WHERE name = 'coordinator' AND expires_at > now()"
SCHEDULE = (
    "INSERT INTO tasks (task_id, task_name, status, due_at)"
    " SELECT gen_random_uuid(), 'noop', 'SCHEDULED', now() FROM generate_series(1, 20)"
)
CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test'"
PROMOTED = "SELECT count(*) FROM tasks WHERE status = 'PENDING'"


async def term(database: Database) -> int | None:
    found: int | None = await database.pool.fetchval(TERM)
    return found


async def promoted(database: Database) -> int:
    return int(await database.pool.fetchval(PROMOTED))


async def test_the_standby_leads_within_ten_seconds_and_a_woken_leader_writes_nothing(
    database: Database, environment: dict[str, str]
) -> None:
    await database.pool.execute(
        """
        CREATE TABLE writes (backend int, term bigint);
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          INSERT INTO writes SELECT pg_backend_pid(), term FROM coordinator_leases; RETURN NEW; END $$;
        CREATE TRIGGER note AFTER UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION note();
        """
    )
    async with running(environment, "coordinator") as first:
        await eventually(lambda: term(database), seconds=60, what="the first leads")
        await database.pool.execute(SCHEDULE)
        await eventually(lambda: _count(database, 20))
        leaders = await _backends(database)
        async with running(environment, "coordinator") as second:
            await eventually(lambda: _stands_by(database, leaders), seconds=60, what="the second stands by")
            first.send_signal(signal.SIGSTOP)
            await eventually(lambda: _has_term(database, 2), seconds=10, what="the standby leads")
            await database.pool.execute(SCHEDULE)
            await eventually(lambda: _count(database, 40))
            # Only the woken one could promote these now; it must win an election first.
            second.send_signal(signal.SIGSTOP)
            await database.pool.execute(SCHEDULE)
            first.send_signal(signal.SIGCONT)
            await eventually(lambda: _count(database, 60), seconds=15)
            second.send_signal(signal.SIGCONT)
            assert await term(database) == 3
    pairs = await database.pool.fetch("SELECT DISTINCT backend, term FROM writes")
    backends = {number: {row["backend"] for row in pairs if row["term"] == number} for number in (1, 2, 3)}
    assert all(backends.values())
    assert not backends[1] & backends[2]  # nothing was written over the old leader's connections in the new term


async def _count(database: Database, wanted: int) -> bool:
    return await promoted(database) == wanted


async def _has_term(database: Database, wanted: int) -> bool:
    return await term(database) == wanted


async def test_a_redis_that_refuses_a_command_does_not_depose_the_leader(
    database: Database, broker: RedisBroker, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "coordinator_call", AsyncMock(side_effect=ReadOnlyError("a read only replica")))
    settings.coordinator.term_seconds = 0.6  # it would stand again within a tenth of a second
    stop = asyncio.Event()
    running = asyncio.create_task(Coordinator(database, broker, settings, []).run(stop))
    await eventually(lambda: term(database))
    await asyncio.sleep(0.5)
    assert await term(database) == 1
    stop.set()
    await running


async def test_sigterm_hands_the_role_over_at_once(database: Database, environment: dict[str, str]) -> None:
    async with running(environment, "coordinator") as first:
        await eventually(lambda: term(database), seconds=60)
        leaders = await _backends(database)
        async with running(environment, "coordinator"):
            await eventually(lambda: _stands_by(database, leaders), seconds=60, what="the second stands by")
            assert await stop(first) == 0
            given_up = "SELECT term > 1 OR expires_at = '-infinity' FROM coordinator_leases"
            assert await database.pool.fetchval(given_up), "it left the role to run out"
            await eventually(lambda: _has_term(database, 2), seconds=60, what="the second leads")


async def test_an_unknown_duty_is_an_error_of_the_command_line(environment: dict[str, str]) -> None:
    assert await (await start(environment, "coordinator", "--duties", "relay,nonsense")).wait() == 2


@pytest.mark.chaos
async def test_it_starts_without_servers_and_outlives_the_death_of_both(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with EmbeddedServers(tmp_path / "own", durable=False) as servers:
        await migrate.upgrade(servers.database_url)
        own = {
            **environment,
            "TASKFLOW_DATABASE_URL": servers.database_url,
            "TASKFLOW_REDIS_URL": servers.redis_url,
            "TASKFLOW_COORDINATOR_TERM_SECONDS": "3",
        }
        settings = Settings.model_validate(
            {"database": {"url": servers.database_url}, "redis": {"url": servers.redis_url}}
        )
        pid = servers.pids["postgresql"]
        os.kill(pid, signal.SIGKILL)
        async with running(own, "coordinator") as process:
            await eventually(lambda: servers.pids.get("postgresql") not in (None, pid), seconds=30)
            async with RedisBroker.open(settings.redis) as broker:
                await eventually(lambda: _waiting(broker, 0), seconds=30)
                for name, count in (("redis", 3), ("postgresql", 6)):
                    pid = servers.pids[name]
                    os.kill(pid, signal.SIGKILL)
                    await eventually(lambda old=pid, of=name: servers.pids.get(of) not in (None, old), seconds=30)
                    await eventually(lambda: _insert(settings), seconds=30)
                    await eventually(lambda wanted=count: _waiting(broker, wanted), seconds=30)
            assert process.returncode is None


async def _insert(settings: Settings) -> bool:
    try:
        async with Database.open(settings.database) as database:
            await add_tasks(database, 3)
    except (UnavailableError, *OUTAGES):
        return False
    return True


async def _waiting(broker: RedisBroker, count: int) -> bool:
    try:
        sizes = await broker.dispatch.sizes(["default"])
        return await broker.dispatch.generation() is not None and sizes == [(count, 0)]
    except OUTAGES:
        return False


class Restless:
    """A duty that fails, is called for, and loses its connections."""

    name = "restless"

    def __init__(self, *, failures: int = 0, every: float = 3600.0) -> None:
        self.runs = 0
        self.failures_left = failures
        self._every = every

    def interval(self, settings: CoordinatorSettings) -> float:  # noqa: ARG002 - the protocol's
        return self._every

    async def run_once(self, context: DutyContext) -> int:
        if self.failures_left:
            self.failures_left -= 1
            raise (ConnectionRefusedError, ValueError)[self.failures_left % 2]("once")
        async with context.leading() as connection:
            await connection.execute("SELECT 1")
        self.runs += 1
        return 0


@asynccontextmanager
async def serving(
    database: Database, broker: RedisBroker, settings: Settings, *duties: Duty
) -> AsyncIterator[Coordinator]:
    """Run a coordinator in this process."""
    stopping, daemon = asyncio.Event(), Coordinator(database, broker, settings, duties)
    task = asyncio.create_task(daemon.run(stopping))
    try:
        yield daemon
    finally:
        stopping.set()
        await task


async def test_a_failing_duty_is_tried_again_and_a_call_wakes_it(
    database: Database, broker: RedisBroker, settings: Settings
) -> None:
    duty = Restless(failures=3, every=0.01)
    async with serving(database, broker, settings, duty) as daemon:
        await eventually(lambda: duty.runs > 0)
        assert daemon.report()["status"] == "ok"
    quiet = Restless()
    async with serving(database, broker, settings, quiet):
        await eventually(lambda: quiet.runs == 1)
        await broker.wake_coordinator("restless")
        await eventually(lambda: quiet.runs == 2)


async def test_a_leader_whose_connections_are_cut_goes_on_in_its_term(
    database_url: str, database: Database, broker: RedisBroker, settings: Settings
) -> None:
    settings.coordinator.term_seconds = 2
    duty = Restless(every=0.02)
    admin = await asyncpg.connect(database_url)
    try:
        async with serving(database, broker, settings, duty):
            await eventually(lambda: duty.runs > 0)
            for _ in range(5):
                before = duty.runs
                await admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test'"
                )
                await eventually(lambda seen=before: duty.runs > seen + 5)
            assert await admin.fetchval(TERM) == 1
    finally:
        await admin.close()


async def test_metrics_and_health_are_served_on_a_port_of_their_own() -> None:
    status = "ok"
    async with serve_health(0, lambda: {"status": status, "leader": True}) as port:
        assert port is not None

        async def get(path: str, method: str = "GET") -> tuple[int, bytes]:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            writer.close()
            await writer.wait_closed()
            return int(head.split(b" ")[1]), body

        code, body = await get("/health")
        assert (code, json.loads(body)) == (200, {"status": "ok", "leader": True})
        assert b"taskflow_coordinator_leader" in (await get("/metrics"))[1]
        assert (await get("/nothing"))[0] == 404
        assert (await get("/health", "POST"))[0] == 405
        status = "degraded"
        assert [(await get(path))[0] for path in ("/health", "/ready")] == [200, 503]
        status = "failed"
        assert (await get("/health"))[0] == 503


async def _backends(database: Database) -> set[int]:
    """Return the connections of coordinators."""
    rows = await database.pool.fetch(
        "SELECT pid FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name LIKE 'taskflow coordinator%'"
    )
    return {row["pid"] for row in rows}


async def _stands_by(database: Database, leaders: set[int]) -> bool:
    """Tell whether somebody else has looked at the lease."""
    return bool(
        await database.pool.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name LIKE 'taskflow coordinator%' AND NOT pid = ANY ($1::int[])"
            " AND query LIKE '%coordinator_leases%'",
            list(leaders),
        )
    )
