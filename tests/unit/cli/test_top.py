"""`taskflow top` on figures of our own: what it shows, its keys, sizes, and an API that goes and comes back."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Console
from textual.widgets import Static

from support.waiting import eventually
from taskflow.base.errors import UnauthenticatedError, UnavailableError
from taskflow.cli.top import app as app_module
from taskflow.cli.top import panels
from taskflow.cli.top.app import Top
from taskflow.cli.top.board import Board
from taskflow.engine.remote import LiveEvent
from taskflow.settings import ApiAccess


class Figures:
    """A source of figures that a test changes."""

    access = ApiAccess("http://127.0.0.1:8000", "key")

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.asked = 0
        self.events: asyncio.Queue[LiveEvent] = asyncio.Queue()
        self.queues = [
            {"queue": "default", "ready": 12_000, "scheduled": 0, "running": 8},
            {"queue": "images", "ready": 345, "scheduled": 500, "running": 2},
            {"queue": "a\x1b[31mtrap", "ready": 0, "scheduled": 0, "running": 9},
        ]
        self.failed: list[dict[str, Any]] = []

    async def __aexit__(self, *_: object) -> None:
        self.closed = True

    def _answer(self, answer: Any) -> Any:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return answer

    async def stats(self) -> Any:
        states = {"PENDING": 12_345, "RUNNING": 19, "SCHEDULED": 497, "BLOCKED": 3}
        return self._answer(
            {
                "tasks": {
                    "by_status": states,
                    "queues": self.queues,
                    "completed_per_second": 7.5,
                    "failed_last_hour": 3,
                },
                "workers": {"active": 2, "capacity": 20, "load": 10},
                "dead_letters": 1,
            }
        )

    async def workers(self) -> Any:
        beat = datetime.now(UTC)
        rows = [("worker-a", "BUSY", 8, []), ("worker-b", "PAUSED", 2, ["images"])]
        return self._answer(
            [
                {"worker_id": host, "hostname": host, "status": status, "current_load": load, "capacity": 10,
                 "queues": queues, "last_heartbeat": (beat - timedelta(seconds=4)).isoformat()}
                for host, status, load, queues in rows
            ]
        )  # fmt: skip

    async def failures(self) -> Any:
        return self._answer(self.failed)

    async def ends(self) -> AsyncIterator[LiveEvent]:
        yield LiveEvent("", "resync", {}, None)
        while True:
            yield await self.events.get()

    def end(self, status: str) -> None:
        self.events.put_nowait(LiveEvent("tasks", "task.status", {"task_id": "x", "status": status}, None))


def text_of(top: Top, part: str) -> str:
    """Return what a part of the display shows."""
    console = Console(width=110, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123 - nobody reads it
    console.print(top.query_one(part, Static).content)
    console.file.close()
    return console.export_text()


async def test_it_shows_queues_workers_and_totals() -> None:
    top = Top(Figures(), sort="busy")  # type: ignore[arg-type]  # figures of our own
    async with top.run_test(size=(120, 36)):
        await eventually(lambda: "12,000" in text_of(top, "#queues"))
        await eventually(lambda: "worker-b" in text_of(top, "#workers"))
        assert "\x1b[31m" not in str(text_of(top, "#queues"))
        assert "12,345" in text_of(top, "#totals")
        assert "10 of 20" in text_of(top, "#totals")
        assert "None." in text_of(top, "#failures")


async def test_keys_sort_hold_and_quit() -> None:
    figures = Figures()
    top = Top(figures, sort="busy")  # type: ignore[arg-type]  # figures of our own
    async with top.run_test(size=(120, 36)) as pilot:
        await eventually(lambda: "12,000" in text_of(top, "#queues"))
        await pilot.press("s", "s")
        assert top.board.sort == "running"
        assert text_of(top, "#queues").index("trap") < text_of(top, "#queues").index("default")
        await pilot.press("p")
        assert "paused" in text_of(top, "#head")
        shown = text_of(top, "#queues")
        figures.queues[0]["ready"] = 99_999
        await pilot.press("r")
        await eventually(lambda: top.board.stats and top.board.stats["tasks"]["queues"][0]["ready"] == 99_999)
        assert text_of(top, "#queues") == shown
        await pilot.press("p")
        assert "99,999" in text_of(top, "#queues")
        await pilot.press("q")
    assert top.return_code == 0
    assert figures.closed


async def test_it_fits_any_terminal() -> None:
    top = Top(Figures(), sort="busy")  # type: ignore[arg-type]  # figures of our own
    async with top.run_test(size=(120, 36)) as pilot:
        for size in ((80, 24), (40, 10), (200, 60), (20, 5)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert top.screen.has_class("narrow")
        assert top.screen.has_class("short")
        await eventually(lambda: "default" in text_of(top, "#queues"))


async def test_ends_are_counted_as_they_are_heard_and_failures_looked_up(monkeypatch: Any) -> None:
    monkeypatch.setattr(app_module, "_SOONEST_SECONDS", 0.01)
    figures = Figures()
    top = Top(figures, sort="busy")  # type: ignore[arg-type]  # figures of our own
    async with top.run_test(size=(120, 36)):
        await eventually(lambda: top.board.live)
        figures.failed = [
            {"completed_at": datetime.now(UTC).isoformat(), "task_name": "resize", "queue": "images",
             "status": "FAILED", "retry_count": 5, "task_id": "01a200e1"}
        ]  # fmt: skip
        for status in ("COMPLETED", "COMPLETED", "RUNNING", "FAILED"):
            figures.end(status)
        await eventually(lambda: sum(top.board.completed) == 2 and sum(top.board.failed) == 1)
        await eventually(lambda: "resize" in text_of(top, "#failures"))


async def test_it_outlives_an_api_that_restarts(monkeypatch: Any) -> None:
    monkeypatch.setattr(app_module, "_AGAIN_SECONDS", 0.01)
    figures = Figures()
    top = Top(figures, sort="busy")  # type: ignore[arg-type]  # figures of our own
    async with top.run_test(size=(120, 36)) as pilot:
        await eventually(lambda: "12,000" in text_of(top, "#queues"))
        figures.error = UnavailableError("No answer from http://127.0.0.1:8000: refused")
        await pilot.press("r")
        await eventually(lambda: "trying again" in text_of(top, "#head"))
        assert "12,000" in text_of(top, "#queues")  # the last that was known
        figures.error = None
        await eventually(lambda: "trying again" not in text_of(top, "#head"))


async def test_a_key_that_is_refused_ends_it() -> None:
    figures = Figures()
    figures.error = UnauthenticatedError("no")
    top = Top(figures, sort="busy")  # type: ignore[arg-type]  # figures of our own
    async with top.run_test():
        await eventually(lambda: not top.is_running or top.return_code == 4)
    assert top.return_code == 4


def test_the_rate_is_of_full_seconds_that_were_heard() -> None:
    board = Board(stats={"tasks": {"completed_per_second": 7.5, "queues": []}})
    assert board.rate() == 7.5
    board.live = True
    for ends in (10, 20, 30, 40, 50):
        for _ in range(ends):
            board.hear("COMPLETED")
        board.tick()
    board.hear("COMPLETED")  # the present second is not over
    assert board.rate() == 30.0


def test_charts_and_bars_keep_their_size() -> None:
    assert panels.chart([0, 4, 8], 5, 2, "").plain == "    █\n   ██"
    assert panels.chart([], 3, 1, "").plain == "   "
    assert [panels.bar(value, 8, 4, "").plain for value in (0, 0.001, 4, 8, 80)] == [
        "····",
        "▏···",
        "██··",
        "████",
        "████",
    ]
    assert panels.bar(3, 0, 4, "").plain == "▏···"
