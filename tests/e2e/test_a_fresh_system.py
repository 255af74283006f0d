"""What somebody sees who has just started TaskFlow. Runs first: nothing has happened on the system yet."""

import re

from playwright.sync_api import expect

from support.dashboard import Dashboard
from support.up import System


def test_the_administrator_signs_in_with_the_generated_password_and_sees_what_to_do_first(
    dashboard: Dashboard, system: System
) -> None:
    page = dashboard.page
    dashboard.expected = "401"
    password = (system.home / "admin-password").read_text().strip()
    dashboard.goto("/workers")
    dashboard.fill_in_sign_in(system.rows["Sign in"], "not the password")
    expect(page.get_by_role("alert")).to_have_text("That e-mail and password do not match.")
    dashboard.accessible()
    dashboard.fill_in_sign_in(system.rows["Sign in"], password)
    dashboard.heading("Workers")  # the address that was asked for
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Overview").click()
    expect(page.get_by_text("Everything is working.")).to_be_visible()
    expect(page.get_by_role("link", name=re.compile("^Workers 2 0 of 15 slots busy"))).to_be_visible()
    expect(page.get_by_text("TaskFlow is ready")).to_be_visible()
    expect(page.get_by_text("taskflow task submit taskflow.echo message=hello --wait")).to_be_visible()
    page.reload()
    dashboard.heading("Overview")  # the session outlives a reload


EMPTY_PAGES = {
    "/campaigns": "No campaign yet",
    "/tasks": "No task has been submitted yet",
    "/dead-letters": "No dead letters",
    "/inbox": "No mail yet",
    "/tasks?status=RUNNING": "Nothing matches these filters",
    "/nowhere": "There is nothing at this address",
    "/tasks/01993f6a-7c2e-7d11-a5b8-3f60c1d2e9aa": "task_not_found",
}


def test_every_empty_page_says_what_comes_there(admin: Dashboard) -> None:
    admin.expected = "404"
    for path, says in EMPTY_PAGES.items():
        admin.goto(path)
        expect(admin.page.locator("main#content")).to_contain_text(says)
        admin.settled()
        admin.accessible()
