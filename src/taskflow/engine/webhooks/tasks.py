"""The task that delivers a message. Its attempts are the history, its dead letter is the replay."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import orjson

from taskflow.db.queries import load
from taskflow.engine import sealed
from taskflow.engine.context import WorkerContext, current_task, worker_context
from taskflow.engine.definition import task
from taskflow.engine.retry import NoRetry, Retry
from taskflow.engine.webhooks.events import QUEUE, TASK_NAME
from taskflow.engine.webhooks.sender import Answer, Sender, guard_of
from taskflow.engine.webhooks.signatures import headers, secret_of
from taskflow.identity.secret_key import signing_key

sql = load(__file__)

DELAYS = (5.0, 60.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 43_200.0, 43_200.0)
"""Seconds before each further attempt: 10 attempts over about 42 hours."""


@asynccontextmanager
async def _open_sender(context: WorkerContext) -> AsyncIterator[Sender]:
    settings = context.settings.webhook
    yield Sender(guard_of(settings), settings.timeout)


@task(name=TASK_NAME, queue=QUEUE, max_retries=len(DELAYS), timeout=60)
async def deliver(delivery_id: UUID) -> int | None:
    """Post one message to its webhook; return the status of the answer."""
    context = worker_context()
    message = await context.database.pool.fetchrow(sql.message, delivery_id)
    if message is None:
        return None  # the webhook was deleted
    if message["disabled_reason"] is not None:
        raise NoRetry(f"The webhook is disabled: {message['disabled_reason']}")
    sender = await context.resource(_open_sender)
    body = body_of(message)
    secret_key = signing_key(context.settings).get_secret_value()
    versions = [message["secret_version"], *([message["secret_version"] - 1] if message["signs_with_previous"] else [])]
    secrets = [secret_of(secret_key, message["webhook_id"], version) for version in versions]
    signed = headers(f"msg_{delivery_id}", int(time.time()), body, secrets)
    answer = await sender.post(message["url"], signed, body)
    if answer.error is None:
        await context.database.pool.execute(sql.note_delivered, delivery_id, message["webhook_id"], answer.status)
        return answer.status
    await _fail(context, message, answer)
    return None


async def _fail(context: WorkerContext, message: asyncpg.Record, answer: Answer) -> None:
    """Count a failed attempt and ask for the next one.

    Raises:
        Retry, NoRetry: as the receiver's answer says.
    """
    gone = "It answered 410: it is gone." if answer.is_gone else None
    await context.database.pool.execute(
        sql.note_failed, message["delivery_id"], message["webhook_id"], answer.status, answer.error,
        context.settings.webhook.disable_after, gone,
    )  # fmt: skip
    if gone is not None:
        raise NoRetry(gone)
    delay = DELAYS[min(current_task().attempt, len(DELAYS)) - 1]
    raise Retry(answer.error or "", after=max(delay, answer.after or 0.0))


def body_of(message: asyncpg.Record) -> bytes:
    """Return the payload: type, timestamp, data; the same bytes at every attempt while the task's result stays."""
    data = dict(message["data"])
    if message["error_message"] is not None and message["event"] in ("task.failed", "task.timed_out"):
        data["error"] = sealed.shown(message["error_message"])
    return orjson.dumps({"type": message["event"], "timestamp": message["occurred_at"].isoformat(), "data": data})
