"""Fixtures: those that we ship (`taskflow.pytest_plugin`) under shorter names, and what only our own tests need.

`settings` is the root of everything: it names a freshly copied, migrated database and an emptied Redis.
"""

import gc
import os
from collections.abc import AsyncIterator, Iterator

import pytest
import redis.asyncio as redis_asyncio
import structlog

from support import chromium as chromium_support
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.embedded import EmbeddedServers
from taskflow.settings import Settings
from taskflow.testing.databases import Databases
from taskflow.testing.worker import environment_of

_KEPT = {"TASKFLOW_REQUIRE_CHROMIUM", "TASKFLOW_CHROMIUM", "TASKFLOW_CHAOS_SEEDS"}


def pytest_collection() -> None:
    """Look for no garbage while everything is imported."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Leave alone for good what was imported: the collector would walk through all of it again and again."""
    gc.freeze()
    gc.enable()


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


@pytest.fixture(scope="session", autouse=True)
def _plain_tracebacks() -> None:
    """Log tracebacks as Python prints them: a drawing with every local variable takes seconds."""
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    *before, _ = structlog.get_config()["processors"]
    structlog.configure(processors=[*before, plain])


@pytest.fixture(scope="session")
def servers(taskflow_servers: EmbeddedServers) -> EmbeddedServers:
    """PostgreSQL (without fsync) and Valkey, shared by all tests of this process. Do not kill these."""
    return taskflow_servers


@pytest.fixture
def database_url(taskflow_database_url: str) -> str:
    """The URL of a migrated database that only this test has."""
    return taskflow_database_url


@pytest.fixture
def empty_database_url(taskflow_databases: Databases) -> Iterator[str]:
    """The URL of a database without tables, for tests of migrations."""
    with taskflow_databases.copy(empty=True) as url:
        yield url


@pytest.fixture
def redis_url(taskflow_redis_url: str) -> str:
    """The URL of an empty Redis; the tests of a process run one after the other and share it."""
    return taskflow_redis_url


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    """The environment of a TaskFlow process that a test starts: its database and Redis, free ports, sample tasks."""
    return environment_of(settings, ["support.sample_tasks"])


@pytest.fixture
def settings(taskflow_settings: Settings) -> Settings:
    """The settings of this test."""
    return taskflow_settings


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
