"""What an operator does: pause a worker, requeue dead letters, make mail fail, give access."""

import re
from uuid import uuid4

from playwright.sync_api import Locator, expect

from support.dashboard import Dashboard
from support.up import System
from support.waiting import eventually_sync


def test_a_paused_worker_takes_nothing_until_it_is_resumed(admin: Dashboard, system: System) -> None:
    page = admin.page
    admin.goto("/workers")
    expect(page.get_by_text(re.compile(r"2 workers running, \d+ of 15 slots busy"))).to_be_visible()
    worker = page.locator("[data-row]").filter(has_text="!messages")
    worker.click()
    drawer = page.get_by_role("dialog")
    expect(page).to_have_url(re.compile(r"worker="))
    admin.settled()
    admin.accessible()
    try:
        drawer.get_by_role("button", name="Pause").click()
        admin.toast("Worker takes no new tasks")
        expect(drawer).to_contain_text("Paused")
        waiting = system.submit("add", left=1, right=1)
        page.goto(f"{system.url}/tasks/{waiting}")
        expect(admin.header).to_contain_text("Pending")
        page.go_back()
        expect(worker).to_contain_text("Paused")  # the drawer has an address, and Back leads to it
    finally:
        drawer.get_by_role("button", name="Resume").click()
    admin.toast("Worker takes tasks again")
    assert system.ended(waiting)["result"]["result_data"] == 2
    page.keyboard.press("Escape")
    expect(worker).not_to_contain_text("Paused")


def test_dead_letters_are_read_and_requeued_one_selected_and_all(admin: Dashboard, system: System) -> None:
    page = admin.page
    tasks = [system.submit("fails_for_good") for _ in range(3)]
    for task_id in tasks:
        system.ended(task_id)
    letters = {
        letter["task_id"]: letter["dlq_id"]
        for letter in system.get("/dead-letters", task_name="fails_for_good", limit=500)["items"]
    }

    def row(task_id: str) -> Locator:
        """Find it by its letter: a task that has failed again is a new row above."""
        return page.locator("[data-row]").filter(has=page.locator(f"a[href='/dead-letters/{letters[task_id]}']"))

    def failed_again(task_id: str) -> None:
        """Ask the system: a note of the last time may still be on the page."""
        eventually_sync(lambda: system.get(f"/dead-letters/{letters[task_id]}")["requeued_at"], seconds=30, every=0.1)
        assert system.ended(task_id)["status"] == "FAILED"

    admin.goto("/")
    page.get_by_role("list", name="Needs attention").get_by_role("link", name="dead letter").click()
    page.get_by_label("Task name").fill("fails_for_good")
    expect(page).to_have_url(re.compile("task_name=fails_for_good"))
    expect(row(tasks[0])).to_contain_text("no use")
    row(tasks[0]).click()
    admin.heading("fails_for_good")
    expect(page.get_by_role("region", name="stack trace")).to_contain_text("NoRetry")
    admin.accessible()
    admin.button("Requeue").click()
    admin.toast("1 task waiting again")
    failed_again(tasks[0])
    page.go_back()
    row(tasks[1]).get_by_role("checkbox").check()
    admin.button("Requeue 1").click()
    expect(page.get_by_role("alertdialog")).to_contain_text("Requeue 1 dead letter?")
    page.get_by_role("alertdialog").get_by_role("button", name="Requeue").click()
    expect(page.get_by_text("1 dead letter selected")).to_have_count(0)
    failed_again(tasks[1])
    admin.button("Requeue all that match").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Requeue").click()
    admin.toast(re.compile(r"\d+ tasks? waiting again"))
    failed_again(tasks[2])


def test_a_rule_of_the_inbox_is_set_and_the_inbox_emptied(admin: Dashboard, system: System) -> None:
    page = admin.page
    system.mail("Subject: Hello there\r\n\r\nJust text.", to="someone@inbox.example")
    admin.goto("/inbox?q=someone%40inbox.example")
    page.get_by_role("list", name="Mails").get_by_role("link").first.click()
    expect(page.get_by_role("region", name="text part")).to_contain_text("Just text.")
    admin.button("Rules").click()
    admin.button("Add a rule").click()
    page.get_by_label("Pattern").last.fill("*@later.example")
    page.get_by_role("combobox", name="Answer").last.click()
    page.get_by_role("option", name="Defer (451)").click()
    page.get_by_label("How many times, empty for always").last.fill("2")
    admin.accessible()
    admin.button("Save rules").click()
    admin.toast("Rules saved")
    assert {"pattern": "*@later.example", "action": "defer", "times": 2} in system.get("/inbox/rules")
    admin.button("Empty").click()
    admin.button("Delete all mails").click()
    admin.toast("Inbox emptied")
    page.get_by_label("Search mails").fill("")
    expect(page.get_by_text("No mail yet")).to_be_visible()
    assert system.get("/inbox")["items"] == []


def test_an_administrator_gives_access_and_sees_who_did_what(admin: Dashboard, system: System) -> None:
    page = admin.page
    viewer = f"{uuid4().hex[:8]}@access.example"
    admin.goto("/settings/users")
    admin.button("Add user").click()
    page.get_by_label("E-mail").fill(viewer)
    page.get_by_label("First password").fill("a long enough one")
    page.get_by_role("dialog").get_by_role("button", name="Add user").click()
    admin.toast(f"{viewer} can sign in")
    page.get_by_role("navigation", name="Parts of the settings").get_by_role("button", name="API keys").click()
    admin.button("Create key").click()
    page.get_by_label("Name").fill("nightly import")
    page.get_by_role("dialog").get_by_role("button", name="Create key").click()
    expect(page.get_by_role("dialog")).to_contain_text(re.compile("tf_"))
    admin.button("Done").click()
    page.get_by_role("button", name="Audit log").click()
    expect(page.get_by_text("api_key.create").first).to_be_visible()
    expect(page.get_by_text("user.create").first).to_be_visible()


def test_a_viewer_is_shown_no_button_that_would_be_refused(dashboard: Dashboard, system: System) -> None:
    task_id = system.submit("fails_for_good")
    system.ended(task_id)
    dashboard.sign_in("viewer", at=f"/tasks/{task_id}")
    expect(dashboard.header).to_contain_text("Failed")
    expect(dashboard.button("Retry")).to_have_count(0)
    dashboard.goto("/campaigns")
    dashboard.settled()
    expect(dashboard.page.get_by_role("link", name="New campaign")).to_have_count(0)
    dashboard.goto("/campaigns/new")
    expect(dashboard.page.get_by_role("alert")).to_contain_text("Your role does not create campaigns")
    dashboard.goto("/settings/users")
    expect(dashboard.page.get_by_role("button", name="Add user")).to_have_count(0)
