"""The publisher between its store and its dispatch, both played here."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, cast
from uuid import UUID, uuid4

import asyncpg

from support.waiting import eventually
from taskflow.broker.redis.dispatch import UNBOUND
from taskflow.broker.redis.events import Event
from taskflow.engine import outcomes
from taskflow.engine.middleware.stack import MiddlewareStack
from taskflow.engine.store import Finished, Lease, Outcome
from taskflow.engine.worker.board import Board, make_board
from taskflow.engine.worker.publisher import Publisher


class Store:
    """A store whose commits wait for a word."""

    def __init__(self) -> None:
        self.commits: asyncio.Queue[asyncio.Future[None]] = asyncio.Queue()
        self.refuses: set[UUID] = set()

    async def finish(self, ends: Sequence[Outcome], _logs: Sequence[Any]) -> Finished:
        """Wait until the test lets this commit through."""
        if any(end.lease.task_id in self.refuses for end in ends):
            raise asyncpg.InsufficientPrivilegeError("permission denied")
        word = asyncio.get_running_loop().create_future()
        self.commits.put_nowait(word)
        await word
        return Finished(set(), [])


class Events:
    """A stream that keeps what it is told."""

    def __init__(self) -> None:
        self.published: list[Event] = []

    async def publish(self, events: Iterable[Event]) -> None:
        """Keep them."""
        self.published += events


class Dispatch:
    """A dispatch whose first word takes as long as the test wants."""

    def __init__(self) -> None:
        self.hold = asyncio.Event()
        self.bound = UNBOUND

    async def settle(self, _settled: Sequence[Any], _bound: Any) -> None:
        """Take the word."""
        await self.hold.wait()

    async def release(self, _entries: Sequence[Any], _bound: Any) -> None:
        """Take the word."""


def lease() -> Lease:
    return Lease(uuid4(), 1, "t", "default", 5, 0, 5, 300, 0, None, None, None)


def make(store: Store, dispatch: Dispatch) -> tuple[Publisher, list[Outcome]]:
    settled: list[Outcome] = []
    publisher = Publisher(
        cast("Any", store),
        cast("Any", dispatch),
        cast("Any", Events()),
        Board(make_board()),
        MiddlewareStack(),
        max_batch=10,
        patience=lambda: 0.0,
        on_settled=settled.extend,
    )
    return publisher, settled


async def test_a_publisher_with_a_commit_under_way_is_not_drained() -> None:
    store, dispatch = Store(), Dispatch()
    publisher, settled = make(store, dispatch)
    running = asyncio.create_task(publisher.run())
    publisher.report(outcomes.completed(lease(), 0.1))
    (await store.commits.get()).set_result(None)
    await eventually(lambda: settled, every=0)
    publisher.report(outcomes.completed(lease(), 0.1))
    second = await store.commits.get()  # under way; meanwhile the first is announced, and nothing waits any more
    drained = asyncio.create_task(publisher.drained())
    dispatch.hold.set()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not drained.done()
    second.set_result(None)
    async with asyncio.timeout(60):
        await drained
    assert len(settled) == 2
    running.cancel()


async def test_an_end_that_postgresql_refuses_whatever_it_says_is_not_called_settled() -> None:
    store, dispatch = Store(), Dispatch()
    dispatch.hold.set()
    publisher, settled = make(store, dispatch)
    refused, good = lease(), lease()
    store.refuses.add(refused.task_id)
    running = asyncio.create_task(publisher.run())
    publisher.report(outcomes.completed(refused, 0.1))
    publisher.report(outcomes.completed(good, 0.1))
    (await store.commits.get()).set_result(None)
    async with asyncio.timeout(60):
        await publisher.drained()
    assert [outcome.lease for outcome in settled] == [good]  # its claim stays in the journal, for the rescue
    running.cancel()


async def test_a_database_that_is_read_only_for_a_while_is_waited_for() -> None:
    class Standby(Store):
        tries = 0

        async def finish(self, ends: Sequence[Outcome], logs: Sequence[Any]) -> Finished:
            self.tries += 1
            if self.tries == 1:
                raise asyncpg.ReadOnlySQLTransactionError("cannot execute UPDATE in a read-only transaction")
            return await super().finish(ends, logs)

    store, dispatch = Standby(), Dispatch()
    dispatch.hold.set()
    publisher, settled = make(store, dispatch)
    running = asyncio.create_task(publisher.run())
    publisher.report(outcomes.completed(lease(), 0.1))
    async with asyncio.timeout(60):
        (await store.commits.get()).set_result(None)
        await publisher.drained()
    assert [outcome.status for outcome in settled] == ["COMPLETED"]
    running.cancel()
