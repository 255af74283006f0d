"""What a child leaves behind: nothing of it may be struck off the journal while it still runs."""

import orjson

from support.duties import add_tasks, add_worker
from taskflow.base.ids import uuid7
from taskflow.db.pool import Database
from taskflow.engine.states import TaskStatus
from taskflow.engine.store import Outcome, TaskStore
from taskflow.engine.worker.heartbeat import sql


async def test_a_claim_that_commits_after_its_childs_leases_were_read_stays_in_the_journal(database: Database) -> None:
    worker, process = await add_worker(database), uuid7()
    store, ids = TaskStore(database), await add_tasks(database, 4)
    early = await store.claim(uuid7(), worker, process, ids[:2])
    read = await database.hot.fetch(sql.leases_of_process, worker, process)
    late = await store.claim(uuid7(), worker, process, ids[2:])  # its server process had not heard that the child died
    assert len(read) == len(early) == 2
    assert (await store.finish([Outcome(lease, TaskStatus.PENDING) for lease in early])).stale == set()
    await database.hot.execute(sql.forget_process, worker, process)
    named = await database.pool.fetch("SELECT task_ids FROM task_claims")
    assert [row["task_ids"] for row in named] == [[lease.task_id for lease in sorted(late, key=lambda one: one[0])]]
    await store.finish([Outcome(lease, TaskStatus.PENDING) for lease in late])
    await database.hot.execute(sql.forget_process, worker, process)
    assert await database.pool.fetchval("SELECT count(*) FROM task_claims") == 0


async def test_forgetting_a_process_looks_at_its_claims_only(database: Database) -> None:
    async with database.hot.acquire() as connection:
        await connection.execute(f"PREPARE forget AS {sql.forget_process}")
        plan = await connection.fetchval("EXPLAIN (FORMAT JSON) EXECUTE forget (NULL, NULL)")
        await connection.execute("DEALLOCATE forget")
    assert b"Seq Scan" not in orjson.dumps(plan)
    assert "tasks_pkey" in str(plan)
