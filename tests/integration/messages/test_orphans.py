"""Messages whose task ended without them: each gets an end, and nobody who may still be sent to does."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from support.duties import lead
from support.messages import status_of
from taskflow.base.ids import uuid7
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.delivery.messages.orphans import MessageOrphans
from taskflow.engine import Engine
from taskflow.engine.coordinator.duty import DutyContext
from taskflow.settings import Settings


@pytest.fixture
async def context(database: Database, broker: RedisBroker, settings: Settings) -> DutyContext:
    return await lead(database, broker, settings)


async def add(database: Database, status: str, task: str, *, sending_ago: float = 0.0) -> UUID:
    """Insert a message of this status, and its task."""
    message_id, now = uuid7(), datetime.now(UTC)
    await database.pool.execute(
        "INSERT INTO messages (message_id, submission_id, channel, address, from_address, status, attention,"
        " sending_at) VALUES ($1, $1, 'email', 'ann@example.com', 'a@b.example', $2::text,"
        "         CASE WHEN $2::text = 'DEFERRED' THEN $2::text END, $3)",
        message_id, status, now - timedelta(seconds=sending_ago) if status == "SENDING" else None,
    )  # fmt: skip
    is_over, has_failed = task in ("FAILED", "TIMEOUT", "CANCELLED", "COMPLETED"), task in ("FAILED", "TIMEOUT")
    await database.pool.execute(
        "INSERT INTO tasks (task_id, task_name, queue, dispatch_key, status, completed_at, failed_at,"
        " cancel_requested_at) VALUES ($1, 'send_message', 'messages', 'messages', $2, $3, $4, $5)",
        message_id, task, now if is_over else None, now if has_failed else None, now if task == "CANCELLED" else None,
    )  # fmt: skip
    return message_id


@pytest.mark.parametrize(
    ("row", "task", "wanted"),
    [
        ("PENDING", "FAILED", "FAILED"),
        ("DEFERRED", "TIMEOUT", "FAILED"),
        ("PENDING", "CANCELLED", "CANCELLED"),
        ("SENDING", "FAILED", "UNCERTAIN"),
        ("SENDING", "CANCELLED", "UNCERTAIN"),
        ("PENDING", "PENDING", "PENDING"),
        ("UNCERTAIN", "FAILED", "UNCERTAIN"),
    ],
)
async def test_a_message_whose_task_is_over_ends_as_its_task_did(
    context: DutyContext, row: str, task: str, wanted: str
) -> None:
    database = context.database
    if row == "UNCERTAIN":
        message_id = await add(database, "SENDING", task, sending_ago=120)
        await database.pool.execute("UPDATE messages SET status = 'UNCERTAIN', attention = 'UNCERTAIN'")
    else:
        message_id = await add(database, row, task, sending_ago=120)
    duty = MessageOrphans()
    assert await duty.run_once(context) == (row != wanted)
    assert await status_of(database, message_id) == wanted
    attention = await database.pool.fetchval("SELECT attention FROM messages")
    assert attention == (None if wanted == "PENDING" else wanted), "it is listed where somebody looks"
    assert await duty.run_once(context) == 0


async def test_what_may_be_on_the_wire_is_left_to_its_sender_for_a_minute(context: DutyContext) -> None:
    message_id = await add(context.database, "SENDING", "FAILED", sending_ago=30)
    duty = MessageOrphans()
    assert await duty.run_once(context) == 0
    await context.database.pool.execute("UPDATE messages SET sending_at = sending_at - interval '31 seconds'")
    assert await duty.run_once(context) == 1
    assert await status_of(context.database, message_id) == "UNCERTAIN"


async def test_a_cancelled_task_takes_its_message_along_and_the_reason_is_that_of_the_dead_letter(
    context: DutyContext, engine: Engine
) -> None:
    database = context.database
    cancelled = await add(database, "PENDING", "PENDING")
    await engine.cancel(cancelled)
    dead = await add(database, "PENDING", "TIMEOUT")
    await database.pool.execute(
        "INSERT INTO dead_letter_queue (dlq_id, task_id, lease_epoch, task_name, task_data, failure_reason,"
        " total_attempts) VALUES ($1, $1, 3, 'send_message', '{}', 'It took its process with it.', 3)",
        dead,
    )
    assert await MessageOrphans().run_once(context) == 2
    rows = await database.pool.fetch("SELECT message_id, status, error_message FROM messages")
    assert {row["message_id"]: row["status"] for row in rows} == {cancelled: "CANCELLED", dead: "FAILED"}
    assert {row["error_message"] for row in rows} == {None, "It took its process with it."}
