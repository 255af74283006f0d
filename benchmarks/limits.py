"""(f) Limits: what they cost, and that they hold.

The same tasks that do nothing are drained three times: without a limit; each of 50 tenants with a limit that is never
reached, which is the price of counting; and with a limit of 2 each, which leaves at most a hundred tasks under way. One
node with two worker processes runs them, as everywhere. Then tasks of 5 ms write down when they begin and end, on two
nodes one of which is killed half-way: never more than 2 of a tenant at once.
"""

import os
import signal
import time
from collections import Counter
from typing import Any

from benchmarks import tasks
from benchmarks.engine import PROCESSES
from benchmarks.figures import Figures
from benchmarks.options import Options
from benchmarks.system import WORK, Servers, System, until
from taskflow.engine import Engine, Task

KEYS = 50
LIMIT = 2
_PIECE = 5_000
_LONGEST = 600.0
_DRAINS: tuple[tuple[str, Task[..., Any]], ...] = (
    ("limits.free.tasks_per_s", tasks.free),
    ("limits.counted.tasks_per_s", tasks.counted),
    ("limits.limited.tasks_per_s", tasks.limited),
)


async def run(servers: Servers, options: Options, figures: Figures) -> None:
    """Run every round."""
    for number in range(options.runs):
        for metric, task in _DRAINS[number % 3 :] + _DRAINS[: number % 3]:
            figures.add(metric, await _drain(servers, task, options.limited_tasks), "tasks/s")
        figures.add("limits.most_at_once", await _most_at_once(servers, options.limited_tasks), "tasks")
    figures.ratio("limits.cost_ratio", "limits.limited.tasks_per_s", "limits.free.tasks_per_s")
    figures.ratio("limits.counting_ratio", "limits.counted.tasks_per_s", "limits.free.tasks_per_s")


async def _drain(servers: Servers, task: Task[..., Any], count: int) -> float:
    """Return how many tasks a second one node runs."""
    async with System.fresh(servers, TASKFLOW_WORKER_IMPORTS='["benchmarks.tasks"]') as system:
        await system.start_coordinator()
        await _enqueue(system, task, count)
        await servers.settle()
        await system.start("worker", "--processes", str(PROCESSES))
        await until(lambda: _done(system, count), _LONGEST, "the last task", every=0.2)
        seconds: float = await system.database.pool.fetchval(
            "SELECT extract(epoch FROM max(completed_at) - min(started_at))::float8 FROM tasks"
        )
    return count / seconds


async def _most_at_once(servers: Servers, count: int) -> int:
    """Return how many tasks of one tenant ever ran at once, while one of two nodes is killed."""
    stamps = WORK / "stamps"
    stamps.unlink(missing_ok=True)
    stamps.touch()
    environment = {
        "TASKFLOW_WORKER_IMPORTS": '["benchmarks.tasks"]',
        "BENCH_STAMPS": str(stamps),
        "TASKFLOW_WORKER_HEARTBEAT_SECONDS": "0.5",
        "TASKFLOW_WORKER_CAPACITY": "25",
        "TASKFLOW_COORDINATOR_DEAD_AFTER_SECONDS": "2",
    }
    async with System.fresh(servers, **environment) as system:
        await system.start_coordinator()
        await _enqueue(system, tasks.witnessed, count)
        doomed = await system.start("worker", "--processes", str(PROCESSES))
        await system.start("worker", "--processes", str(PROCESSES))
        await until(lambda: _done(system, count // 2), _LONGEST, "half of the tasks", every=0.05)
        os.kill(doomed, signal.SIGKILL)  # its children die with it
        killed_at = time.monotonic()
        await until(lambda: _done(system, count), _LONGEST, "the last task", every=0.2)
    return _highest(stamps.read_bytes(), killed_at)


def _highest(raw: bytes, killed_at: float) -> int:
    """Return the most tasks of a tenant at once. One that begins again, or never ends, was cut short by the kill."""
    begun: dict[int, float] = {}
    steps: list[tuple[float, int, int]] = []  # when, one less or one more, of which tenant

    def add(task: int, ended: float) -> None:
        started = begun.pop(task)
        steps.extend([(started, 1, task % KEYS), (max(started, ended), -1, task % KEYS)])

    for at, number in sorted(
        (at, number) for number, at in tasks.STAMP.iter_unpack(raw[: len(raw) - len(raw) % tasks.STAMP.size])
    ):
        task, ends = divmod(number, 2)
        if task in begun:
            add(task, at if ends else killed_at)
        if not ends:
            begun[task] = at
    for task in list(begun):
        add(task, killed_at)
    counts: Counter[int] = Counter()
    highest = 0
    for _, step, tenant in sorted(steps):
        counts[tenant] += step
        highest = max(highest, counts[tenant])
    return highest


async def _enqueue(system: System, task: Task[..., Any], count: int) -> None:
    engine = Engine(system.database, system.broker)
    for first in range(0, count, _PIECE):
        numbers = range(first, min(first + _PIECE, count))
        await engine.enqueue_many(task, [{"tenant": number % KEYS, "number": number} for number in numbers])


async def _done(system: System, count: int) -> bool:
    ended: int = await system.database.pool.fetchval("SELECT count(*) FROM tasks WHERE completed_at IS NOT NULL")
    return ended >= count
