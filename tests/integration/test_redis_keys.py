"""The nine key patterns of the specification, read with raw commands from a running system."""

from datetime import UTC, datetime, timedelta

import httpx
from redis.asyncio import Redis

from support import sample_tasks as tasks
from support.api import Api
from support.api import running as api_running
from support.processes import running
from support.waiting import eventually
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine import Engine, Request
from taskflow.identity.models import Role
from taskflow.settings import Settings

CAMPAIGN = {
    "name": "Nine patterns",
    "template_subject": "Hello",
    "template_body": "<p>Hello {{ name }}</p>",
    "from_email": "news@example.com",
    "recipients": [{"email": "ada@example.com", "name": "Ada"}],
}


async def test_every_pattern_of_the_specification_is_there(
    settings: Settings, environment: dict[str, str], database: Database, broker: RedisBroker, redis: Redis
) -> None:
    quick = {
        **environment,
        "TASKFLOW_WORKER_PROCESSES": "1",
        "TASKFLOW_WORKER_HEARTBEAT_SECONDS": "1",
        "TASKFLOW_WORKER_QUEUES": '["default"]',
    }
    async with (
        running(quick, "coordinator"),
        running(quick, "worker"),
        api_running(settings) as api,
        await api.as_role(Role.ADMIN) as admin,
    ):
        engine = Engine(database, broker)
        await the_queue_is_a_sorted_set(engine, redis)
        await scheduled_tasks_stand_under_their_time(engine, redis)
        await children_stand_under_their_parent(engine, redis)
        await ends_are_a_stream(engine, redis)
        worker_id = await workers_register_and_beat(redis)
        await a_running_task_has_its_meta(engine, redis, worker_id)
        await requests_are_counted(api, admin, redis)
        await a_campaign_shows_its_progress(admin, redis)


async def the_queue_is_a_sorted_set(engine: Engine, redis: Redis) -> None:
    low = await engine.submit(Request("somebody.elses", queue="nobody-serves-this", priority=2))
    high = await engine.submit(Request("somebody.elses", queue="nobody-serves-this", priority=8))
    waiting = await redis.zrange("task:queue:nobody-serves-this", 0, -1)
    assert [i.decode() for i in waiting] == [str(high.task_id), str(low.task_id)]


async def scheduled_tasks_stand_under_their_time(engine: Engine, redis: Redis) -> None:
    when = datetime.now(UTC) + timedelta(seconds=30)
    handle = await engine.submit(Request("noop", scheduled_at=when))

    async def stands() -> bool:
        due = await redis.zrangebyscore("task:scheduled", 0, when.timestamp() + 1)
        return str(handle.task_id).encode() in due

    await eventually(stands)


async def children_stand_under_their_parent(engine: Engine, redis: Redis) -> None:
    parent = await engine.enqueue(tasks.noop)
    child = await engine.submit(Request("noop", parent_task_id=parent.task_id))
    assert await redis.smembers(f"task:dependencies:{parent.task_id}") == {str(child.task_id).encode()}


async def ends_are_a_stream(engine: Engine, redis: Redis) -> None:
    handle = await engine.enqueue(tasks.noop)

    async def announced() -> bool:
        entries = await redis.xread({"task:completed": "0"})
        wanted = {b"task_id": str(handle.task_id).encode(), b"status": b"COMPLETED"}
        return any(fields == wanted for _, stream in entries for _, fields in stream)

    await eventually(announced)


async def workers_register_and_beat(redis: Redis) -> str:
    [worker_id] = [member.decode() for member in await redis.smembers("worker:registry")]
    beat = await redis.hgetall(f"worker:{worker_id}")
    assert set(beat) >= {b"hostname", b"status", b"current_load", b"capacity", b"last_heartbeat"}
    assert 0 < await redis.ttl(f"worker:{worker_id}") <= 60
    return worker_id


async def a_running_task_has_its_meta(engine: Engine, redis: Redis, worker_id: str) -> None:
    handle = await engine.enqueue(tasks.sleeps, 30.0)

    async def meta() -> dict[bytes, bytes]:
        return await redis.hgetall(f"task:meta:{handle.task_id}")

    found = await eventually(meta)
    assert found[b"status"] == b"RUNNING"
    assert found[b"worker_id"].decode() == worker_id
    assert found[b"retry_count"] == b"0"
    assert set(found) >= {b"started_at"}
    await engine.cancel(handle.task_id)


async def requests_are_counted(api: Api, admin: httpx.AsyncClient, redis: Redis) -> None:
    me = (await admin.get("/api/v1/auth/me")).json()
    key = f"rate_limit:api:user:{me['user_id']}"
    found = [name async for name in redis.scan_iter("rate_limit:*") if not name.endswith(b":log")]
    assert key.encode() in found
    assert int(await redis.get(key)) >= 1
    assert 0 < await redis.ttl(key) <= 60


async def a_campaign_shows_its_progress(admin: httpx.AsyncClient, redis: Redis) -> None:
    made = await admin.post("/api/v1/campaigns", json=CAMPAIGN)
    assert made.status_code == 201, made.text
    campaign_id = made.json()["campaign_id"]
    assert (await admin.post(f"/api/v1/campaigns/{campaign_id}/start")).status_code == 200

    async def progress() -> dict[bytes, bytes]:
        return await redis.hgetall(f"campaign:{campaign_id}:progress")

    found = await eventually(progress)
    assert {b"total", b"sent", b"failed", b"pending"} <= set(found)
    assert (found[b"total"], found[b"pending"]) == (b"1", b"1")
