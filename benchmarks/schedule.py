"""(e) Schedule: how long after its time a due task's body runs, with a crowd of tasks that are not due yet.

100,000 SCHEDULED tasks wait for tomorrow. Before them 100 tasks a second become due, evenly spaced, and 100 schedules
fire once a second each, spread over that second; one node with two worker processes runs them. A body reads the
machine's monotonic clock; due times are the database's, which is the same machine's.
"""

import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from benchmarks import tasks
from benchmarks.engine import PROCESSES
from benchmarks.figures import Figures
from benchmarks.options import Options
from benchmarks.system import WORK, Servers, System, until
from taskflow.engine import Engine, Every, Request, Schedule

RATE = 100
SCHEDULES = 100
_PIECE = 5_000
_LEAD_SECONDS = 3.0  # for writing down what is to come
_LONGEST = 60.0
_FIRST_SCHEDULE = 1_000_000  # numbers below are tasks


async def run(servers: Servers, options: Options, figures: Figures) -> None:
    """Run every round."""
    for _ in range(options.runs):
        await _round(servers, options, figures)


async def _round(servers: Servers, options: Options, figures: Figures) -> None:
    stamps = WORK / "stamps"
    stamps.unlink(missing_ok=True)
    stamps.touch()
    environment = {"TASKFLOW_WORKER_IMPORTS": '["benchmarks.tasks"]', "BENCH_STAMPS": str(stamps)}
    async with System.fresh(servers, **environment) as system:
        engine = Engine(system.database, system.broker)
        for requests in _crowd(options.waiting):
            await engine.submit_many(requests)
        await system.start_coordinator()
        await system.start("worker", "--processes", str(PROCESSES))
        await system.wait_for_workers(PROCESSES)
        await servers.settle()
        seconds = int(options.schedule_seconds)
        start = datetime.now(UTC) + timedelta(seconds=_LEAD_SECONDS)
        due = {number: [start + timedelta(seconds=number / RATE)] for number in range(RATE * seconds)}
        await engine.submit_many(
            Request("stamp", kwargs={"number": number}, scheduled_at=instant) for number, [instant] in due.items()
        )
        for index in range(SCHEDULES):
            first = start + timedelta(seconds=index / SCHEDULES)
            instants = [first + timedelta(seconds=second) for second in range(seconds)]
            due[_FIRST_SCHEDULE + index] = instants
            schedule = Schedule(f"s{index}", Every(1), starts_at=instants[0], ends_at=instants[-1])
            await engine.schedule(schedule, tasks.stamp, number=_FIRST_SCHEDULE + index)
        expected = sum(map(len, due.values()))

        async def all_ran() -> bool:
            return stamps.stat().st_size >= expected * tasks.STAMP.size

        await until(all_ran, _LEAD_SECONDS + seconds + _LONGEST, "the last task")
        bodies = _bodies(stamps.read_bytes())
    offset = time.time() - time.monotonic()
    of_tasks: list[float] = []
    of_schedules: list[float] = []
    for number, instants in due.items():
        delays = (at + offset - instant.timestamp() for at, instant in zip(bodies[number], instants, strict=True))
        (of_schedules if number >= _FIRST_SCHEDULE else of_tasks).extend(delays)
    for metric, values in (("schedule.delay", sorted(of_tasks)), ("schedule.fire_delay", sorted(of_schedules))):
        figures.add(f"{metric}_p50_ms", 1000 * statistics.median(values), "ms")
        figures.add(f"{metric}_p99_ms", 1000 * values[int(len(values) * 0.99)], "ms")


def _crowd(count: int) -> Iterator[list[Request]]:
    """Yield tasks of tomorrow, in pieces."""
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    for first in range(0, count, _PIECE):
        yield [
            Request("noop", scheduled_at=tomorrow + timedelta(milliseconds=number))
            for number in range(first, min(first + _PIECE, count))
        ]


def _bodies(raw: bytes) -> dict[int, list[float]]:
    """Return when the bodies of each number ran, in order."""
    found: defaultdict[int, list[float]] = defaultdict(list)
    for number, at in tasks.STAMP.iter_unpack(raw[: len(raw) - len(raw) % tasks.STAMP.size]):
        found[number].append(at)
    return {number: sorted(moments) for number, moments in found.items()}
