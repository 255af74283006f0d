"""`taskflow top`: queues, workers, rates and failures, live in the terminal."""

import asyncio
import sys
from typing import TYPE_CHECKING

import click

from taskflow.cli.client import Client, Output, speaks_http
from taskflow.cli.top.board import SORTS, Board

if TYPE_CHECKING:
    from taskflow.cli.top.source import Source


@click.command()
@click.option("--once", is_flag=True, help="Print the figures once, as text, and end.")
@click.option("--sort", type=click.Choice(SORTS), default=SORTS[0], show_default=True, help="Order of the queues.")
@speaks_http
def top(client: Client, output: Output, once: bool, sort: str) -> None:
    """Show queues, workers, rates and failures as they are now; q ends it.

    With --once, or where the output is no terminal, it prints the figures and ends; with --json as JSON.
    """
    from taskflow.cli.top.source import Source
    from taskflow.settings import ApiAccess

    source = Source(ApiAccess(client.url, client.key))
    if not (once or output.as_json) and sys.stdout.isatty():
        from taskflow.cli.top.app import Top

        Top(source, sort=sort).run()
        return
    board = asyncio.run(_look(source, sort))
    if output.as_json:
        output.thing(board.snapshot())
        return
    from rich.console import Console

    from taskflow.cli.top import panels

    console = Console(highlight=False)
    parts = {"tasks": panels.totals, "queues": panels.queues, "workers": panels.workers, "failures": panels.failures}
    for name, part in parts.items():
        console.rule(name, align="left", style="dim")
        console.print(part(board))


async def _look(source: "Source", sort: str) -> Board:
    """Ask for everything once."""
    board = Board(sort=sort)
    async with source:
        board.stats, board.workers, board.failures = await asyncio.gather(
            source.stats(), source.workers(), source.failures()
        )
    return board
