"""The parts of the display as Rich renderables: the same for the live view and for `--once`."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from taskflow.base.terminal import printable
from taskflow.cli.top.board import Board

_BLOCKS = " ▁▂▃▄▅▆▇█"
_STATUS = {
    "ACTIVE": "green", "IDLE": "green", "BUSY": "yellow", "PAUSED": "cyan", "DRAINING": "magenta", "DEAD": "red",
}  # fmt: skip
_BAR = 12


def totals(board: Board) -> RenderableType:
    """Return the figures of everything together."""
    tasks = board.stats["tasks"] if board.stats else {}
    states = tasks.get("by_status", {})
    waiting = states.get("SCHEDULED", 0) + states.get("BLOCKED", 0)
    workers = board.stats["workers"] if board.stats else {}
    failed, dead = tasks.get("failed_last_hour", 0), (board.stats or {}).get("dead_letters", 0)
    grid = Table.grid(padding=(0, 2), expand=True)
    for _ in range(4):
        grid.add_column(style="dim")
        grid.add_column(justify="right")
    grid.add_row(
        *("done/s", Text(f"{board.rate():,.1f}", "bold green")),
        *("ready", Text(f"{states.get('PENDING', 0):,}", "bold")),
        *("nodes", f"{workers.get('active', 0):,}"),
        *("failed, 1 h", _alarm(failed)),
    )
    grid.add_row(
        *("running", Text(f"{states.get('RUNNING', 0):,}", "bold yellow")),
        *("waiting", f"{waiting:,}"),
        *("load", f"{workers.get('load', 0):,} of {workers.get('capacity', 0):,}"),
        *("dead letters", _alarm(dead)),
    )
    return grid


def queues(board: Board) -> RenderableType:
    """Return the table of queues, with a bar for the share of the largest backlog."""
    table = _table(
        ("queue", "left"), ("ready", "right"), ("waiting", "right"), ("running", "right"), ("backlog", "left")
    )
    rows = board.queues()
    most = max((row["ready"] for row in rows), default=0)
    for row in rows:
        paused = bool(row.get("paused"))
        name = Text(printable(row["queue"]), "cyan" if paused else "bold", overflow="ellipsis", no_wrap=True)
        table.add_row(
            name + Text(" paused", "cyan") if paused else name,
            f"{row['ready']:,}",
            _quiet(row["scheduled"]),
            Text(f"{row['running']:,}", "yellow" if row["running"] else "dim"),
            bar(row["ready"], most, "blue"),
        )
    return table if rows else Text("No tasks yet.", "dim")


def workers(board: Board) -> RenderableType:
    """Return the table of worker nodes."""
    table = _table(
        ("host", "left"), ("status", "left"), ("load", "right"), ("", "left"), ("queues", "left"), ("beat", "right")
    )
    for row in sorted(board.workers, key=lambda row: (row["status"] == "DEAD", row["hostname"], row["worker_id"])):
        table.add_row(
            Text(printable(row["hostname"]), overflow="ellipsis", no_wrap=True),
            Text(row["status"].lower(), _STATUS.get(row["status"], "")),
            f"{row['current_load']}/{row['capacity']}",
            bar(row["current_load"], row["capacity"], "yellow"),
            Text(printable(", ".join(row["queues"])) or "all", "dim", overflow="ellipsis", no_wrap=True),
            _age(row["last_heartbeat"]),
        )
    return table if board.workers else Text("No worker node: start `taskflow worker`.", "dim")


def failures(board: Board) -> RenderableType:
    """Return the table of the newest failures."""
    table = _table(
        ("ended", "right"), ("task", "left"), ("queue", "left"), ("how", "left"), ("retries", "right"), ("id", "left")
    )
    for row in board.failures:
        table.add_row(
            _age(row["completed_at"]),
            Text(printable(row["task_name"]), "bold", overflow="ellipsis", no_wrap=True),
            Text(printable(row["queue"]), overflow="ellipsis", no_wrap=True),
            Text(row["status"].lower(), "red" if row["status"] == "FAILED" else "yellow"),
            f"{row['retry_count']}",
            Text(row["task_id"], "dim", no_wrap=True),
        )
    return table if board.failures else Text("None.", "dim")


def chart(values: Iterable[float], width: int, height: int, style: str) -> Text:
    """Return values as columns of blocks, the newest at the right; the highest one reaches the top."""
    shown = list(values)[-width:] if width > 0 else []
    shown = [0.0] * (width - len(shown)) + shown
    most = max(shown, default=0) or 1
    lines = []
    for line in range(height - 1, -1, -1):
        levels = (value / most * height - line for value in shown)
        lines.append("".join(_BLOCKS[max(0, min(8, round(level * 8)))] for level in levels))
    return Text("\n".join(lines), style)


def bar(value: float, most: float, style: str) -> Text:
    """Return a bar of a fixed width."""
    eighths = round(_BAR * 8 * min(1.0, value / most)) if most else 0
    if value and not eighths:
        eighths = 1
    full, rest = divmod(eighths, 8)
    drawn = "█" * full + ("▏▎▍▌▋▊▉"[rest - 1] if rest else "")
    return Text(drawn, style) + Text("·" * (_BAR - len(drawn)), "bright_black")


def _table(*columns: tuple[str, Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, expand=True, padding=(0, 1), header_style="dim", show_edge=False)
    for name, justify in columns:
        table.add_column(name, justify=justify, no_wrap=True)
    return table


def _alarm(count: int) -> Text:
    return Text(f"{count:,}", "bold red" if count else "green")


def _quiet(count: int) -> Text:
    return Text(f"{count:,}", "" if count else "dim")


def _age(moment: str | None) -> Text:
    if moment is None:
        return Text("-", "dim")
    seconds = max(0.0, (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds())
    for limit, unit, size in ((90, "s", 1), (5400, "min", 60), (129_600, "h", 3600)):
        if seconds < limit:
            return Text(f"{seconds / size:.0f} {unit}", "dim" if unit != "s" else "")
    return Text(f"{seconds / 86_400:.0f} d", "dim")
