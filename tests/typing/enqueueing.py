"""What an editor says about enqueueing. A line that must not type-check ends with the code of its error."""

from datetime import UTC, datetime
from typing import assert_type

from taskflow.engine import After, Cron, Engine, Schedule, SyncEngine, SyncTaskHandle, TaskEnd, TaskHandle, task
from taskflow.engine.remote import LiveEvent, SyncTaskFlow, TaskFlow


@task(queue="images", timeout=60)
async def resize(image_id: int, width: int = 640) -> str:
    return f"{image_id} at {width}"


@task
def stamp(at: datetime) -> datetime:
    return at


async def through_the_task() -> None:
    handle = await resize.enqueue(image_id=3)
    assert_type(handle, TaskHandle[str])
    assert_type(await handle.result(timeout=5), str)
    assert_type(await handle.wait(), TaskEnd)
    assert_type(handle.output, str)
    assert_type(await (await stamp.enqueue(datetime.now(UTC))).result(), datetime)
    await resize.options(priority="HIGH", delay=60).enqueue(3, width=320)
    await resize.enqueue(imge_id=3)  # error: [call-arg]
    await resize.enqueue(image_id="three")  # error: [arg-type]
    await resize.enqueue(3, 4, 5)  # error: [call-arg]
    await resize.options(after=[After(handle, on_failure="run", on_success="skip")]).enqueue(4)
    await resize.options(after=[After(handle, on_failure="rum")]).enqueue(4)  # error: [arg-type]
    await resize.enqueue()  # error: [call-arg]
    await resize.options(priority="HIGH").enqueue(imge_id=3)  # error: [call-arg]
    await stamp.enqueue("today")  # error: [arg-type]
    await stamp.enqueue(handle.output)  # error: [arg-type]


async def through_the_direct_engine(engine: Engine) -> None:
    assert_type(await (await engine.enqueue(resize, 3)).result(), str)
    await engine.schedule(Schedule("nightly", Cron("0 3 * * *")), resize, image_id=3)
    await engine.enqueue(resize, imge_id=3)  # error: [call-arg]
    await engine.schedule(Schedule("nightly", Cron("0 3 * * *")), resize, imge_id=3)  # error: [call-arg]


def through_the_blocking_engine(engine: SyncEngine) -> None:
    assert_type(engine.enqueue(resize, 3).result(), str)
    engine.enqueue(resize, imge_id=3)  # error: [call-arg]


async def over_http(taskflow: TaskFlow) -> None:
    assert_type(await (await taskflow.enqueue(resize, image_id=3)).result(), str)
    async for event in taskflow.events("tasks"):
        assert_type(event, LiveEvent)
    await taskflow.enqueue(resize, imge_id=3)  # error: [call-arg]


def over_http_blocking(taskflow: SyncTaskFlow) -> None:
    handle = taskflow.enqueue(resize, image_id=3)
    assert_type(handle, SyncTaskHandle[str])
    assert_type(handle.result(timeout=5), str)
    for event in taskflow.events():
        assert_type(event, LiveEvent)
    taskflow.enqueue(resize, image_id="three")  # error: [arg-type]


async def calling_it(width: int) -> None:
    assert_type(await resize.enqueue(3), TaskHandle[str])
    assert_type(await resize(3), str)
    assert_type(await resize.options(queue="other")(3), str)
    assert_type(stamp(datetime.now(UTC)), datetime)
    await resize(imge_id=width)  # error: [call-arg]
