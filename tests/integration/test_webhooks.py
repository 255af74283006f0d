"""Webhooks on the real stack: every end is told once, signed, retried and replayed; nobody pays who has none."""

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any
from uuid import UUID

import pytest

from support import sample_tasks as tasks
from support.duties import add_worker, lead
from support.processes import running
from support.receiver import Receiver, plain, receiving
from support.schedules import complete, run_task
from support.waiting import eventually
from taskflow.base.errors import InvalidInputError
from taskflow.base.ids import uuid7
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine import Engine, outcomes
from taskflow.engine.coordinator.pruner import Pruner
from taskflow.engine.requests import Request
from taskflow.engine.store import TaskStore
from taskflow.engine.webhooks.repository import WebhookNotFoundError
from taskflow.engine.webhooks.service import DeliveryUnderWayError, WebhookService
from taskflow.settings import Settings

COLUMNS = {"url": "http://127.0.0.1:9/", "description": "", "events": [], "task_names": [], "queues": []}
TRIGGERS = "SELECT count(*) FROM pg_trigger WHERE tgname = 'tasks_ended'"


@pytest.fixture
def webhooks(database: Database, broker: RedisBroker, settings: Settings) -> WebhookService:
    settings.webhook.allow_networks = [ip_network("127.0.0.0/8")]
    return WebhookService(database, broker, settings)


async def create(webhooks: WebhookService, **changes: Any) -> tuple[UUID, str]:
    made = await webhooks.create(COLUMNS | changes)
    return made.row["webhook_id"], made.secret


async def told(database: Database) -> list[tuple[str, str]]:
    """Return (event, task name) of what is to be delivered."""
    rows = await database.pool.fetch("SELECT event, data FROM webhook_deliveries ORDER BY delivery_id")
    return [(row["event"], row["data"]["task_name"]) for row in rows]


async def test_the_trigger_is_there_while_somebody_listens(database: Database, webhooks: WebhookService) -> None:
    async def triggers() -> int:
        return int(await database.pool.fetchval(TRIGGERS))

    assert await triggers() == 0
    first, _ = await create(webhooks)
    second, _ = await create(webhooks)
    assert await triggers() == 1
    await webhooks.update(first, {"enabled": False})
    assert await triggers() == 1
    await webhooks.delete(second)
    assert await triggers() == 0
    await webhooks.update(first, {"enabled": True})
    assert await triggers() == 1


async def test_every_way_to_end_is_told_in_the_transaction_that_ends_the_task(
    engine: Engine, webhooks: WebhookService, database: Database, broker: RedisBroker
) -> None:
    await create(webhooks)
    handles = [await engine.submit(Request(name)) for name in ("good", "bad", "slow", "cancelled")]
    await engine.cancel(handles[3].task_id)
    for handle, change in zip(
        handles, ("'COMPLETED'", "'FAILED', failed_at = now()", "'TIMEOUT', failed_at = now()"), strict=False
    ):
        await run_task(database, handle.task_id)
        await database.pool.execute(
            f"UPDATE tasks SET status = {change}, completed_at = now() WHERE task_id = $1",  # noqa: S608 - ours
            handle.task_id,
        )
    expected = [
        ("task.cancelled", "cancelled"),
        ("task.completed", "good"),
        ("task.failed", "bad"),
        ("task.timed_out", "slow"),
    ]
    assert await told(database) == expected
    rows = await database.pool.fetch(
        "SELECT t.* FROM tasks t JOIN webhook_deliveries d ON d.task_id = t.task_id WHERE t.status = 'PENDING'"
    )
    assert {(row["task_name"], row["queue"], row["max_retries"]) for row in rows} == {
        ("taskflow.webhook", "webhooks", 9)
    }
    assert len(rows) == 4
    assert all(row["task_id"].version == 7 for row in rows)
    await complete(database, *(row["task_id"] for row in rows))  # ends of deliveries are not told
    assert await told(database) == expected


async def test_an_end_that_is_rolled_back_is_not_told(
    engine: Engine, webhooks: WebhookService, database: Database
) -> None:
    await create(webhooks)
    handle = await engine.submit(Request("x"))
    async with database.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(
            "UPDATE tasks SET status = 'COMPLETED', completed_at = now() WHERE task_id = $1", handle.task_id
        )
        await transaction.rollback()
    assert await told(database) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"events": ["task.cancelled"]}, ["a", "b", "c"]),
        ({"events": ["task.failed"]}, []),
        ({"task_names": ["a", "z"]}, ["a"]),
        ({"queues": ["slow"]}, ["b"]),
        ({"queues": ["slow"], "task_names": ["a"]}, []),
    ],
)
async def test_filters_say_what_is_told(
    engine: Engine, webhooks: WebhookService, database: Database, changes: dict[str, Any], expected: list[str]
) -> None:
    await create(webhooks, **changes)
    for name, queue in (("a", "fast"), ("b", "slow"), ("c", "fast")):
        await engine.cancel((await engine.submit(Request(name, queue=queue))).task_id)
    assert [name for _, name in await told(database)] == expected


