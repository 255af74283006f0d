"""Fixtures of the chaos tests: one system a test process, seeds by TASKFLOW_CHAOS_SEEDS."""

import os
from collections.abc import Iterator

import pytest

from support.chaos_system import System

SEEDS = range(1, 1 + int(os.environ.get("TASKFLOW_CHAOS_SEEDS", "2")))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every test that asks for one its seeds."""
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", SEEDS)


class Keeper:
    """Hands out the system, and a new one after a test that failed on it."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        """Start nothing yet."""
        self._factory = factory
        self._system: System | None = None

    def get(self) -> System:
        """Return a system that works."""
        if self._system is None:
            self._system = System(self._factory.mktemp("chaos") / "system").start()
        return self._system

    def drop(self) -> None:
        """Stop it."""
        if self._system is not None:
            self._system.stop()
            self._system = None


@pytest.fixture(scope="session")
def keeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keeper]:
    """The system of this test process."""
    keeper = Keeper(tmp_path_factory)
    yield keeper
    keeper.drop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Remember whether the test failed."""
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


FAILED = pytest.StashKey[bool]()


@pytest.fixture
def system(keeper: Keeper, request: pytest.FixtureRequest) -> Iterator[System]:
    """A whole system. Each test heals what it breaks; one that fails leaves its system to nobody."""
    found = keeper.get()
    yield found
    if request.node.stash.get(FAILED, True):
        print(found.warnings())  # noqa: T201
        keeper.drop()
