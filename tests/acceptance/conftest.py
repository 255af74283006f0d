"""One running `taskflow up` for the tests of a file."""

from collections.abc import Iterator

import pytest

from support.command_line import Cli
from support.up import System, up_beside
from taskflow.embedded import EmbeddedServers
from taskflow.testing.databases import Databases


@pytest.fixture(scope="module")
def system(
    servers: EmbeddedServers, taskflow_databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    """A running `taskflow up` on the tests' servers."""
    folder = tmp_path_factory.mktemp("up")
    settings = {
        "TASKFLOW_WEBHOOK_ALLOW_NETWORKS": '["127.0.0.0/8"]',
        "OPTION_TASKS_JOURNAL": str(folder / "journal"),
    }
    with up_beside(servers, taskflow_databases, folder, **settings) as running:
        yield running


@pytest.fixture
def cli(system: System) -> Cli:
    """The command line."""
    return Cli(system)
