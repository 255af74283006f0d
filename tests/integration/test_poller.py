"""The poller of a child that is told to stop."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from support.duties import add_tasks
from support.lives import publish_generation
from taskflow.base.ids import uuid7
from taskflow.broker.redis.broker import RedisBroker
from taskflow.broker.redis.dispatch import Entry
from taskflow.db.pool import Database
from taskflow.engine.middleware.stack import MiddlewareStack
from taskflow.engine.store import Lease, TaskStore
from taskflow.engine.worker.poller import Poller, Stock
from taskflow.settings import Settings


class HeldStore(TaskStore):
    """A store that answers a claim when the test lets it."""

    def __init__(self, database: Database) -> None:
        """Hold claims from the start."""
        super().__init__(database)
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()

    async def claim(
        self,
        claim_id: UUID,
        worker_id: UUID,
        process_id: UUID,
        task_ids: Sequence[str],
        *,
        generation: str | None = None,
    ) -> list[Lease]:
        self.asked.set()
        await self.go_on.wait()
        return await super().claim(claim_id, worker_id, process_id, task_ids, generation=generation)


async def test_a_claim_that_is_under_way_is_fed_before_the_poller_stops(
    database: Database, broker: RedisBroker, settings: Settings
) -> None:
    ids = await add_tasks(database, 3)
    await publish_generation(broker, "test")
    await broker.dispatch.push(Entry("default", 5, i) for i in ids)
    store = HeldStore(database)
    fed: list[Lease] = []
    poller = Poller(
        store,
        broker,
        settings.worker,
        Stock(settings.worker),
        MiddlewareStack(),
        worker_id=uuid7(),
        process_id=uuid7(),
        feed=fed.extend,
    )
    running = asyncio.create_task(poller.run())
    await store.asked.wait()
    stopping = asyncio.create_task(poller.stop())
    await asyncio.sleep(0)
    assert not stopping.done()
    store.go_on.set()
    await stopping
    assert sorted(str(lease.task_id) for lease in fed) == sorted(ids)
    assert not running.done()  # it still renews the leases of what runs
    running.cancel()
    await asyncio.wait({running})
