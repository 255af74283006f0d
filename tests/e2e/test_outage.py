"""The API goes away under an open dashboard, and comes back."""

from playwright.sync_api import expect

from support.dashboard import Dashboard
from support.up import System


def test_a_lost_connection_is_told_and_everything_recovers_by_itself(admin: Dashboard, system: System) -> None:
    page = admin.page
    admin.expected = "ERR_|WebSocket|502|503"
    task_id = system.submit("noop")
    system.ended(task_id)
    admin.goto("/tasks")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    expect(admin.row(task_id[-8:])).to_be_visible()
    with system.without_api():
        expect(page.get_by_text("Connection lost. What you see may be old.")).to_be_visible()
        expect(admin.row(task_id[-8:])).to_be_visible()  # old news is better than none
        page.get_by_role("navigation", name="Main").get_by_role("link", name="Dead letters").click()
        failed = page.get_by_role("alert")
        expect(failed).to_contain_text("unreachable")
        admin.accessible()
    expect(failed).to_have_count(0)
    admin.heading("Dead letters")
    admin.settled()
    expect(page.get_by_text("Connection lost.")).to_have_count(0)
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Tasks").click()
    fresh = system.submit("noop")
    expect(admin.row(fresh[-8:])).to_contain_text("Completed")  # live again, without a reload


def test_an_address_opened_while_the_server_is_away_says_so_and_leads_on(admin: Dashboard, system: System) -> None:
    page = admin.page
    admin.expected = "ERR_|WebSocket|502|503"
    page.evaluate("async () => void (await navigator.serviceWorker.ready)")
    with system.without_api():
        admin.goto("/tasks?status=FAILED")
        admin.heading("TaskFlow cannot be reached")
        admin.accessible()
    page.get_by_role("link", name="Try again").click()
    admin.heading("Tasks")
    expect(page).to_have_url(f"{system.url}/tasks?status=FAILED")
