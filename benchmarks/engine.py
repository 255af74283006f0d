"""(a) Enqueue and drain no-op tasks with full history, beside PgQueuer and Celery.

A round gives each its turn on an idle machine, in another order each time. A backlog is enqueued with no worker there,
then the workers start. The drain lasts from the first start of a task to the last completion, as each engine's own
history tells it. TaskFlow runs as deployed: default settings, a coordinator, one node with two worker processes.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks import rival, tasks
from benchmarks.cpu import CpuMeter, children
from benchmarks.figures import Figures
from benchmarks.options import Options
from benchmarks.system import WORK, Servers, System, end, until
from taskflow.engine import Engine

PROCESSES = 2
_CHUNK = 5_000
_LONGEST = 600.0
_LOOK = 0.1


async def run(servers: Servers, options: Options, figures: Figures) -> None:
    """Run every round."""
    turns: list[Callable[[Servers, Options, Figures], Awaitable[None]]] = [taskflow]
    if options.rivals:
        turns += [pgqueuer, celery]
    for number in range(options.runs):
        first = number % len(turns)
        for turn in turns[first:] + turns[:first]:
            await turn(servers, options, figures)
    for other in ("pgqueuer", "celery"):
        figures.ratio(f"engine.drain.vs_{other}", "engine.drain.tasks_per_s", f"engine.{other}.drain.tasks_per_s")
        figures.ratio(f"engine.enqueue.vs_{other}", "engine.enqueue.tasks_per_s", f"engine.{other}.enqueue.tasks_per_s")


async def taskflow(servers: Servers, options: Options, figures: Figures) -> None:
    """Measure ourselves once."""
    count = options.tasks
    async with System.fresh(servers, TASKFLOW_WORKER_IMPORTS='["benchmarks.tasks"]') as system:
        coordinator = await system.start_coordinator()
        engine = Engine(system.database, system.broker)
        await servers.settle()
        started = time.perf_counter()
        for first in range(0, count, _CHUNK):
            await engine.enqueue_many(tasks.noop, [{}] * min(_CHUNK, count - first))
        figures.add("engine.enqueue.tasks_per_s", count / (time.perf_counter() - started), "tasks/s")
        await servers.settle()
        node = await system.start("worker", "--processes", str(PROCESSES))

        async def done() -> int:
            stream = system.broker.keys.events
            if not await system.broker.redis.exists(stream):
                return 0
            announced: int = (await system.broker.redis.xinfo_stream(stream))["entries-added"]
            if announced < count:
                return announced
            left = await system.database.pool.fetchval("SELECT count(*) FROM tasks WHERE completed_at IS NULL")
            return count - int(left)

        def processes() -> dict[str, int]:
            workers = {f"worker_{number}": pid for number, pid in enumerate(children(node), 1)}
            return {**servers.pids, "coordinator": coordinator, "node": node, **workers}

        spent = await _watch("TaskFlow", count, done, processes)
        row: Any = await system.database.pool.fetchrow(
            "SELECT count(*) AS done, (SELECT count(*) FROM task_executions) AS executions,"
            " extract(epoch FROM max(completed_at) - min(started_at))::float8 AS seconds"
            " FROM tasks WHERE status = 'COMPLETED'"
        )
    assert row["done"] == row["executions"] == count, f"of {count} tasks: {dict(row)}"
    figures.add("engine.drain.tasks_per_s", count / row["seconds"], "tasks/s")
    for name, value in spent.items():
        figures.add(f"engine.drain.cpu.{name}_us", value, "µs/task")


async def pgqueuer(servers: Servers, options: Options, figures: Figures) -> None:
    """Measure PgQueuer once."""
    count = options.tasks
    async with servers.fresh_database() as url, servers.connection(url) as connection:
        environment = rival.environment_of(BENCH_DATABASE_URL=url)
        await rival.ask("pgqueuer", "install", environment=environment)
        await servers.settle()
        answer = await rival.ask("pgqueuer", "enqueue", str(count), str(_CHUNK), environment=environment)
        figures.add("engine.pgqueuer.enqueue.tasks_per_s", count / answer["seconds"], "tasks/s")
        await servers.settle()
        workers = [await rival.start("pgqueuer", "work", environment=environment) for _ in range(PROCESSES)]

        async def done() -> int:
            # Each job leaves three lines in its log: queued, picked, successful. The sequence costs nothing to look at.
            lines = await connection.fetchval("SELECT last_value FROM pgqueuer_log_id_seq")
            return int((lines - count) / 2)

        def processes() -> dict[str, int]:
            return {**servers.pids, **{f"worker_{n}": worker.pid for n, worker in enumerate(workers, 1)}}

        try:
            spent = await _watch("PgQueuer", count, done, processes)
        finally:
            await asyncio.gather(*(end(worker) for worker in workers))
        answer = await rival.ask("pgqueuer", "result", environment=environment)
    assert answer["done"] == count, f"PgQueuer did {answer['done']} of {count}"
    figures.add("engine.pgqueuer.drain.tasks_per_s", count / answer["seconds"], "tasks/s")
    figures.add("engine.pgqueuer.drain.cpu.total_us", spent["total"], "µs/task")


async def celery(servers: Servers, options: Options, figures: Figures) -> None:
    """Measure Celery once; fewer tasks, for it is much slower and its rate does not depend on their number."""
    count = options.celery_tasks
    broker, results = 1, 2
    folder = WORK / "celery"
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("first-*"):
        file.unlink()
    async with servers.fresh_database(), servers.redis(results) as redis:
        environment = rival.environment_of(
            BENCH_BROKER_URL=servers.redis_url(broker),
            BENCH_RESULTS_URL=servers.redis_url(results),
            BENCH_FOLDER=str(folder),
        )
        answer = await rival.ask("celery", "enqueue", str(count), environment=environment)
        figures.add("engine.celery.enqueue.tasks_per_s", (count - 1) / answer["seconds"], "tasks/s")
        worker = await rival.start("celery", "work", environment=environment)
        try:
            spent = await _watch("Celery", count, redis.dbsize, lambda: {**servers.pids, "worker": worker.pid})
        finally:
            await end(worker)
        answer = await rival.ask("celery", "result", environment=environment)
    assert answer["done"] == count, f"Celery did {answer['done']} of {count}"
    figures.add("engine.celery.drain.tasks_per_s", count / answer["seconds"], "tasks/s")
    figures.add("engine.celery.drain.cpu.total_us", spent["total"], "µs/task")


async def _watch(
    who: str, count: int, done: Callable[[], Awaitable[int]], processes: Callable[[], dict[str, int]]
) -> dict[str, float]:
    """Wait until everything is done; return the CPU microseconds a task of each process, start-up left out."""
    before = 0

    async def begun() -> bool:
        nonlocal before
        before = await done()
        return before > count // 50  # the first events of a stream are of workers that come up

    async def ended() -> bool:
        return await done() >= count

    await until(begun, _LONGEST, f"{who} to begin", every=_LOOK)
    meter = CpuMeter(**processes())
    await until(ended, _LONGEST, f"{who} to drain its queue", every=_LOOK)
    spent = meter.per(max(1, count - before))
    workers = [spent.pop(name) for name in list(spent) if name.startswith("worker")]
    return spent | {"workers": sum(workers)}