async def test_mail_of_campaigns_is_not_told_one_by_one(webhooks: WebhookService, database: Database) -> None:
    await create(webhooks)
    await database.pool.execute(
        "INSERT INTO tasks (task_id, task_name, campaign_id) VALUES (gen_random_uuid(), 'send', gen_random_uuid())"
    )
    await complete(database)
    assert await told(database) == []


async def test_claims_and_completions_of_the_hot_path_go_on_under_the_trigger(
    engine: Engine, webhooks: WebhookService, database: Database
) -> None:
    """The statements run with their pinned plans; an end is told once although its statement is repeated."""
    await create(webhooks)
    await create(webhooks)
    handles = await engine.submit_many([Request("x") for _ in range(20)])
    store, worker = TaskStore(database), await add_worker(database)
    leases = await store.claim(uuid7(), worker, uuid7(), [str(handle.task_id) for handle in handles])
    assert await told(database) == []
    ends = [outcomes.completed(lease, 0.1) for lease in leases]
    assert (await store.finish(ends)).stale == set()
    assert (await store.finish(ends)).stale == set()
    assert await told(database) == [("task.completed", "x")] * 40


async def test_an_address_inside_is_refused_when_it_is_set(webhooks: WebhookService) -> None:
    for url in ("http://10.0.0.1/", "https://169.254.169.254/latest", "http://93.184.215.14/", "ftp://x"):
        with pytest.raises(InvalidInputError):
            await create(webhooks, url=url)
    webhook_id, _ = await create(webhooks)
    with pytest.raises(InvalidInputError):
        await webhooks.update(webhook_id, {"url": "https://[::1]/"})
    with pytest.raises(WebhookNotFoundError):
        await webhooks.delete(UUID(int=0))


async def test_a_waiting_delivery_is_not_replayed(webhooks: WebhookService) -> None:
    webhook_id, _ = await create(webhooks)
    delivery = await webhooks.test(webhook_id)
    with pytest.raises(DeliveryUnderWayError):
        await webhooks.replay(webhook_id, delivery["delivery_id"])


# ─────────────────────────────────── with real workers and a receiver ───────────────────────────────────


def worker_environment(environment: Mapping[str, str], **changes: str) -> dict[str, str]:
    return {
        **environment,
        "TASKFLOW_WEBHOOK_ALLOW_NETWORKS": '["127.0.0.0/8"]',
        "TASKFLOW_WORKER_PROCESSES": "1",
        "TASKFLOW_WEBHOOK_TIMEOUT": "2",
        **changes,
    }


async def hurry(database: Database) -> None:
    """Let retries be due now."""
    await database.pool.execute("UPDATE tasks SET due_at = now() WHERE due_at IS NOT NULL")


async def test_ends_are_delivered_signed_and_retried_under_one_id(
    engine: Engine, webhooks: WebhookService, database: Database, environment: dict[str, str]
) -> None:
    async with receiving(plain(500)) as receiver:
        webhook_id, secret = await create(webhooks, url=f"http://127.0.0.1:{receiver.port}/in")
        setup = worker_environment(environment)
        async with running(setup, "coordinator"), running(setup, "worker"):
            handle = await engine.enqueue(tasks.fails_for_good)

            async def retried() -> bool:
                await hurry(database)
                return len(receiver.messages) >= 2

            await eventually(retried, seconds=60, what="the second attempt")

            async def noted() -> Any:
                [row] = (await webhooks.reader.list_deliveries(webhook_id, True, None, 9))[0] or [None]
                return row

            delivery = await eventually(noted, seconds=30, what="the delivery is written down")
    first, second = receiver.messages
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == f"msg_{delivery['delivery_id']}"
    assert first.body == second.body
    assert second.is_signed_with(secret)
    assert second.json["type"] == "task.failed"
    assert second.json["data"]["task_id"] == str(handle.task_id)
    assert second.json["data"]["error"] == "NoRetry: no use"
    assert (delivery["attempts"], delivery["response_status"], delivery["error"]) == (2, 204, None)
    assert (await webhooks.reader.webhook(webhook_id))["failures"] == 0
    attempts = await database.pool.fetch(
        "SELECT status FROM task_executions WHERE task_id = $1 ORDER BY lease_epoch", delivery["task_id"]
    )
    assert [row["status"] for row in attempts] == ["FAILED", "COMPLETED"]


async def test_a_replaced_secret_signs_beside_the_new_one(
    engine: Engine, webhooks: WebhookService, environment: dict[str, str]
) -> None:
    async with receiving() as receiver:
        webhook_id, old = await create(webhooks, url=f"http://127.0.0.1:{receiver.port}/")
        new = (await webhooks.rotate(webhook_id)).secret
        assert old != new
        await webhooks.test(webhook_id)
        async with running(worker_environment(environment), "worker"):
            message = await eventually(lambda: receiver.messages, seconds=60, what="the test message")
    assert message[0].json["type"] == "webhook.test"
    assert message[0].is_signed_with(old)
    assert message[0].is_signed_with(new)


