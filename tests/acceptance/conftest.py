"""One running `taskflow up` for the tests of a file."""

import os
from collections.abc import Iterator

import pytest
import redis

from support.command_line import Cli
from support.up import System, up
from taskflow.embedded import EmbeddedServers
from taskflow.testing.databases import Databases


@pytest.fixture(scope="module")
def system(
    servers: EmbeddedServers, taskflow_databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    """A running `taskflow up` on the tests' servers."""
    redis.Redis.from_url(servers.redis_url).flushall()
    folder = tmp_path_factory.mktemp("up")
    with taskflow_databases.copy() as database_url:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("TASKFLOW_")},
            "TASKFLOW_HOME": str(folder / "home"),
            "TASKFLOW_DATABASE_URL": database_url,
            "TASKFLOW_REDIS_URL": servers.redis_url,
            "TASKFLOW_HTTP_PORT": "0",
            "TASKFLOW_SANDBOX_PORT": "0",
            "TASKFLOW_LOG_LEVEL": "WARNING",
            "TASKFLOW_WEBHOOK_ALLOW_NETWORKS": '["127.0.0.0/8"]',
            "OPTION_TASKS_JOURNAL": str(folder / "journal"),
        }
        with up(environment) as running:
            yield running


@pytest.fixture
def cli(system: System) -> Cli:
    """The command line."""
    return Cli(system)
