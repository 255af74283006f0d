"""`taskflow worker`: run a node; and, as a group, look after the nodes that run."""

import asyncio
from typing import Any

import click

from taskflow.base.logging import configure_logging
from taskflow.base.process import stand_back
from taskflow.cli.configuration import hand_down, load_settings
from taskflow.cli.task_modules import BUILT_IN
from taskflow.cli.worker_nodes import COMMANDS

_MOST_PROCESSES = 256


class ProcessRange(click.ParamType[tuple[int, int]]):
    """`MIN:MAX`, how many processes at least and at most."""

    name = "min:max"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Return both."""
        least, _, most = str(value).partition(":")
        if not (least.isdecimal() and most.isdecimal() and 1 <= int(least) <= int(most) <= _MOST_PROCESSES):
            self.fail(f"{value!r} is no range: write MIN:MAX, such as 1:8, up to {_MOST_PROCESSES}.", param, ctx)
        return int(least), int(most)


@click.group(invoke_without_command=True)
@click.option(
    "--processes", type=click.IntRange(1, _MOST_PROCESSES), help="Child processes. [default: TASKFLOW_WORKER_PROCESSES]"
)
@click.option(
    "--autoscale", type=ProcessRange(), help="From MIN processes to MAX, by need: 1:8. Instead of --processes."
)
@click.option("--capacity", type=click.IntRange(1, 1000), help="Tasks that one child runs at a time.")
@click.option("--queues", help="Queues, separated by commas; every one by default, '!messages' is every one but this.")
@click.option("--nice", "niceness", type=click.IntRange(0, 19), help="Stand back for others on this machine, so far.")
@click.option("--metrics-port", type=click.IntRange(0, 65535), help="Serve /metrics and /health there; 0: a free port.")
@click.option("--import", "imports", multiple=True, help="A module that defines tasks; may be repeated.")
@click.pass_context
def worker(
    context: click.Context,
    processes: int | None,
    autoscale: tuple[int, int] | None,
    capacity: int | None,
    queues: str | None,
    niceness: int | None,
    metrics_port: int | None,
    imports: tuple[str, ...],
) -> None:
    """Run a worker node; with a subcommand, list, pause, resume, drain and shut down nodes.

    A node works at TASKFLOW_DATABASE_URL and TASKFLOW_REDIS_URL, or beside the `taskflow up` that runs here.
    """
    if context.invoked_subcommand is not None:
        return
    from taskflow.delivery.metrics import FAMILIES
    from taskflow.engine.worker.node import run

    settings = load_settings(attach=True)
    hand_down(settings)
    configure_logging(settings.log.level, settings.log.format)
    changes: dict[str, object] = {"imports": [*BUILT_IN, *settings.worker.imports, *imports]}
    if processes is not None and autoscale is not None:
        raise click.UsageError("Give --processes or --autoscale, not both.")
    if processes is not None:
        changes |= {"processes": processes, "max_processes": None}
    if autoscale is not None:
        changes["processes"], changes["max_processes"] = autoscale
    if capacity is not None:
        changes["capacity"] = capacity
    if metrics_port is not None:
        changes["metrics_port"] = metrics_port
    if queues is not None:
        changes["queues"] = [name.strip() for name in queues.split(",") if name.strip()]
    settings = settings.model_copy(update={"worker": settings.worker.model_copy(update=changes)})
    if niceness:
        stand_back(niceness)
    asyncio.run(run(settings, FAMILIES))


for command in COMMANDS:
    worker.add_command(command)
