"""The parts of the display as Rich renderables: the same for the live view and for `--once`."""

from collections.abc import Iterable
from datetime import UTC, datetime

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from taskflow.base.terminal import printable
from taskflow.cli.top.board import Board

_BLOCKS = " ▁▂▃▄▅▆▇█"
_STATUS = {
    "ACTIVE": "green", "IDLE": "green", "BUSY": "yellow", "PAUSED": "cyan", "DRAINING": "magenta", "DEAD": "red",
}  # fmt: skip
_NAMES = frozenset({"queue", "host", "queues", "task"})


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
    rows = board.queues()
    if not rows:
        return Text("No tasks yet.", "dim")
    table = _table("queue", "ready>", "waiting>", "running>", "backlog")
    most = max(row["ready"] for row in rows)
    for row in rows:
        paused = bool(row.get("paused"))
        table.add_row(
            _name(row["queue"] + (" (paused)" if paused else ""), "cyan" if paused else "bold"),
            f"{row['ready']:,}",
            _quiet(row["scheduled"]),
            Text(f"{row['running']:,}", "yellow" if row["running"] else "dim"),
            bar(row["ready"], most, 12, "blue"),
        )
    return table


def workers(board: Board) -> RenderableType:
    """Return the table of worker nodes."""
    if not board.workers:
        return Text("No worker node: start `taskflow worker`.", "dim")
    table = _table("host", "status", "load>", "", "queues", "beat>")
    for row in sorted(board.workers, key=lambda row: (row["status"] == "DEAD", row["hostname"], row["worker_id"])):
        table.add_row(
            _name(row["hostname"]),
            Text(row["status"].lower(), _STATUS.get(row["status"], "")),
            f"{row['current_load']}/{row['capacity']}",
            bar(row["current_load"], row["capacity"], 8, "yellow"),
            _name(", ".join(row["queues"]) or "all", "dim"),
            _age(row["last_heartbeat"]),
        )
    return table


def failures(board: Board, *, wide: bool = True) -> RenderableType:
    """Return the table of the newest failures; their ids only where there is room."""
    if not board.failures:
        return Text("None.", "dim")
    table = _table("ended>", "task", "queue", "how", "retries>", *(["id"] if wide else []))
    for row in board.failures:
        cells = (
            _age(row["completed_at"]),
            _name(row["task_name"], "bold"),
            _name(row["queue"]),
            Text(row["status"].lower(), "red" if row["status"] == "FAILED" else "yellow"),
            str(row["retry_count"]),
        )
        table.add_row(*cells, *([Text(row["task_id"], "dim")] if wide else []))
    return table


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


def bar(value: float, most: float, width: int, style: str) -> Text:
    """Return a bar; anything above nothing is seen."""
    eighths = round(width * 8 * min(1.0, value / most)) if most else 0
    full, rest = divmod(max(eighths, 1 if value else 0), 8)
    drawn = "█" * full + ("▏▎▍▌▋▊▉"[rest - 1] if rest else "")
    return Text.assemble((drawn, style), ("·" * (width - len(drawn)), "bright_black"))


def _table(*columns: str) -> Table:
    """Return a table; `>` behind a name aligns it to the right. Columns of names share the room that is left."""
    table = Table(box=None, expand=True, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for name in columns:
        flexible = name in _NAMES
        table.add_column(
            name.rstrip(">"),
            justify="right" if name.endswith(">") else "left",
            no_wrap=True,
            overflow="ellipsis",
            ratio=1 if flexible else None,
            min_width=None if flexible else max(len(name.rstrip(">")), 1),
        )
    return table


def _name(name: str, style: str = "") -> Text:
    return Text(printable(name), style, overflow="ellipsis", no_wrap=True)


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
