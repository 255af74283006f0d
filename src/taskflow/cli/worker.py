"""`taskflow worker`: run a node; and, as a group, look after the nodes that run."""

import asyncio

import click

from taskflow.base.logging import configure_logging
from taskflow.cli.configuration import load_settings
from taskflow.cli.task_modules import BUILT_IN
from taskflow.cli.worker_nodes import COMMANDS


@click.group(invoke_without_command=True)
@click.option("--processes", type=click.IntRange(1, 256), help="Child processes. [default: TASKFLOW_WORKER_PROCESSES]")
@click.option("--capacity", type=click.IntRange(1, 1000), help="Tasks that one child runs at a time.")
@click.option("--queues", help="Queues to serve, separated by commas; every queue by default.")
@click.option("--import", "imports", multiple=True, help="A module that defines tasks; may be repeated.")
@click.pass_context
def worker(
    context: click.Context,
    processes: int | None,
    capacity: int | None,
    queues: str | None,
    imports: tuple[str, ...],
) -> None:
    """Run a worker node; with a subcommand, list, pause, resume, drain and shut down nodes."""
    if context.invoked_subcommand is not None:
        return
    from taskflow.engine.worker.node import run

    settings = load_settings()
    configure_logging(settings.log.level, settings.log.format)
    changes: dict[str, object] = {"imports": [*BUILT_IN, *settings.worker.imports, *imports]}
    if processes is not None:
        changes["processes"] = processes
    if capacity is not None:
        changes["capacity"] = capacity
    if queues is not None:
        changes["queues"] = [name.strip() for name in queues.split(",") if name.strip()]
    settings = settings.model_copy(update={"worker": settings.worker.model_copy(update=changes)})
    asyncio.run(run(settings))


for command in COMMANDS:
    worker.add_command(command)
