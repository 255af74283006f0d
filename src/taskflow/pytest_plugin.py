"""The pytest plugin: a real engine on real servers, a database of its own for each test.

    async def test_an_image_is_resized(taskflow_engine, taskflow_worker):
        assert await (await resize.enqueue(image_id=3)).result(timeout=10) == "3 at 640"

| fixture | is |
|---|---|
| `taskflow_engine` | an `Engine` that is open, and the one that `task.enqueue` uses |
| `taskflow_worker` | a worker node in processes of its own, and a coordinator: enqueued tasks run |
| `taskflow_settings` | the `Settings` of this test |
| `taskflow_environment` | the environment for processes that the test starts |
| `taskflow_database_url`, `taskflow_redis_url` | a migrated database that only this test has, an empty Redis |
| `taskflow_imports` | what the worker imports; override it, or set `taskflow_imports` in pytest's configuration |
| `taskflow_servers`, `taskflow_databases` | PostgreSQL and Valkey, started once for the session |

The servers come out of wheels, run without fsync, and keep their files in memory where there is room. Async fixtures
are pytest-asyncio's where it is installed. pytest loads this module in every run, so what it needs is imported where
it is used.
"""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from taskflow.embedded import EmbeddedServers
    from taskflow.engine.client import Engine
    from taskflow.settings import Settings
    from taskflow.testing.databases import Databases

try:
    from pytest_asyncio import fixture as async_fixture
except ImportError:  # another plugin, such as anyio's, takes plain fixtures
    async_fixture: Any = pytest.fixture  # type: ignore[no-redef]

SECRET_KEY = "a-secret-for-tests-and-for-nothing-else"  # noqa: S105 - it protects nothing


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare `taskflow_imports`."""
    parser.addini(
        "taskflow_imports", "Modules with tasks for `taskflow_worker`; found by themselves if empty.", "linelist"
    )


@pytest.fixture(scope="session")
def taskflow_servers(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[EmbeddedServers]":
    """Return PostgreSQL (without fsync) and Valkey, shared by all tests of this process."""
    from taskflow.embedded import EmbeddedServers
    from taskflow.testing.memory import server_folder

    with (
        server_folder(lambda: tmp_path_factory.mktemp("taskflow")) as folder,
        EmbeddedServers(folder / "home", durable=False) as running,
    ):
        yield running


@pytest.fixture(scope="session")
def taskflow_databases(taskflow_servers: "EmbeddedServers") -> "Databases":
    """Return the databases of `taskflow_servers`, with a migrated template."""
    from taskflow.testing.databases import Databases

    found = Databases(taskflow_servers.database_url)
    found.make_template()
    return found


@pytest.fixture
def taskflow_database_url(taskflow_databases: "Databases") -> "Iterator[str]":
    """Return the URL of a migrated database that only this test has."""
    with taskflow_databases.copy() as url:
        yield url


@pytest.fixture
def taskflow_redis_url(taskflow_servers: "EmbeddedServers") -> str:
    """Return the URL of an empty Redis; the tests of a process run one after the other and share it."""
    import redis

    with redis.Redis.from_url(taskflow_servers.redis_url) as client:
        client.flushdb()
    return taskflow_servers.redis_url


@pytest.fixture
def taskflow_settings(taskflow_database_url: str, taskflow_redis_url: str, tmp_path: "Path") -> "Settings":
    """Return the settings of this test."""
    from taskflow.settings import Settings

    return Settings.model_validate(
        {
            "home": tmp_path / "home",
            "secret_key": SECRET_KEY,
            "database": {"url": taskflow_database_url},
            "redis": {"url": taskflow_redis_url},
            "http": {"port": 0},
            "sandbox": {"port": 0},
            "submission": {"port": 0},
        }
    )


@pytest.fixture
def taskflow_imports(request: pytest.FixtureRequest) -> list[str]:
    """Return the modules that `taskflow_worker` imports."""
    from taskflow.testing.worker import modules_of_tasks

    return list(request.config.getini("taskflow_imports")) or modules_of_tasks()


@pytest.fixture
def taskflow_environment(taskflow_settings: "Settings", taskflow_imports: list[str]) -> dict[str, str]:
    """Return the environment for TaskFlow processes that the test starts."""
    from taskflow.testing.worker import environment_of

    return environment_of(taskflow_settings, taskflow_imports)


@async_fixture
async def taskflow_engine(taskflow_settings: "Settings") -> "AsyncIterator[Engine]":
    """Return an engine that is open, and the one that `task.enqueue` uses."""
    from taskflow.engine.client import Engine

    async with Engine.open(taskflow_settings) as engine:
        yield engine


@async_fixture
async def taskflow_worker(taskflow_settings: "Settings", taskflow_imports: list[str]) -> "AsyncIterator[None]":
    """Run a worker node with one child process, and a coordinator."""
    from taskflow.testing.worker import running_worker

    async with running_worker(taskflow_settings, taskflow_imports):
        yield
