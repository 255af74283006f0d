"""Rated dispatch keys: one limit over all consumers, whatever happens to one of them or to Redis."""

import asyncio
import time

import pytest

from support.lives import publish_generation
from taskflow.base.ids import uuid7
from taskflow.broker.limits import Limit
from taskflow.broker.redis.broker import RedisBroker
from taskflow.broker.redis.dispatch import Entry

KEY = "email/campaign:rated"
PER_MINUTE = 1200  # 20 a second, a bucket of 40


@pytest.fixture
async def rated(broker: RedisBroker) -> RedisBroker:
    """A key with a rate and more work than can be done."""
    await publish_generation(broker, "test")
    await broker.dispatch.set_limit(KEY, Limit(per_minute=PER_MINUTE))
    await broker.dispatch.push(Entry(KEY, 5, str(uuid7())) for _ in range(2_000))
    return broker


async def consume(broker: RedisBroker, name: str, until: float, taken: list[float]) -> None:
    """Take what there is as fast as possible, noting when."""
    while time.monotonic() < until:
        claimed = await broker.dispatch.claim(name, limit=100, quota=100, lease=30)
        taken += [time.monotonic() for _, ids in claimed.groups for _ in ids]
        await broker.waiting.wait(name, max(0.01, min(claimed.wait, 0.2)))


async def test_two_consumers_share_one_rate_also_when_one_of_them_dies(rated: RedisBroker) -> None:
    taken: list[float] = []
    started = time.monotonic()
    doomed = asyncio.create_task(consume(rated, "doomed", started + 6, taken))
    survivor = asyncio.create_task(consume(rated, "survivor", started + 6, taken))
    await asyncio.sleep(2)
    doomed.cancel()
    await survivor
    seconds = time.monotonic() - started
    bucket = PER_MINUTE / 30
    assert len(taken) <= seconds * PER_MINUTE / 60 + bucket
    assert len(taken) >= 4 * PER_MINUTE / 60, "the rate must be used, not only kept"
    for at in taken:
        window = sum(at <= other < at + 1 for other in taken)
        assert window <= PER_MINUTE / 60 + bucket + 1


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
