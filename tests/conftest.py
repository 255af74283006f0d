"""Fixtures: real servers once per test process, a database of its own for each test.

`settings` is the root of everything: it names a freshly copied, migrated database and an emptied Redis.
"""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis as redis_py
import redis.asyncio as redis_asyncio

from support import chromium as chromium_support
from support.databases import Databases
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.embedded import EmbeddedServers
from taskflow.settings import Settings

SECRET_KEY = "test-secret-key-of-32-characters-or-more"
_KEPT = {"TASKFLOW_REQUIRE_CHROMIUM", "TASKFLOW_CHROMIUM", "TASKFLOW_CHAOS_SEEDS"}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what was not tested."""
    skipped = terminalreporter.stats.get("skipped", [])
    count = sum(chromium_support.REASON in str(report.longrepr) for report in skipped)
    if count:
        terminalreporter.section("NOT TESTED IN A BROWSER", red=True, bold=True)
        terminalreporter.line(f"{count} tests were skipped: {chromium_support.REASON}")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium; without one the test is skipped, or fails where TASKFLOW_REQUIRE_CHROMIUM=1."""
    path = chromium_support.find()
    if path is None:
        if chromium_support.required():
            pytest.fail(chromium_support.REASON)
        pytest.skip(chromium_support.REASON)
    return path


@pytest.fixture(scope="session", autouse=True)
def _clean_environment() -> Iterator[None]:
    """Keep the developer's own TaskFlow settings out of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("TASKFLOW_") and name not in _KEPT]:
            patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServers]:
    """PostgreSQL (without fsync) and Valkey, shared by all tests of this process. Do not kill these."""
    with EmbeddedServers(tmp_path_factory.mktemp("servers") / "home", durable=False) as running:
        yield running


@pytest.fixture(scope="session")
def databases(servers: EmbeddedServers) -> Databases:
    """The databases of `servers`, with a migrated template."""
    found = Databases(servers.database_url)
    found.make_template()
    return found


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """The URL of a migrated database that only this test has."""
    with databases.copy() as url:
        yield url


@pytest.fixture
def empty_database_url(databases: Databases) -> Iterator[str]:
    """The URL of a database without tables, for tests of migrations."""
    with databases.copy(empty=True) as url:
        yield url


@pytest.fixture
def redis_url(servers: EmbeddedServers) -> str:
    """The URL of an empty Redis; the tests of a process run one after the other and share it."""
    client = redis_py.Redis.from_url(servers.redis_url)
    client.flushall()
    client.close()
    return servers.redis_url


@pytest.fixture
def environment(database_url: str, redis_url: str, tmp_path: Path) -> dict[str, str]:
    """The environment of a TaskFlow process that a test starts: this test's database and Redis, free ports."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("TASKFLOW_")},
        "TASKFLOW_HOME": str(tmp_path / "home"),
        "TASKFLOW_DATABASE_URL": database_url,
        "TASKFLOW_REDIS_URL": redis_url,
        "TASKFLOW_SECRET_KEY": SECRET_KEY,
        "TASKFLOW_HTTP_PORT": "0",
        "TASKFLOW_SANDBOX_PORT": "0",
        "TASKFLOW_LOG_LEVEL": "WARNING",
    }


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """The settings of this test."""
    return Settings.model_validate(
        {
            "home": tmp_path / "home",
            "secret_key": SECRET_KEY,
            "database": {"url": database_url},
            "redis": {"url": redis_url},
            "http": {"port": 0},
            "sandbox": {"port": 0},
        }
    )


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    """The two pools on this test's database."""
    async with Database.open(settings.database, name="test") as opened:
        yield opened


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[redis_asyncio.Redis]:
    """A raw client on this test's Redis: answers are bytes."""
    client = redis_asyncio.Redis.from_url(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
async def broker(settings: Settings) -> AsyncIterator[RedisBroker]:
    """The Redis broker on this test's Redis."""
    async with RedisBroker.open(settings.redis) as opened:
        yield opened
