"""(b) Latency: how long after `enqueue` was called a task's body runs, and its end is committed and announced.

200 tasks a second, evenly spaced and not waiting for each other, from one client process to one node with two worker
processes. Submit and body read the machine's monotonic clock. The end is the time that Valkey gives to the event,
which the worker publishes after its commit; that clock counts whole milliseconds.
"""

import asyncio
import statistics
import time
from typing import Any

from benchmarks import tasks
from benchmarks.engine import PROCESSES
from benchmarks.figures import Figures
from benchmarks.options import Options
from benchmarks.system import WORK, Servers, System, until
from taskflow.engine import Engine

RATE = 200
_WARM_UP = 100
_LONGEST = 60.0


async def run(servers: Servers, options: Options, figures: Figures) -> None:
    """Run every round."""
    for _ in range(options.runs):
        await _round(servers, options, figures)


async def _round(servers: Servers, options: Options, figures: Figures) -> None:
    stamps = WORK / "stamps"
    stamps.unlink(missing_ok=True)
    environment = {"TASKFLOW_WORKER_IMPORTS": '["benchmarks.tasks"]', "BENCH_STAMPS": str(stamps)}
    async with System.fresh(servers, **environment) as system:
        await system.start_coordinator()
        await system.start("worker", "--processes", str(PROCESSES))
        await system.wait_for_workers(PROCESSES)
        await servers.settle()
        engine = Engine(system.database, system.broker)
        await _submit(engine, _WARM_UP, first=-_WARM_UP)
        count = int(RATE * options.latency_seconds)
        offset = time.time() - time.monotonic()
        submitted = await _submit(engine, count, first=0)

        async def all_announced() -> bool:
            return len(await _ends(system)) >= count + _WARM_UP

        await until(all_announced, _LONGEST, "the last task")
        ends, bodies = await _ends(system), _bodies(stamps.read_bytes())
    for metric, values in {
        "engine.latency": sorted(bodies[number] - began for number, (began, _) in submitted.items()),
        "engine.latency.committed": sorted(ends[task_id] - offset - began for began, task_id in submitted.values()),
    }.items():
        figures.add(f"{metric}.p50_ms", 1000 * statistics.median(values), "ms")
        figures.add(f"{metric}.p99_ms", 1000 * values[int(len(values) * 0.99)], "ms")
    figures.add("engine.latency.max_ms", 1000 * max(bodies[n] - began for n, (began, _) in submitted.items()), "ms")


async def _submit(engine: Engine, count: int, *, first: int) -> dict[int, tuple[float, str]]:
    """Enqueue at the rate; return for each number when (monotonic) and as which task."""
    submitted: dict[int, tuple[float, str]] = {}

    async def one(number: int) -> None:
        began = time.monotonic()
        handle = await engine.enqueue(tasks.stamp, number=number)
        submitted[number] = (began, str(handle.task_id))

    start = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for index in range(count):
            await asyncio.sleep(max(0.0, start + index / RATE - time.monotonic()))
            group.create_task(one(first + index))
    return submitted


def _bodies(raw: bytes) -> dict[int, float]:
    """Return when each measured body ran; the warm-up has negative numbers."""
    whole = raw[: len(raw) - len(raw) % tasks.STAMP.size]
    return {number: at for number, at in tasks.STAMP.iter_unpack(whole) if number >= 0}


async def _ends(system: System) -> dict[str, float]:
    """Return when (Unix seconds) each task's end was announced."""
    events: Any = await system.broker.redis.xrange(system.broker.keys.events)
    return {fields["task_id"]: int(name.partition("-")[0]) / 1000 for name, fields in events if fields.get("task_id")}
