"""(f) Retention: does a drain slow down when 10,000,000 finished tasks lie in the tables?

A round has two turns, in another order each time: on fresh tables, and on tables with the finished tasks and an
execution row for each, written set-based over the last four weeks, as they would lie there. Both then enqueue the same
backlog and drain it, as `engine.py` does. The filled tables are made once and kept for all rounds; they end with what
the pruner makes of them when all of it is past its retention.
"""

import time
from contextlib import AsyncExitStack
from datetime import datetime, timedelta

from benchmarks import tasks
from benchmarks.engine import PROCESSES
from benchmarks.figures import Figures
from benchmarks.options import Options
from benchmarks.system import Servers, System, until
from taskflow.db import partitions
from taskflow.engine import Engine
from taskflow.engine.coordinator.duty import DutyContext
from taskflow.engine.coordinator.election import Election
from taskflow.engine.coordinator.pruner import Pruner
from taskflow.settings import RetentionSettings

_CHUNK = 5_000
_PIECE = 500_000
_LONGEST = 600.0
_DAYS = 28

# A UUIDv7 whose time is that of the task: rows lie in the tables in the order of their birth, as real ones do.
_FILL = """
WITH made AS (
  SELECT now() - $4::int * interval '1 day' * (1 - n::float8 / $3) AS at, n
  FROM generate_series($1::bigint, $2::bigint) AS n
), ids AS (
  SELECT at, (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7000'
              || '8' || lpad(to_hex(n), 15, '0'))::uuid AS task_id FROM made
), history AS (
  INSERT INTO task_executions (task_id, lease_epoch, attempt_number, started_at, completed_at, duration_seconds, status)
  SELECT task_id, 1, 1, at, at, 0.001, 'COMPLETED' FROM ids
)
INSERT INTO tasks (task_id, task_name, status, created_at, started_at, completed_at, lease_epoch)
SELECT task_id, 'noop', 'COMPLETED', at, at, at, 1 FROM ids
"""


async def run(servers: Servers, options: Options, figures: Figures) -> None:
    """Run every round, then let the pruner loose."""
    settings = {"TASKFLOW_WORKER_IMPORTS": '["benchmarks.tasks"]', "TASKFLOW_RETENTION_TASK_DAYS": "0"}
    async with AsyncExitStack() as stack:
        filled = await stack.enter_async_context(System.fresh(servers, **settings))
        await _fill(filled, options.finished)
        for number in range(options.runs):
            for turn in ("empty", "full") if number % 2 == 0 else ("full", "empty"):
                async with servers.redis() as redis:
                    await redis.flushall()
                if turn == "full":
                    rate = await _drain(servers, filled, options.tasks)
                else:
                    async with System.fresh(servers, **settings) as empty:
                        rate = await _drain(servers, empty, options.tasks)
                figures.add(f"retention.drain_{turn}.tasks_per_s", rate, "tasks/s")
        await _prune(filled, figures)
    figures.ratio("retention.drain_ratio_10m", "retention.drain_full.tasks_per_s", "retention.drain_empty.tasks_per_s")


async def _fill(system: System, count: int) -> None:
    """Write finished tasks of the last four weeks, and look at them as autovacuum would have."""
    async with system.database.pool.acquire() as connection:
        begun: datetime = await connection.fetchval("SELECT now()")
        for span in partitions.coming_spans(begun - timedelta(days=_DAYS)):
            await connection.execute(span.ddl())
        for first in range(1, count + 1, _PIECE):
            last = min(first + _PIECE - 1, count)
            await connection.execute(_FILL, first, last, count, _DAYS, timeout=_LONGEST)
            print(f"  finished tasks: {last:,} of {count:,}", flush=True)
        for table in ("tasks", "task_executions"):
            await connection.execute(f"VACUUM (ANALYZE) {table}", timeout=_LONGEST)


async def _drain(servers: Servers, system: System, count: int) -> float:
    """Enqueue a backlog, drain it, and return tasks a second, from the first start to the last end."""
    engine = Engine(system.database, system.broker)
    await system.start_coordinator()
    begun = await system.database.pool.fetchval("SELECT now()")
    for first in range(0, count, _CHUNK):
        await engine.enqueue_many(tasks.noop, [{}] * min(_CHUNK, count - first))
    await servers.settle()
    await system.start("worker", "--processes", str(PROCESSES))

    async def done() -> bool:
        return not await system.database.pool.fetchval("SELECT EXISTS (SELECT FROM tasks WHERE completed_at IS NULL)")

    await until(done, _LONGEST, "the drain")
    await system.stop()
    row = await system.database.pool.fetchrow(
        "SELECT count(*) AS done, extract(epoch FROM max(completed_at) - min(started_at))::float8 AS seconds"
        " FROM tasks WHERE created_at >= $1 AND status = 'COMPLETED'",
        begun,
        timeout=_LONGEST,
    )
    assert row is not None
    assert row["done"] == count, f"{row['done']} of {count} tasks completed"
    return float(count / row["seconds"])


async def _prune(system: System, figures: Figures) -> None:
    """Let everything be past its retention, and measure how fast it goes."""
    before = await system.database.pool.fetchval("SELECT count(*) FROM tasks", timeout=_LONGEST)
    await system.database.pool.execute(
        "UPDATE tasks SET completed_at = completed_at - interval '1 day' WHERE completed_at > now() - interval '1 day'",
        timeout=_LONGEST,
    )
    settings = system.settings.model_copy(update={"retention": RetentionSettings(task_days=1)})
    lease = await Election(system.database, seconds=_LONGEST).stand()
    assert lease is not None, "a coordinator still leads"
    pruner, context = Pruner(), DutyContext(system.database, system.broker, settings, lease)
    started = time.perf_counter()
    while await pruner.run_once(context):
        pass
    seconds = time.perf_counter() - started
    after = await system.database.pool.fetchval("SELECT count(*) FROM tasks", timeout=_LONGEST)
    figures.add("retention.pruned.tasks_per_s", (before - after) / seconds, "tasks/s")
