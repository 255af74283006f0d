"""Every page as people see it: light and dark, on a desk and on a phone, by keyboard."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from support.dashboard import PHONE, Dashboard, Open
from support.up import System

CSV = "email,name\n" + "".join(f"somebody{n}@looks.example,Zoë {n}\n" for n in range(40)) + "gone@refused.example,No\n"

FINGER = 30  # px


@pytest.fixture(scope="package")
def addresses(system: System) -> Iterator[list[str]]:
    """The address of every page, on a system where something has happened."""
    system.call("PUT", "/inbox/rules", json=[{"pattern": "*@refused.example", "action": "reject", "times": None}])
    fields: dict[str, Any] = {"template_subject": "Hello {{ name }}", "template_body": "<h1>Hello {{ name }}</h1>"}
    sent, draft = (system.campaign(CSV, name=name, **fields)["campaign_id"] for name in ("Spring", "Summer"))
    system.post(f"/campaigns/{sent}/start")
    failed = system.post("/tasks", {"task_name": "always_fails", "args": {"word": "looks"}, "max_retries": 0})[
        "task_id"
    ]
    running = system.submit("sleeps", seconds=600)
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    system.post("/tasks", {"task_name": "noop", "args": {}, "scheduled_at": later})
    system.ended(failed)
    system.completed(sent)
    letter = system.get("/dead-letters", task_name="always_fails")["items"][0]["dlq_id"]
    mail = system.get("/inbox")["items"][0]["message_id"]
    worker = system.get("/workers")["items"][0]["worker_id"]
    yield [
        "/",
        "/campaigns",
        "/campaigns/new",
        f"/campaigns/{sent}",
        f"/campaigns/{sent}?tab=message",
        f"/campaigns/{sent}?tab=import",
        f"/campaigns/{draft}?tab=details",
        "/tasks",
        f"/tasks/{failed}",
        f"/tasks/{running}",
        f"/workers?worker={worker}",
        "/dead-letters",
        f"/dead-letters/{letter}",
        f"/inbox/{mail}",
        "/settings",
        "/settings/users",
        "/settings/keys",
        "/settings/audit",
    ]
    system.call("DELETE", f"/tasks/{running}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible(open_dashboard: Open, addresses: list[str], scheme: str) -> None:
    dashboard = open_dashboard(color_scheme=scheme)
    dashboard.sign_in()
    background = dashboard.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert background == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(17, 17, 19)")
    for path in addresses:
        dashboard.goto(path)
        dashboard.settled()
        dashboard.accessible()


def test_every_page_fits_on_a_phone(open_dashboard: Open, addresses: list[str]) -> None:
    dashboard = open_dashboard(viewport=PHONE, has_touch=True, is_mobile=True)
    page = dashboard.page
    dashboard.sign_in()
    for path in addresses:
        dashboard.goto(path)
        dashboard.settled()
        dashboard.fits()
        if path in {"/", "/tasks", "/campaigns"}:
            dashboard.accessible()
        for chips in page.get_by_role("group", name="Status").all():
            box = chips.bounding_box()
            assert box is not None
            assert box["height"] >= FINGER, path
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Tasks").tap()
    dashboard.row("always_fails").first.tap()
    dashboard.heading("always_fails")
    dashboard.button("More").tap()
    page.get_by_role("dialog").get_by_role("link", name="Inbox").tap()
    page.get_by_role("list", name="Mails").get_by_role("link").first.tap()
    page.get_by_role("link", name="All mails").tap()
    expect(page.get_by_role("list", name="Mails")).to_be_visible()


def test_the_chosen_appearance_stays(admin: Dashboard) -> None:
    page = admin.page
    admin.goto("/settings")
    page.get_by_role("combobox", name="Appearance").click()
    page.get_by_role("option", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_everything_is_reached_by_keyboard(admin: Dashboard, system: System, addresses: list[str]) -> None:
    page, keys = admin.page, admin.page.keyboard
    admin.settled()
    keys.press("?")
    shortcuts = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(shortcuts).to_contain_text("Search and act")
    admin.accessible()
    keys.press("Escape")
    expect(shortcuts).to_have_count(0)

    keys.press("g")
    keys.press("t")
    admin.heading("Tasks")
    keys.press("/")
    expect(page.get_by_label("Task name")).to_be_focused()
    keys.type("always_fails")
    expect(page).to_have_url(re.compile("task_name=always_fails"))
    expect(page.locator("[data-row='0']")).to_contain_text("always_fails")
    expect(page.locator("[data-row]").filter(has_not_text="always_fails")).to_have_count(0)
    page.get_by_role("grid", name="Tasks").focus()
    keys.press("Enter")
    admin.heading("always_fails")

    keys.press("Control+k")
    palette = page.get_by_role("dialog", name="Search and act")
    expect(palette).to_be_visible()
    admin.accessible()
    keys.type("workers")
    expect(palette.get_by_role("option", selected=True)).to_have_text("Workers")
    keys.press("Enter")
    admin.heading("Workers")
    expect(palette).to_have_count(0)
    task_id = next(path for path in addresses if path.startswith("/tasks/")).removeprefix("/tasks/")
    keys.press("Control+k")
    keys.type(task_id)
    expect(palette.get_by_role("option", selected=True)).to_contain_text("Open task")
    keys.press("Enter")
    expect(page).to_have_url(f"{system.url}/tasks/{task_id}")
    expect(palette).to_have_count(0)
    listings: list[Route] = []

    def hold(listing: Route) -> None:
        listings.append(listing)

    page.route(re.compile("/api/v1/campaigns[?]"), hold)
    page.reload()  # the palette finds campaigns that no page has listed yet, also when they come after the typing
    admin.heading(re.compile(".+"))
    keys.press("Control+k")
    keys.type("summer")
    expect(palette.get_by_role("option", selected=True)).to_contain_text("Show tasks named")
    for listing in listings:
        listing.continue_()
    page.unroute(re.compile("/api/v1/campaigns[?]"))
    expect(palette.get_by_role("option", selected=True)).to_contain_text("Summer")
    keys.press("Enter")
    admin.heading("Summer")
    expect(palette).to_have_count(0)
    keys.press("c")
    admin.heading("New campaign")
