"""A campaign's progress on the terminal: a bar where there is one, else a line a second; JSON lines for programs."""

import json
import sys
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from taskflow.cli.client import Client

ENDED = frozenset({"COMPLETED", "FAILED", "CANCELLED"})
_LINE_SECONDS = 1.0


def line(sums: dict[str, Any]) -> str:
    """Return `4,523 / 10,000 sent (45.23%)`, and what else there is to say."""
    total = sums["total"]
    share = 100 * sums["sent"] / total if total else 0.0
    rest = [
        f"{sums[name]:,} {name}"
        for name in ("failed", "deferred", "uncertain", "suppressed", "cancelled")
        if sums[name]
    ]
    text = f"{sums['sent']:,} / {total:,} sent ({share:.2f}%)"
    return ", ".join([text, *rest])


class ProgressDisplay:
    """Shows sums as they come; a context manager."""

    def __init__(self, *, as_json: bool = False) -> None:
        """Choose the form by where the output goes."""
        self._as_json = as_json
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._shown_at = 0.0
        self._shown = ""
        if not as_json and sys.stdout.isatty():
            self._bar = Progress(
                BarColumn(bar_width=32),
                TextColumn("{task.description}"),
                TextColumn("[dim]{task.fields[rate]}"),
                TimeElapsedColumn(),
                console=Console(highlight=False),
            )

    def __enter__(self) -> Self:
        """Open the bar."""
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.stop()

    def show(self, sums: dict[str, Any], status: str, *, last: bool = False) -> None:
        """Show these sums; without a terminal at most once a second, but the last ones always."""
        if self._as_json:
            click.echo(json.dumps({"status": status, **sums}))
            return
        text = line(sums) + (f"  {status.lower()}" if status not in ("RUNNING", "COMPLETED") else "")
        if self._bar is not None:
            done = sums["total"] - sums["pending"] - sums["deferred"]
            fields: dict[str, Any] = {"total": sums["total"] or None, "completed": done, "description": text}
            rate = f"{sums['rate_per_second']:,.0f}/s" if sums["rate_per_second"] else ""
            if self._task is None:
                self._task = self._bar.add_task(text, total=sums["total"] or None, rate=rate)
            self._bar.update(self._task, rate=rate, **fields)
        elif text != self._shown and (last or time.monotonic() - self._shown_at >= _LINE_SECONDS):
            click.echo(text)
            self._shown, self._shown_at = text, time.monotonic()


def follow(client: Client, campaign_id: str) -> Iterator[dict[str, Any]]:
    """Yield the campaign again and again, at once and whenever it has moved, until it has ended."""
    for event in client.events(f"campaign:{campaign_id}", "campaigns"):
        if event.type == "campaign.progress":
            data = event.data
            if data["status"] not in ENDED:
                yield {"status": data["status"], "progress": data}
                continue
        elif event.type != "resync" and event.data.get("campaign_id") != campaign_id:
            continue
        found = client.get(f"/campaigns/{campaign_id}")
        yield found
        if found["status"] in ENDED:
            return


def watch(client: Client, campaign_id: str, *, as_json: bool = False) -> dict[str, Any]:
    """Show a campaign until it has ended, and return it."""
    found: dict[str, Any] = {}
    with ProgressDisplay(as_json=as_json) as display:
        for found in follow(client, campaign_id):
            display.show(found["progress"], found["status"], last=found["status"] in ENDED)
    return found
