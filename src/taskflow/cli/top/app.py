"""The live view. It polls the API, counts ends on the event stream between two polls, and outlives restarts of the API.

A user may make a hundred requests a minute, so stats are asked for every two seconds, workers every four, failures only
when one was heard of, and now and then.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Footer, Static

from taskflow.base.errors import ForbiddenError, TaskFlowError, UnauthenticatedError
from taskflow.cli.top import panels
from taskflow.cli.top.board import Board
from taskflow.cli.top.source import Source

STATS_SECONDS = 2.0
WORKERS_SECONDS = 4.0
FAILURES_SECONDS = 15.0
_SOONEST_SECONDS = 3.0
_AGAIN_SECONDS = 1.0
_CHART_LINES = 4
_WIDE = 100
_TALL = 28


class Top(App[None]):
    """`taskflow top`."""

    CSS = """
    Screen { layout: vertical; background: $background; }
    #head { height: 1; padding: 0 1; background: $panel; color: $text; }
    .box { border: round $primary-darken-1; border-title-color: $text-accent; padding: 0 1; background: $background; }
    .box:focus { border: round $accent; }
    VerticalScroll { scrollbar-size-vertical: 1; }
    VerticalScroll > Static { padding-right: 1; }
    #totals { height: 4; }
    #chart { height: 6; }
    #middle { height: 1fr; min-height: 6; }
    #queues-box, #workers-box { width: 1fr; height: 100%; }
    #failures-box { height: 1fr; max-height: 16; }
    Screen.narrow #middle { layout: vertical; }
    Screen.narrow #queues-box, Screen.narrow #workers-box { width: 100%; height: 1fr; }
    Screen.short #chart { display: none; }
    Screen.short #failures-box { height: 6; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("p,space", "hold", "Pause", key_display="p"),
        Binding("s", "sort", "Sort queues"),
        Binding("r", "refresh", "Refresh"),
    ]
    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = ""
    TITLE = "TaskFlow"

    def __init__(self, source: Source, *, sort: str) -> None:
        """Show what `source` tells."""
        super().__init__()
        self.board = Board(sort=sort)
        self._source = source
        self._asked = {name: asyncio.Event() for name in ("stats", "workers", "failures")}

    def compose(self) -> ComposeResult:
        """Lay the parts out."""
        yield Static(id="head")
        yield _box(Static(id="totals", classes="box"), "tasks")
        yield _box(Static(id="chart", classes="box"), "completed each second")
        with Horizontal(id="middle"):
            yield _box(VerticalScroll(Static(id="queues"), id="queues-box", classes="box"), "queues")
            yield _box(VerticalScroll(Static(id="workers"), id="workers-box", classes="box"), "workers")
        yield _box(VerticalScroll(Static(id="failures"), id="failures-box", classes="box"), "newest failures")
        yield Footer()

    def on_mount(self) -> None:
        """Start asking and listening."""
        self.theme = "textual-dark"
        self.run_worker(self._poll("stats", self._source.stats, STATS_SECONDS))
        self.run_worker(self._poll("workers", self._source.workers, WORKERS_SECONDS))
        self.run_worker(self._poll("failures", self._source.failures, FAILURES_SECONDS))
        self.run_worker(self._listen())
        self.set_interval(1.0, self._tick)
        self.show()

    async def on_unmount(self) -> None:
        """Close the connections."""
        await self._source.__aexit__()

    def on_resize(self) -> None:
        """Fit the layout to the terminal."""
        self.screen.set_class(self.size.width < _WIDE, "narrow")
        self.screen.set_class(self.size.height < _TALL, "short")
        self.call_after_refresh(self.show)

    def action_hold(self) -> None:
        """Hold the display, or let it go on."""
        self.board.paused = not self.board.paused
        self.show(anyway=True)

    def action_sort(self) -> None:
        """Order the queues by something else."""
        self.board.sort_next()
        self.show(anyway=True)

    def action_refresh(self) -> None:
        """Ask for everything now."""
        for asked in self._asked.values():
            asked.set()

    def show(self, *, anyway: bool = False) -> None:
        """Draw what is known; nothing moves while it is paused."""
        if self.board.paused and not anyway:
            return
        board = self.board
        self.query_one("#head", Static).update(self._head())
        self.query_one("#totals", Static).update(panels.totals(board))
        chart = self.query_one("#chart", Static)
        chart.update(panels.chart(list(board.completed)[:-1], chart.content_size.width, _CHART_LINES, "green"))
        most = max(list(board.completed)[:-1], default=0)
        chart.border_subtitle = f"highest {most:,}"
        self.query_one("#queues", Static).update(panels.queues(board))
        self.query_one("#queues-box").border_subtitle = f"by {board.sort}"
        self.query_one("#workers", Static).update(panels.workers(board))
        self.query_one("#failures", Static).update(panels.failures(board, wide=self.size.width >= _WIDE))

    def _head(self) -> Text:
        board = self.board
        if board.trouble:
            state = Text(f"○ {board.trouble}", "bold red")
        elif board.paused:
            state = Text("‖ paused", "bold cyan")
        else:
            state = Text("● live", "green") if board.live else Text("◌ connecting", "yellow")
        clock = time.strftime("%H:%M:%S")
        title = Text.assemble((" TaskFlow ", "bold reverse"), (f"  {self._source.access.url}  ", "dim"), state)
        room = self.size.width - 2 - title.cell_len - len(clock)
        title.append(" " * max(1, room) + clock, "dim")
        title.no_wrap, title.overflow = True, "ellipsis"
        return title

    def _tick(self) -> None:
        self.board.tick()
        self.show()

    async def _poll(self, name: str, ask: Callable[[], Awaitable[Any]], seconds: float) -> None:
        """Ask again and again, whether or not there is an answer."""
        while True:
            try:
                setattr(self.board, name, await ask())
                self.board.trouble = ""
            except (UnauthenticatedError, ForbiddenError) as error:
                self.exit(return_code=4, message=f"taskflow: {error}")
                return
            except TaskFlowError as error:
                self.board.trouble = str(error).partition(": ")[0] + "; trying again"
            self.show()
            asked = self._asked[name]
            try:
                async with asyncio.timeout(_AGAIN_SECONDS if self.board.trouble else seconds):
                    await asked.wait()
            except TimeoutError:
                continue
            asked.clear()
            await asyncio.sleep(0 if name != "failures" else _SOONEST_SECONDS)

    async def _listen(self) -> None:
        """Count ends as they are heard, however often the socket breaks."""
        while True:
            try:
                async for event in self._source.ends():
                    self.board.live = True
                    if self.board.hear(event.data.get("status", "")):
                        self._asked["failures"].set()
            except TaskFlowError:
                self.board.live = False
            await asyncio.sleep(_AGAIN_SECONDS)


def _box(widget: Any, title: str) -> Any:
    widget.border_title = title
    return widget
