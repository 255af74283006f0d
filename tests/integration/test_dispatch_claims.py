"""What a claim hands out, and what it does not."""

import pytest

from support.lives import publish_generation
from taskflow.base.ids import uuid7
from taskflow.broker.redis.broker import RedisBroker
from taskflow.broker.redis.dispatch import Entry


@pytest.fixture
async def opened(broker: RedisBroker) -> RedisBroker:
    """A dispatch that is open."""
    await publish_generation(broker, "test")
    return broker


async def test_hundreds_of_keys_that_nobody_serves_do_not_hide_a_queue_from_its_consumer(opened: RedisBroker) -> None:
    await opened.dispatch.push(Entry(f"email/campaign:{number}", 5, str(uuid7())) for number in range(450))
    wanted = str(uuid7())
    await opened.dispatch.push([Entry("reports", 5, wanted)])
    claimed = await opened.dispatch.claim("c", limit=10, quota=10, lease=30, queues=["reports"])
    assert claimed.groups == (("reports", [wanted]),)


@pytest.mark.parametrize("garbage", ["garbage", "", "x" * 36, "-" * 36, "{'a': 1}", "1" * 36])
async def test_what_is_no_task_id_is_dropped_and_the_tasks_beside_it_are_handed_out(
    opened: RedisBroker, garbage: str
) -> None:
    before, after = sorted(str(uuid7()) for _ in range(2))
    await opened.dispatch.push([Entry("default", 5, before), Entry("default", 5, after)])
    await opened.redis.zadd(opened.keys.queue("default"), {garbage: 0})
    claimed = await opened.dispatch.claim("c", limit=10, quota=10, lease=30)
    assert claimed.groups == (("default", [before, after]),)
    assert await opened.redis.zscore(opened.keys.running("default"), garbage) is None
    assert await opened.redis.zcard(opened.keys.queue("default")) == 0


async def test_a_line_of_garbage_is_an_empty_one(opened: RedisBroker) -> None:
    await opened.dispatch.push([Entry("default", 5, str(uuid7()))])
    await opened.redis.delete(opened.keys.queue("default"))
    await opened.redis.zadd(opened.keys.queue("default"), {"garbage": 0})
    assert (await opened.dispatch.claim("c", limit=10, quota=10, lease=30)).state == "EMPTY"


async def test_a_queue_that_is_left_out_is_neither_handed_out_nor_wakes_its_consumer(opened: RedisBroker) -> None:
    others = ["!messages", "!reports"]
    assert (await opened.dispatch.claim("c", limit=10, quota=10, lease=30, queues=others)).state == "EMPTY"
    left, wanted = str(uuid7()), str(uuid7())
    await opened.dispatch.push([Entry("messages", 5, left), Entry("reports/task:a", 5, str(uuid7()))])
    assert not await opened.redis.llen(opened.keys.wake("c"))
    assert await opened.dispatch.waiting(others) == 0
    await opened.dispatch.push([Entry("messages-of-old", 5, wanted)])  # a name that only begins like it
    assert await opened.redis.llen(opened.keys.wake("c")) == 1
    assert await opened.dispatch.waiting(others) == 1
    claimed = await opened.dispatch.claim("c", limit=10, quota=10, lease=30, queues=others)
    assert claimed.groups == (("messages-of-old", [wanted]),)
    claimed = await opened.dispatch.claim("d", limit=10, quota=10, lease=30, queues=["messages"])
    assert claimed.groups == (("messages", [left]),)
