"""A worker without functions: claims what is PENDING and ends it as a test says."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from support.duties import add_worker
from taskflow.base.ids import uuid7
from taskflow.db.pool import Database
from taskflow.engine import outcomes
from taskflow.engine.store import Lease, Outcome, TaskStore

End = Callable[[Lease], Outcome]


def completes(lease: Lease) -> Outcome:
    """Return nothing."""
    return outcomes.completed(lease, 0.1)


def returns(result: Any) -> End:
    """Return something."""
    return lambda lease: outcomes.completed(lease, 0.1, result)


def fails(lease: Lease) -> Outcome:
    """Fail for good."""
    return outcomes.failed(lease, 0.1, "ValueError: no", retry=False)


def is_cancelled(lease: Lease) -> Outcome:
    """End as somebody has asked for."""
    return outcomes.cancelled(lease, 0.1)


class FakeWorker:
    """Claims and finishes through the real statements."""

    def __init__(self, database: Database, worker_id: UUID) -> None:
        """Use `register`."""
        self.database = database
        self.store = TaskStore(database)
        self.worker_id = worker_id

    @classmethod
    async def register(cls, database: Database) -> "FakeWorker":
        """Make a node."""
        return cls(database, await add_worker(database))

    async def pending(self) -> list[UUID]:
        """Return what may be claimed."""
        rows = await self.database.pool.fetch("SELECT task_id FROM tasks WHERE status = 'PENDING' ORDER BY task_id")
        return [row[0] for row in rows]

    async def claim(self, task_ids: Sequence[UUID] | None = None) -> list[Lease]:
        """Claim these, or all that may be claimed."""
        ids = await self.pending() if task_ids is None else task_ids
        return sorted(await self.store.claim(uuid7(), self.worker_id, uuid7(), [str(one) for one in ids]))

    async def run(self, end: End = completes, task_ids: Sequence[UUID] | None = None) -> list[UUID]:
        """Claim and end one round of tasks; return which they were."""
        leases = await self.claim(task_ids)
        assert (await self.store.finish([end(lease) for lease in leases])).stale == set()
        return [lease.task_id for lease in leases]

    async def run_all(self, end: End = completes) -> list[list[UUID]]:
        """Run rounds until nothing is PENDING; return them."""
        rounds = []
        while done := await self.run(end):
            rounds.append(done)
        return rounds


async def statuses(database: Database, *task_ids: UUID) -> list[str]:
    """Return what tasks are."""
    rows = dict(await database.pool.fetch("SELECT task_id, status FROM tasks"))
    return [rows[task_id] for task_id in task_ids]


async def assert_settled(database: Database) -> None:
    """Nothing waits any more, and the counters say so."""
    assert await database.pool.fetchval("SELECT count(*) FROM tasks WHERE completed_at IS NULL") == 0
    assert await database.pool.fetchval("SELECT count(*) FROM task_dependencies WHERE satisfied_at IS NULL") == 0
