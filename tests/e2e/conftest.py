"""One running system and one browser for all tests of the dashboard, a tab and a user of its own for each."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from support.dashboard import DESK, SECONDS, Dashboard, Open
from support.up import System, up_beside
from taskflow.embedded import EmbeddedServers
from taskflow.testing.databases import Databases

expect.set_options(timeout=SECONDS * 1000)

FAILED = pytest.StashKey[bool]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of this folder on one worker, so that they share the system."""
    for item in items:
        if item.nodeid.startswith("tests/e2e/"):
            item.add_marker(pytest.mark.xdist_group("e2e"))
            item.add_marker(pytest.mark.chromium)


@pytest.fixture(scope="package")
def system(
    chromium: str, servers: EmbeddedServers, taskflow_databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    """A running `taskflow up` on the tests' servers."""
    # Everybody here has one address. The limit of a user stays: each test lives within it.
    settings = {"TASKFLOW_HTTP_RATE_LIMIT_IP_PER_MINUTE": "100000"}
    with up_beside(servers, taskflow_databases, tmp_path_factory.mktemp("e2e"), **settings) as running:
        yield running


@pytest.fixture(scope="package")
def browser(chromium: str) -> Iterator[Browser]:
    """A headless Chromium."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Let fixtures see whether their test failed."""
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture
def open_dashboard(browser: Browser, system: System, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Open tabs of their own; at the end, nothing may have gone wrong in any. A failed test leaves pictures."""
    opened: list[Dashboard] = []

    def open_one(**options: Any) -> Dashboard:
        context = browser.new_context(**{"viewport": DESK, "reduced_motion": "reduce", **options})
        opened.append(Dashboard(context.new_page(), system))
        return opened[-1]

    yield open_one
    for number, dashboard in enumerate(opened):
        if request.node.stash.get(FAILED, False):
            picture = tmp_path / f"tab-{number}.png"
            dashboard.page.screenshot(path=picture)
            print(f"{dashboard.page.url}: {picture}")  # noqa: T201 - pytest shows it beside the failure
        dashboard.page.context.close()
    for dashboard in opened:
        dashboard.check()


@pytest.fixture
def dashboard(open_dashboard: Open) -> Dashboard:
    """A tab in which nobody is signed in."""
    return open_dashboard()


@pytest.fixture
def admin(dashboard: Dashboard) -> Dashboard:
    """A tab in which an administrator is signed in."""
    dashboard.sign_in()
    return dashboard