async def failed(database: Database) -> bool:
    """Tell whether every delivery has been given up."""
    await hurry(database)
    return bool(
        await database.pool.fetchval(
            "SELECT bool_and(status = 'FAILED') FROM tasks WHERE task_name = 'taskflow.webhook'"
        )
    )


async def test_a_receiver_that_keeps_failing_is_disabled_and_its_messages_are_replayed(
    webhooks: WebhookService, database: Database, engine: Engine, environment: dict[str, str]
) -> None:
    setup = worker_environment(environment, TASKFLOW_WEBHOOK_DISABLE_AFTER="3")
    async with receiving(*[plain(503)] * 3) as receiver, running(setup, "coordinator"), running(setup, "worker"):
        webhook_id, _ = await create(webhooks, url=f"http://127.0.0.1:{receiver.port}/")
        delivery_id = (await webhooks.test(webhook_id))["delivery_id"]
        await eventually(lambda: failed(database), seconds=60, what="the delivery is given up")
        row = await webhooks.reader.webhook(webhook_id)
        assert (row["failures"], row["disabled_reason"]) == (3, "3 attempts failed in a row.")
        assert len(receiver.messages) == 3
        letter = await database.pool.fetchrow("SELECT * FROM dead_letter_queue")
        assert letter is not None
        assert "disabled" in letter["failure_reason"]
        await webhooks.update(webhook_id, {"enabled": True})
        await webhooks.replay(webhook_id, delivery_id)

        async def delivered() -> bool:
            found = await webhooks.reader.delivery(webhook_id, delivery_id)
            return found["delivered_at"] is not None and found["task_status"] == "COMPLETED"

        await eventually(delivered, seconds=60, what="the replay arrives")
        assert {message.headers["webhook-id"] for message in receiver.messages} == {f"msg_{delivery_id}"}
        assert await database.pool.fetchval("SELECT requeued_at FROM dead_letter_queue") is not None
        await webhooks.replay(webhook_id, delivery_id)  # also one that has arrived
        await eventually(lambda: len(receiver.messages) == 5, seconds=60, what="it arrives once more")


async def test_a_receiver_that_is_gone_is_told_nothing_more(
    engine: Engine, webhooks: WebhookService, database: Database, environment: dict[str, str]
) -> None:
    async with receiving(plain(410)) as receiver, running(worker_environment(environment), "worker"):
        webhook_id, _ = await create(webhooks, url=f"http://127.0.0.1:{receiver.port}/")
        await webhooks.test(webhook_id)
        await eventually(lambda: failed(database), seconds=60, what="the delivery is given up at once")
    assert len(receiver.messages) == 1
    assert "410" in (await webhooks.reader.webhook(webhook_id))["disabled_reason"]


async def test_no_end_is_missed_when_redis_forgets_and_workers_die(
    engine: Engine, webhooks: WebhookService, database: Database, broker: RedisBroker, environment: dict[str, str]
) -> None:
    setup = worker_environment(
        environment, TASKFLOW_WORKER_HEARTBEAT_SECONDS="0.3", TASKFLOW_COORDINATOR_DEAD_AFTER_SECONDS="2"
    )
    async with receiving() as receiver:
        await create(webhooks, url=f"http://127.0.0.1:{receiver.port}/", task_names=["noop"])
        handles = await engine.enqueue_many(tasks.noop, [{}] * 60)
        async with running(setup, "coordinator"):
            async with running(setup, "worker") as first:
                await eventually(lambda: len(receiver.messages) >= 5, seconds=60, what="some are told")
                await broker.redis.flushall()
                first.kill()
            async with running(setup, "worker"):

                def all_told() -> bool:
                    return len(_tasks_of(receiver)) == len(handles)

                await eventually(all_told, seconds=90, what="every end is told")
    assert _tasks_of(receiver) == {str(handle.task_id) for handle in handles}
    assert await database.pool.fetchval("SELECT count(*) FROM webhook_deliveries") == len(handles)


def _tasks_of(receiver: Receiver) -> set[str]:
    return {message.json["data"]["task_id"] for message in receiver.messages}


async def test_old_deliveries_and_traces_are_pruned(
    webhooks: WebhookService, database: Database, broker: RedisBroker, settings: Settings
) -> None:
    webhook_id, _ = await create(webhooks)
    old, young = [(await webhooks.test(webhook_id))["delivery_id"] for _ in range(2)]
    await database.pool.execute(
        "UPDATE webhook_deliveries SET occurred_at = now() - interval '31 days' WHERE delivery_id = $1", old
    )
    for task_id in (UUID("0193f0a2-7c2e-7d11-a5b8-3f60c1d2e9aa"), uuid7()):  # born in 2024, and now
        await database.pool.execute("INSERT INTO task_traces VALUES ($1, '00-…', NULL)", task_id)
    context = await lead(database, broker, settings)
    assert await Pruner().run_once(context) == 2
    assert [row["delivery_id"] for row in await database.pool.fetch("SELECT * FROM webhook_deliveries")] == [young]
    assert await database.pool.fetchval("SELECT count(*) FROM task_traces") == 1
