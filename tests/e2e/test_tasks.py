"""The operator's page: find a task, see why it failed, do something about it."""

import re
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import uuid4

from playwright.sync_api import expect

from support.dashboard import Dashboard
from support.up import System

TEN_THOUSAND = """
INSERT INTO tasks (task_id, task_name, queue, dispatch_key, status, created_at, started_at, completed_at)
SELECT uuidv7_of.id, 'many.rows', $1::text, $1, 'COMPLETED', at, at, at + interval '1 second'
FROM generate_series(1, 10000) AS n,
LATERAL (SELECT now() - interval '3 hours' + n * interval '1 second' AS at) AS instant,
LATERAL (SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7000'
                 || '8' || substr(md5($1 || n), 1, 15))::uuid AS id) AS uuidv7_of
"""
MANY = 10_000
FEW = 200  # a list up to this length is not virtual
REQUESTS = 30  # of the hundred that a user may make in a minute


def test_filters_live_in_the_address_and_back_leads_to_them(admin: Dashboard, system: System) -> None:
    page = admin.page
    failed = system.submit("fails_for_good")
    done = system.submit("add", left=1, right=2)
    system.ended(failed)
    system.ended(done)
    admin.goto("/tasks")
    expect(admin.row(failed[-8:])).to_contain_text("Failed")
    page.get_by_role("group", name="Status").get_by_role("button", name="Failed").click()
    expect(page).to_have_url(re.compile(r"/tasks\?status=FAILED$"))
    expect(admin.row(done[-8:])).to_have_count(0)
    page.get_by_label("Task name").fill("fails_for_good")
    expect(page).to_have_url(re.compile(r"task_name=fails_for_good"))
    page.get_by_role("combobox", name="Created").click()
    page.get_by_role("option", name="Last hour").click()
    expect(page).to_have_url(re.compile(r"since=1h"))
    filtered = page.url
    admin.row(failed[-8:]).click()
    admin.heading("fails_for_good")
    page.go_back()
    expect(page).to_have_url(filtered)
    expect(admin.row(failed[-8:])).to_be_visible()
    expect(page.get_by_label("Task name")).to_have_value("fails_for_good")
    page.goto(filtered)  # the same link in another hand
    expect(admin.row(failed[-8:])).to_be_visible()
    expect(admin.row(done[-8:])).to_have_count(0)


def test_tags_are_a_filter_that_lives_in_the_address(admin: Dashboard, system: System) -> None:
    page = admin.page
    tenant = uuid4().hex
    both = system.post("/tasks", {"task_name": "noop", "tags": [tenant, "a b"]})["task_id"]
    one = system.post("/tasks", {"task_name": "noop", "tags": [tenant]})["task_id"]
    other = system.post("/tasks", {"task_name": "noop"})["task_id"]
    admin.goto("/tasks")
    expect(admin.row(other[-8:])).to_be_visible()
    page.get_by_label("Tags").fill(tenant)
    expect(page).to_have_url(re.compile(rf"tag={tenant}$"))
    expect(admin.row(other[-8:])).to_have_count(0)
    expect(admin.row(one[-8:])).to_be_visible()
    page.get_by_label("Tags").fill(f"{tenant}, a b")
    expect(admin.row(one[-8:])).to_have_count(0)
    admin.row(both[-8:]).click()
    page.get_by_role("link", name=tenant).click()  # a task's tags lead to the others
    expect(page.get_by_label("Tags")).to_have_value(tenant)
    expect(admin.row(one[-8:])).to_be_visible()


def test_all_that_carry_a_tag_are_cancelled(admin: Dashboard, system: System) -> None:
    page = admin.page
    tenant = uuid4().hex
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    task = {"task_name": "noop", "scheduled_at": later}
    marked = {**task, "tags": [tenant]}
    system.post("/tasks/bulk", {"tasks": [marked] * 101})
    spared = system.post("/tasks", task)["task_id"]
    admin.goto(f"/tasks?tag={tenant}")
    page.get_by_label("Select all loaded rows").check()
    admin.button("Select all that match").click()
    admin.button("Cancel all").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Cancel all").click()
    admin.toast("101 tasks cancelled")
    assert system.get(f"/tasks/{spared}")["status"] == "SCHEDULED"


def test_a_task_shows_what_it_waits_for_and_what_waits_for_it(admin: Dashboard, system: System) -> None:
    page = admin.page
    parts = [{"name": name, "task_name": "add", "args": {"left": 1, "right": 2}} for name in ("a", "b")]
    total = {"name": "total", "task_name": "collect", "results": {"numbers": ["a", "b"]}}
    later = {"name": "later", "task_name": "noop", "after": ["total"]}
    ids = system.post("/tasks/graph", {"tasks": [*parts, total, later]})["task_ids"]
    system.ended(ids["later"])
    admin.goto(f"/tasks/{ids['total']}")
    expect(page.get_by_role("link", name=ids["a"][-8:])).to_contain_text("result as numbers")
    expect(page.get_by_text("None of its own.")).to_be_visible()
    admin.settled()
    admin.accessible()
    page.get_by_role("link", name=ids["later"][-8:]).click()
    admin.heading("noop")
    expect(page.get_by_role("link", name=ids["total"][-8:])).to_contain_text("Completed")


