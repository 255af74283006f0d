"""Limits on the real system: two nodes, one of them killed half-way, and a Redis that forgets everything."""

from datetime import datetime

import pytest

from support import sample_tasks as tasks
from support.processes import kill_group, running, start
from support.served import TABLE, most_at_once
from support.waiting import eventually
from taskflow.base.ids import uuid7
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine import Engine

KEYS = 50
TASKS = 2_000
STRANGERS = 200  # enqueued by somebody who does not know that the task is limited
STRANGER = "INSERT INTO tasks (task_id, task_name, task_kwargs) VALUES ($1, 'serve', $2)"
QUICK = {
    "TASKFLOW_WORKER_PROCESSES": "1",
    "TASKFLOW_WORKER_CAPACITY": "40",
    "TASKFLOW_WORKER_HEARTBEAT_SECONDS": "0.5",
    "TASKFLOW_WORKER_LEASE_SECONDS": "3",
    "TASKFLOW_COORDINATOR_DEAD_AFTER_SECONDS": "2",
}


async def ended(database: Database) -> int:
    count: int = await database.pool.fetchval("SELECT count(*) FROM tasks WHERE completed_at IS NOT NULL")
    return count


@pytest.mark.parametrize("flush", [False, True], ids=["", "flushed"])
async def test_no_key_exceeds_its_limit_though_a_node_is_killed(
    environment: dict[str, str], database: Database, broker: RedisBroker, flush: bool
) -> None:
    await database.pool.execute(TABLE)
    environment = {**environment, **QUICK}
    async with running(environment, "coordinator"), running(environment, "worker"):
        doomed = await start(environment, "worker")
        try:
            await eventually(broker.dispatch.generation, seconds=30)
            calls = [{"tenant": f"tenant {n % KEYS}", "seconds": 0.01} for n in range(TASKS)]
            await Engine(database, broker).enqueue_many(tasks.serve, calls[STRANGERS:])
            await database.pool.executemany(STRANGER, [(uuid7(), call) for call in calls[:STRANGERS]])

            async def are_done(count: int) -> bool:
                return await ended(database) >= count

            await eventually(lambda: are_done(TASKS // 4), seconds=60)
            if flush:
                await broker.redis.flushall()
            await eventually(lambda: are_done(TASKS // 2), seconds=60)
        finally:
            kill_group(doomed)
            await doomed.wait()
        killed_at: datetime = await database.pool.fetchval("SELECT clock_timestamp()")
        await eventually(lambda: are_done(TASKS), seconds=120)

        async def nothing_is_held() -> bool:
            return not any(int(held) for held in (await broker.redis.hgetall(broker.keys.held)).values())

        # What ended while the dispatch was built anew counts until its lease has run out.
        await eventually(nothing_is_held, seconds=30)
    assert await most_at_once(database, killed_at) == 2
    assert await database.pool.fetchval("SELECT count(*) FROM tasks WHERE status = 'COMPLETED'") == TASKS
    assert await database.pool.fetchval("SELECT count(DISTINCT worker_id) FROM task_executions") == 2
