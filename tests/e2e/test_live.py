"""A list is right and stays right, however its reading and its live connection fall out in time."""

from collections.abc import Callable

from playwright.sync_api import Route, WebSocket, expect

from support.dashboard import Dashboard
from support.up import System

LIST = "**/api/v1/tasks?limit=100"
TICKET = "**/api/v1/auth/ws-ticket"


def once(work: Callable[[], None]) -> Callable[[], None]:
    """Return what does the work at its first call only."""
    left = [work]
    return lambda: left.pop()() if left else None


def test_what_ends_while_the_list_is_read_comes_to_it(admin: Dashboard, system: System) -> None:
    page = admin.page
    fresh: list[str] = []
    heard: list[str] = []

    @once
    def end_a_task() -> None:
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
        fresh.append(system.submit("noop"))
        while not any(fresh[0] in frame for frame in heard):
            page.wait_for_timeout(20)  # the page hears of it while it waits for the answer

    def answer_late(route: Route) -> None:
        read = route.fetch()
        end_a_task()
        route.fulfill(response=read)

    def listen(socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: heard.append(str(frame)))

    page.on("websocket", listen)
    page.route(LIST, answer_late)
    admin.goto("/tasks")
    admin.settled()
    expect(admin.row(fresh[0][-8:])).to_contain_text("Completed")


def test_what_ends_between_reading_and_subscribing_comes_to_the_list(admin: Dashboard, system: System) -> None:
    page = admin.page
    fresh: list[str] = []

    @once
    def end_a_task() -> None:
        expect(page.get_by_role("grid", name="Tasks")).to_be_visible()
        fresh.append(system.submit("noop"))
        system.ended(fresh[0])

    def connect_late(route: Route) -> None:
        end_a_task()
        route.continue_()

    system.ended(system.submit("noop"))
    page.route(TICKET, connect_late)
    admin.goto("/tasks")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    expect(admin.row(fresh[0][-8:])).to_contain_text("Completed")


def test_what_ends_while_another_page_is_open_is_in_the_list_again(admin: Dashboard, system: System) -> None:
    navigation = admin.page.get_by_role("navigation", name="Main")
    system.ended(system.submit("noop"))
    admin.goto("/tasks")
    expect(admin.page.get_by_text("Live", exact=True)).to_be_visible()
    expect(admin.page.get_by_role("grid", name="Tasks")).to_be_visible()
    navigation.get_by_role("link", name="Workers").click()
    admin.heading("Workers")
    fresh = system.submit("noop")
    system.ended(fresh)
    navigation.get_by_role("link", name="Tasks").click()  # what was read a moment ago is still in the cache
    expect(admin.row(fresh[-8:])).to_contain_text("Completed")


def test_a_page_of_nothing_is_live_and_so_is_an_address_in_capitals(admin: Dashboard, system: System) -> None:
    page = admin.page
    admin.expected = "422"
    admin.goto("/tasks/nothing")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    task_id = system.post("/tasks", {"task_name": "always_fails", "args": {"word": "capitals"}, "max_retries": 1})[
        "task_id"
    ]
    admin.goto(f"/tasks/{task_id.upper()}")
    expect(admin.header).to_contain_text("Failed")