def test_a_failed_task_shows_its_attempts_logs_and_stack_and_is_retried(admin: Dashboard, system: System) -> None:
    page = admin.page
    body = {"task_name": "always_fails", "args": {"word": "kaboom"}, "max_retries": 2}
    task_id = system.post("/tasks", body)["task_id"]
    admin.goto(f"/tasks/{task_id}")
    header = admin.header
    expect(page.get_by_text("3 attempts, up to 3")).to_be_visible()  # live, without a reload
    expect(header).to_contain_text("Failed")
    expect(page.get_by_role("region", name="stack trace")).to_contain_text("ValueError: kaboom")
    expect(page.get_by_role("region", name="Log lines").get_by_role("listitem")).to_have_count(3)
    expect(page.get_by_role("region", name="Log lines")).to_contain_text("about to fail over kaboom")
    expect(page.get_by_role("region", name="arguments")).to_contain_text('"word": "kaboom"')
    admin.settled()
    admin.accessible()
    admin.button("Retry").click()
    admin.toast("Task is waiting again")
    expect(header).not_to_contain_text("Failed")
    assert system.ended(task_id)["status"] == "FAILED"
    expect(header).to_contain_text("Failed")
    expect(page.get_by_text("6 attempts", exact=True)).to_be_visible()


def test_a_task_that_waits_and_one_that_runs_are_cancelled(admin: Dashboard, system: System) -> None:
    running = system.submit("sleeps", seconds=600)
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    waiting = system.post("/tasks", {"task_name": "noop", "args": {}, "scheduled_at": later})
    for task_id, state in ((waiting["task_id"], "Scheduled"), (running, "Running")):
        admin.goto(f"/tasks/{task_id}")
        header = admin.header
        expect(header).to_contain_text(state)
        admin.button("Cancel").click()
        admin.button("Cancel task").click()
        expect(header).to_contain_text("Cancelled")
        assert system.ended(task_id)["status"] == "CANCELLED"


def test_selected_tasks_are_cancelled_together(admin: Dashboard, system: System) -> None:
    page = admin.page
    queue = uuid4().hex
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    task = {"task_name": "noop", "args": {}, "scheduled_at": later, "queue": queue}
    system.post("/tasks/bulk", {"tasks": [task] * 3})
    admin.goto(f"/tasks?queue={queue}")
    expect(admin.row("noop")).to_have_count(3)
    page.get_by_label("Select all loaded rows").check()
    expect(page.get_by_text("3 tasks selected")).to_be_visible()
    admin.button("Cancel 3").click()
    admin.accessible()
    admin.button("Cancel 3 tasks").click()
    admin.toast("3 tasks cancelled")
    expect(admin.row("Cancelled")).to_have_count(3)


def test_all_tasks_that_match_are_cancelled_also_those_that_are_not_loaded(admin: Dashboard, system: System) -> None:
    page = admin.page
    queue = uuid4().hex
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    task = {"task_name": "noop", "args": {}, "scheduled_at": later, "queue": queue}
    system.post("/tasks/bulk", {"tasks": [task] * 130})
    admin.goto(f"/tasks?queue={queue}")
    page.get_by_label("Select all loaded rows").check()
    expect(page.get_by_text("100 tasks selected")).to_be_visible()
    admin.button("Select all that match").click()
    expect(admin.button("Cancel all")).to_be_visible()
    admin.accessible()
    admin.button("Cancel all").click()
    asked = page.get_by_role("alertdialog")
    expect(asked).to_contain_text("Cancel all that match (more than 100 tasks)?")
    asked.get_by_role("button", name="Cancel all").click()
    admin.toast("130 tasks cancelled")
    expect(page.locator("[data-row='0']")).to_contain_text("Cancelled")
    assert len(system.get("/tasks", queue=queue, status="CANCELLED", limit=500)["items"]) == 130


def test_ten_thousand_tasks_scroll_by_with_few_rows_on_the_page(admin: Dashboard, system: System) -> None:
    page = admin.page
    queue = uuid4().hex
    system.execute(TEN_THOUSAND, queue)
    requests = count()
    page.on("request", lambda request: "/api/v1/tasks?" in request.url and next(requests))
    admin.goto(f"/tasks?queue={queue}")
    grid = page.get_by_role("grid", name="Tasks")
    rows = page.locator("[data-row]")
    expect(rows.first).to_be_visible()
    while (count_before := grid.get_attribute("aria-rowcount")) != str(MANY + 1):
        grid.press("End")
        expect(grid).not_to_have_attribute("aria-rowcount", str(count_before))
        assert rows.count() <= FEW
    grid.press("End")
    expect(page.locator(f"[data-row='{MANY - 1}']")).to_be_visible()
    grid.press("Home")
    expect(page.locator("[data-row='0']")).to_be_visible()
    assert next(requests) < REQUESTS
