"""Tasks end although what they wait in swallows a cancellation."""

import asyncio

from taskflow.base.ending import end_tasks


async def swallows(times: int) -> None:
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            times -= 1
            if times < 0:
                raise


async def test_a_task_that_swallowed_its_cancellation_is_asked_again() -> None:
    stubborn, plain = asyncio.create_task(swallows(1)), asyncio.create_task(swallows(0))
    await asyncio.sleep(0)
    async with asyncio.timeout(60):
        assert await end_tasks([stubborn, plain]) == set()
    assert stubborn.cancelled()
    assert plain.cancelled()


async def test_those_that_do_not_end_in_time_are_named() -> None:
    stubborn = asyncio.create_task(swallows(2))
    await asyncio.sleep(0)
    async with asyncio.timeout(60):
        assert await end_tasks([stubborn], seconds=0.6) == {stubborn}
        assert await end_tasks([stubborn]) == set()
