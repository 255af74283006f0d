"""What `finish` makes of an attempt whose task somebody wants cancelled."""

from typing import Any
from uuid import UUID

import pytest

from support.duties import add_tasks, add_worker
from taskflow.base.ids import uuid7
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine import Engine, outcomes
from taskflow.engine.store import Lease, Outcome, TaskStore


async def claim(database: Database) -> Lease:
    worker = await add_worker(database)
    [lease] = await TaskStore(database).claim(uuid7(), worker, uuid7(), await add_tasks(database))
    return lease


async def row(database: Database, task_id: UUID) -> dict[str, Any]:
    return dict(await database.pool.fetchrow("SELECT * FROM tasks WHERE task_id = $1", task_id) or {})


@pytest.mark.parametrize(
    "end",
    [
        lambda lease: outcomes.failed(lease, 0.1, "ValueError: no"),
        outcomes.released,
        lambda lease: outcomes.released(lease, 30.0),
        lambda lease: outcomes.crashed(lease, 0.1, "SIGSEGV", 3),
    ],
    ids=["retried", "released", "deferred", "crashed"],
)
async def test_an_attempt_that_would_go_on_later_ends_cancelled_when_that_was_asked_for(
    end: Any, database: Database, broker: RedisBroker
) -> None:
    lease = await claim(database)
    await Engine(database, broker).cancel(lease.task_id)
    outcome: Outcome = end(lease)
    again: Outcome = end(lease)  # the same attempt, for a repetition after a lost reply
    assert (await TaskStore(database).finish([outcome])).stale == set()
    assert outcome.status == "CANCELLED"
    task = await row(database, lease.task_id)
    assert (task["status"], task["due_at"], task["failed_at"]) == ("CANCELLED", None, None)
    assert (await TaskStore(database).finish([again])).stale == set()
    assert again.status == "CANCELLED"
    assert await row(database, lease.task_id) == task


async def test_a_retry_that_was_wanted_in_the_past_is_due_now(database: Database) -> None:
    lease = await claim(database)
    before = await database.pool.fetchval("SELECT now()")
    await TaskStore(database).finish([outcomes.failed(lease, 0.1, "Retry: late", after=-3600.0)])
    assert (await row(database, lease.task_id))["due_at"] >= before


async def test_an_attempt_that_ended_anyway_keeps_its_end(database: Database, broker: RedisBroker) -> None:
    for end in (lambda lease: outcomes.completed(lease, 0.1), lambda lease: outcomes.failed(lease, 1, "", retry=False)):
        lease = await claim(database)
        await Engine(database, broker).cancel(lease.task_id)
        outcome = end(lease)
        assert (await TaskStore(database).finish([outcome])).stale == set()
        assert (await row(database, lease.task_id))["status"] == outcome.status != "CANCELLED"


async def test_a_stale_end_stays_what_it_was(database: Database) -> None:
    lease = await claim(database)
    stale = outcomes.failed(lease._replace(lease_epoch=7), 0.1, "no", retry=False)
    assert (await TaskStore(database).finish([stale])).stale == {lease.task_id}
    assert stale.status == "FAILED"
