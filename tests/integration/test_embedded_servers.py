"""The embedded servers keep their data, restart what dies, and never outlive their owner."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
import redis

from support.waiting import eventually_sync
from taskflow.embedded import EmbeddedServers
from taskflow.embedded.home import HomeInUseError, HomeNotWritableError
from taskflow.embedded.postgresql import OtherMajorError
from taskflow.embedded.server import command_line
from taskflow.testing.databases import run

OWNER = """
import sys, time
from pathlib import Path
from taskflow.embedded import EmbeddedServers
with EmbeddedServers(Path(sys.argv[1]), durable=False) as servers:
    print(servers.database_url, flush=True)
    time.sleep(600)
"""


async def _query(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def query(url: str, statement: str) -> object:
    return run(_query(url, statement))


def answers(url: str) -> bool:
    try:
        return query(url, "SELECT 1") == 1
    except (OSError, asyncpg.PostgresError):
        return False


def pings(url: str) -> bool:
    client = redis.Redis.from_url(url)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


def gone(pids: dict[str, int]) -> bool:
    return not any(command_line(pid) for pid in pids.values())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def owner(home: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that runs the servers of `home`."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(home)], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_rows_and_keys_survive_a_restart(home: Path) -> None:
    with EmbeddedServers(home, durable=False) as servers:
        query(servers.database_url, "CREATE TABLE kept AS SELECT 7 AS n")
        redis.Redis.from_url(servers.redis_url).set("kept", "7")
    with EmbeddedServers(home, durable=False) as servers:
        assert query(servers.database_url, "SELECT n FROM kept") == 7
        assert redis.Redis.from_url(servers.redis_url).get("kept") == b"7"


def test_the_servers_listen_on_private_sockets_only_and_evict_nothing(servers: EmbeddedServers) -> None:
    client = redis.Redis.from_url(servers.redis_url)
    policy = client.config_get("maxmemory*")
    assert policy["maxmemory-policy"] == "noeviction"
    assert policy["maxmemory"] == str(2 * 1024**3)
    assert client.config_get("save")["save"] == "300 1"
    assert client.config_get("port")["port"] == "0"
    assert query(servers.database_url, "SHOW listen_addresses") == ""
    folder = Path(str(query(servers.database_url, "SHOW unix_socket_directories")))
    assert folder.stat().st_mode & 0o777 == 0o700


def test_statement_statistics_are_collected_in_every_database(servers: EmbeddedServers, database_url: str) -> None:
    query(database_url, "SELECT 40 + 2")
    assert query(database_url, "SELECT count(*) FROM pg_stat_statements WHERE query LIKE 'SELECT $1 + $2%'") == 1


@pytest.mark.parametrize("server", ["postgresql", "redis"])
def test_a_killed_server_is_back_under_the_same_url(home: Path, server: str) -> None:
    with EmbeddedServers(home, durable=False) as servers:
        query(servers.database_url, "CREATE TABLE kept AS SELECT 7 AS n")
        before = servers.pids[server]
        os.kill(before, signal.SIGKILL)
        eventually_sync(lambda: servers.pids[server] != before, seconds=60)
        eventually_sync(lambda: answers(servers.database_url) and pings(servers.redis_url), seconds=60)
        assert query(servers.database_url, "SELECT n FROM kept") == 7


def test_after_a_crash_redis_starts_empty_instead_of_in_the_past(home: Path) -> None:
    with EmbeddedServers(home, durable=False) as servers:
        client = redis.Redis.from_url(servers.redis_url)
        client.set("old", "1")
        client.save()
        before = servers.pids["redis"]
        os.kill(before, signal.SIGKILL)
        eventually_sync(lambda: servers.pids["redis"] != before and pings(servers.redis_url), seconds=60)
        assert client.get("old") is None
        client.close()


def test_a_killed_guardian_takes_its_servers_along_and_can_be_revived(home: Path) -> None:
    with EmbeddedServers(home, durable=False) as servers:
        query(servers.database_url, "CREATE TABLE kept AS SELECT 7 AS n")
        before = servers.pids
        os.kill(before["guardian"], signal.SIGKILL)
        eventually_sync(lambda: gone(before))
        eventually_sync(lambda: not servers.alive)
        assert servers.revive()
        assert query(servers.database_url, "SELECT n FROM kept") == 7
        assert not servers.revive()


def test_the_servers_stop_when_their_owner_is_killed(home: Path, owner: subprocess.Popen[str]) -> None:
    pids, sockets = EmbeddedServers(home).pids, Path(_runtime(home))
    assert set(pids) == {"guardian", "postgresql", "redis"}
    owner.kill()
    eventually_sync(lambda: gone(pids))
    assert not (home / "servers.json").exists()
    assert not sockets.exists()


def test_rows_survive_kill_9_of_everything(home: Path, owner: subprocess.Popen[str]) -> None:
    running = EmbeddedServers(home)
    pids = running.pids
    url = f"postgresql://taskflow@/taskflow?host={_runtime(home)}"
    query(url, "CREATE TABLE kept AS SELECT 7 AS n")
    for pid in (owner.pid, *pids.values()):
        os.kill(pid, signal.SIGKILL)
    eventually_sync(lambda: gone(pids))
    leftover = Path(_runtime(home))
    assert leftover.exists()
    with EmbeddedServers(home, durable=False) as servers:
        assert query(servers.database_url, "SELECT n FROM kept") == 7
        assert not leftover.exists()


def _runtime(home: Path) -> str:
    return str(json.loads((home / "servers.json").read_text())["runtime"])


def test_a_home_in_use_is_refused_with_the_holder(home: Path, owner: subprocess.Popen[str]) -> None:
    guardian = EmbeddedServers(home).pids["guardian"]
    with pytest.raises(HomeInUseError, match=f"in use by process {guardian}"):
        EmbeddedServers(home).start()
    assert command_line(guardian)


def test_the_data_of_another_major_version_is_refused_with_advice(home: Path) -> None:
    with EmbeddedServers(home, durable=False):
        pass
    (home / "postgresql" / "PG_VERSION").write_text("15\n")
    with pytest.raises(OtherMajorError, match=r"made by PostgreSQL 15.*pg_dump.*pg_restore"):
        EmbeddedServers(home).start()


def test_a_home_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HomeNotWritableError, match="TASKFLOW_HOME"):
        EmbeddedServers(tmp_path / "file" / "home").start()


def test_a_kill_during_the_first_start_leaves_nothing_half_made(home: Path) -> None:
    draft = home / "postgresql.new"
    draft.mkdir(parents=True)
    (draft / "PG_VERSION").write_text("18\n")
    with EmbeddedServers(home, durable=False) as servers:
        assert answers(servers.database_url)
    assert not draft.exists()


def test_a_stale_pid_file_that_names_a_living_stranger_does_not_block_the_start(home: Path) -> None:
    with EmbeddedServers(home, durable=False):
        pass
    (home / "postgresql" / "postmaster.pid").write_text(f"{os.getpid()}\n{home}\n0\n5432\n/tmp\n\n0\nready\n")
    with EmbeddedServers(home, durable=False) as servers:
        assert answers(servers.database_url)


def test_one_server_alone_can_be_had(home: Path) -> None:
    with EmbeddedServers(home, durable=False, postgresql=False) as servers:
        assert pings(servers.redis_url)
        assert set(servers.pids) == {"guardian", "redis"}
        with pytest.raises(RuntimeError):
            _ = servers.database_url
