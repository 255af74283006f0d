"""Rated dispatch keys: one limit over all consumers, whatever happens to one of them or to Redis."""

import asyncio
from dataclasses import dataclass, field

import pytest

from support.lives import publish_generation
from support.waiting import eventually
from taskflow.base.ids import uuid7
from taskflow.broker.limits import Limit
from taskflow.broker.redis.broker import RedisBroker
from taskflow.broker.redis.dispatch import Entry

KEY = "email/campaign:rated"
PER_MINUTE = 1200
A_SECOND, BUCKET = PER_MINUTE / 60, PER_MINUTE / 30
LEASE = 30.0


@pytest.fixture
async def rated(broker: RedisBroker) -> RedisBroker:
    """A key with a rate and more work than can be done."""
    await publish_generation(broker, "test")
    await broker.dispatch.set_limit(KEY, Limit(per_minute=PER_MINUTE))
    await broker.dispatch.push(Entry(KEY, 5, str(uuid7())) for _ in range(2_000))
    return broker


@dataclass
class Taken:
    """What consumers got, by Redis's own clock: that of the machine says when they heard of it."""

    at: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    by: set[str] = field(default_factory=set)


async def consume(broker: RedisBroker, name: str, taken: Taken) -> None:
    """Take what there is as fast as possible, noting when, and how long to wait when there is nothing."""
    while True:
        claimed = await broker.dispatch.claim(name, limit=100, quota=100, lease=LEASE)
        ids = [task_id for _, found in claimed.groups for task_id in found]
        if ids:
            taken.at += [claimed.deadline / 1000 - LEASE] * len(ids)
            taken.by.add(name)
        else:
            taken.waits.append(claimed.wait)
        await broker.waiting.wait(name, max(0.01, min(claimed.wait, 0.2)))


async def over(consumer: asyncio.Task[None]) -> None:
    """End a consumer: a cancellation that meets the end of a wait in the client of Redis is lost."""
    while not consumer.done():
        consumer.cancel()
        await asyncio.wait([consumer], timeout=1)


async def test_two_consumers_share_one_rate_also_when_one_of_them_dies(rated: RedisBroker) -> None:
    taken = Taken()
    doomed = asyncio.create_task(consume(rated, "doomed", taken))
    survivor = asyncio.create_task(consume(rated, "survivor", taken))
    both = {"doomed", "survivor"}
    await eventually(lambda: taken.by == both and len(taken.at) > BUCKET + A_SECOND, seconds=60, what="both at work")
    doomed.cancel()
    before = len(taken.at)
    await eventually(lambda: len(taken.at) > before + 2 * A_SECOND, seconds=60, what="the survivor's work")
    await over(doomed)
    await over(survivor)
    at = sorted(taken.at)
    assert len(at) <= (at[-1] - at[0]) * A_SECOND + BUCKET + 1
    for first in set(at):
        assert sum(first <= other < first + 1 for other in at) <= A_SECOND + BUCKET + 1
    assert taken.waits, "the rate was the limit"
    assert max(taken.waits) <= 2 / A_SECOND, "the rate must be used, not only kept"


async def test_a_flush_allows_no_burst(rated: RedisBroker) -> None:
    await rated.redis.flushall()
    await publish_generation(rated, "after")
    await rated.dispatch.set_limit(KEY, Limit(per_minute=6))
    await rated.dispatch.push(Entry(KEY, 5, str(uuid7())) for _ in range(100))
    claimed = await rated.dispatch.claim("first", limit=100, quota=100, lease=30)
    assert sum(len(ids) for _, ids in claimed.groups) == 0
    assert 0 < claimed.wait <= 10


async def test_a_rated_key_that_waits_holds_up_no_other(rated: RedisBroker) -> None:
    await rated.dispatch.claim("first", limit=100, quota=100, lease=30)
    free = str(uuid7())
    await rated.dispatch.push([Entry("default", 5, free)])
    claimed = await rated.dispatch.claim("first", limit=1, quota=100, lease=30)
    assert claimed.groups == (("default", [free]),)


async def test_a_lifted_rate_lets_everything_through(rated: RedisBroker) -> None:
    await rated.dispatch.claim("first", limit=100, quota=100, lease=30)
    await rated.dispatch.set_limit(KEY, Limit())
    claimed = await rated.dispatch.claim("first", limit=100, quota=100, lease=30)
    assert [len(ids) for _, ids in claimed.groups] == [100]
