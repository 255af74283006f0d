"""Webhooks hear what became of single messages, in the transaction that says so."""

import json
from typing import Any
from uuid import UUID

import httpx
import pytest

from support.api import Api
from support.messages import PATH, send, send_text
from support.processes import running
from support.receiver import receiving
from support.scripted_smtp import ScriptedSmtp
from support.waiting import eventually
from taskflow.db.pool import Database
from taskflow.delivery.outcome import Cause
from taskflow.delivery.providers.sms.hooks import Reply, Report, ReportStatus
from taskflow.delivery.sms.inbound.service import Inbound
from taskflow.engine.webhooks.service import WebhookService

COLUMNS = {"url": "http://127.0.0.1:9/", "description": "", "events": [], "task_names": [], "queues": []}
TRIGGERS = "SELECT count(*) FROM pg_trigger WHERE tgname = 'messages_ended'"
NETWORKS = ["127.0.0.0/8"]


@pytest.fixture
def webhooks(api: Api) -> WebhookService:
    api.settings.webhook.allow_networks = type(api.settings.webhook)(allow_networks=NETWORKS).allow_networks
    return WebhookService(api.database, api.broker, api.settings)


async def told(database: Database) -> list[tuple[str, dict[str, Any]]]:
    rows = await database.pool.fetch(
        "SELECT event, data FROM webhook_deliveries WHERE event LIKE 'message.%' ORDER BY delivery_id"
    )
    return [(row["event"], row["data"]) for row in rows]


@pytest.mark.parametrize(
    ("changes", "listens"),
    [
        ({}, True),
        ({"events": ["message.failed"]}, True),
        ({"events": ["task.failed"]}, False),
        ({"queues": ["messages"]}, False),
        ({"task_names": ["x"], "events": ["message.failed"]}, False),
    ],
)
async def test_the_trigger_is_there_while_somebody_wants_to_hear_of_messages(
    webhooks: WebhookService, database: Database, changes: dict[str, Any], listens: bool
) -> None:
    made = await webhooks.create(COLUMNS | changes)
    assert await database.pool.fetchval(TRIGGERS) == int(listens)
    await webhooks.update(made.row["webhook_id"], {"enabled": False})
    assert await database.pool.fetchval(TRIGGERS) == 0


async def test_a_standing_is_told_once_without_who_it_is_about(
    webhooks: WebhookService, marketer: httpx.AsyncClient, database: Database
) -> None:
    await webhooks.create(COLUMNS | {"events": ["message.cancelled"]})
    submitted = await send(marketer, "ann@example.com", tags=["order"])
    [accepted] = submitted["messages"]
    path = f"{PATH}/{accepted['message_id']}/cancel"
    assert (await marketer.post(path)).status_code == 200
    await marketer.post(path)
    await database.pool.execute("UPDATE messages SET error_message = 'Ann was here'")  # no other standing
    [(event, data)] = await told(database)
    assert event == "message.cancelled"
    assert (data["message_id"], data["submission_id"]) == (accepted["message_id"], submitted["submission_id"])
    assert (data["status"], data["tags"], data["channel"]) == ("CANCELLED", ["order"], "email")
    assert "ann@" not in json.dumps(data)


@pytest.mark.parametrize("is_early", [False, True], ids=["after SENT", "before the commit that says SENT"])
async def test_the_first_end_that_a_provider_reports_is_told_once_whenever_it_comes(
    webhooks: WebhookService, marketer: httpx.AsyncClient, database: Database, is_early: bool
) -> None:
    await webhooks.create(COLUMNS | {"events": ["message.delivered", "message.undelivered"]})
    texts = [await send_text(marketer, number) for number in ("+491711234567", "+491711234568")]
    ids = [text["messages"][0]["message_id"] for text in texts]
    inbound = Inbound(database.pool)

    async def sent() -> None:
        for number, message_id in enumerate(ids):
            await database.pool.execute(
                "UPDATE messages SET status = 'SENT', sent_at = now(), sending_at = now(), provider_message_id = $2"
                " WHERE message_id = $1",
                UUID(message_id), f"SM{number}",
            )  # fmt: skip

    async def report(number: int, status: ReportStatus, cause: Cause | None = None) -> None:
        await inbound.take("twilio", [Report(f"SM{number}", status, cause)])

    async def reported() -> None:
        await report(0, ReportStatus.SENT)
        await report(0, ReportStatus.DELIVERED)
        await report(0, ReportStatus.FAILED, Cause.UNKNOWN)
        await report(1, ReportStatus.FAILED, Cause.CONTENT)
        await report(2, ReportStatus.DELIVERED)  # nobody's

    for step in (reported, sent) if is_early else (sent, reported):
        await step()
    delivered, undelivered = sorted(await told(database))
    assert (delivered[0], undelivered[0]) == ("message.delivered", "message.undelivered")
    assert (delivered[1]["message_id"], delivered[1]["delivery"], delivered[1]["status"]) == (
        ids[0], "delivered", "SENT",
    )  # fmt: skip
    assert (undelivered[1]["message_id"], undelivered[1]["delivery_cause"]) == (ids[1], "content")
    assert "+49" not in json.dumps([delivered, undelivered])
    for filters in ({}, {"address": "+491711234568"}, {"status": "SENT"}):
        answer = await marketer.get(PATH, params={"delivery": "failed"} | filters)
        assert [one["message_id"] for one in answer.json()["items"]] == [ids[1]], answer.text


async def test_providers_of_one_kind_may_call_their_texts_the_same(
    webhooks: WebhookService, marketer: httpx.AsyncClient, database: Database
) -> None:
    await webhooks.create(COLUMNS | {"events": ["message.delivered", "message.undelivered"]})
    texts = [await send_text(marketer, number) for number in ("+491711234567", "+491711234568")]
    ids = [text["messages"][0]["message_id"] for text in texts]
    for name, message_id in zip(("one", "two"), ids, strict=True):
        await database.pool.execute(
            "UPDATE messages SET status = 'SENT', sent_at = now(), sending_at = now(), provider = $2,"
            " provider_message_id = '7' WHERE message_id = $1",
            UUID(message_id), name,
        )  # fmt: skip
    inbound = Inbound(database.pool)
    await inbound.take("sms-http", [Report("7", ReportStatus.FAILED, Cause.CONTENT, "x")], "one")
    await inbound.take("sms-http", [Report("7", ReportStatus.DELIVERED, code="x")], "two")
    heard = {(event, data["message_id"]) for event, data in await told(database)}
    assert heard == {("message.undelivered", ids[0]), ("message.delivered", ids[1])}
    answer = await marketer.get(PATH, params={"delivery": "failed"})
    assert [one["message_id"] for one in answer.json()["items"]] == [ids[0]]
    stops = [
        await inbound.take("sms-http", [Reply("7", number, "", "STOP")], name)
        for name, number in (("one", "+491711234567"), ("two", "+491711234568"), ("two", "+491711234569"))
    ]
    assert [len(changes) for changes in stops] == [1, 1, 0]  # the last was told before


async def test_what_is_rolled_back_is_not_told(
    webhooks: WebhookService, marketer: httpx.AsyncClient, database: Database
) -> None:
    await webhooks.create(COLUMNS)
    await send(marketer, "ann@example.com")
    async with database.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("UPDATE messages SET status = 'CANCELLED', attention = 'CANCELLED'")
        await transaction.rollback()
    assert await told(database) == []


async def test_an_application_hears_of_its_mails(
    webhooks: WebhookService, marketer: httpx.AsyncClient, smtp: ScriptedSmtp, mailing: dict[str, str]
) -> None:
    smtp.script("RCPT", "250 ok", "550 5.1.1 no such user")
    mailing |= {"TASKFLOW_WEBHOOK_ALLOW_NETWORKS": json.dumps(NETWORKS)}
    async with receiving() as receiver, running(mailing, "coordinator"), running(mailing, "worker"):
        made = await webhooks.create(
            COLUMNS | {"url": f"http://127.0.0.1:{receiver.port}/", "events": ["message.sent", "message.failed"]}
        )
        for address in ("ann@example.com", "nobody@example.com"):
            await send(marketer, address)
            count = len(receiver.messages)
            await eventually(lambda: len(receiver.messages) > count, seconds=60, what="the webhook")  # noqa: B023
        sent, failed = receiver.messages
    assert (sent.json["type"], failed.json["type"]) == ("message.sent", "message.failed")
    assert sent.json["data"]["provider"] == "smtp:127.0.0.1"
    assert sent.is_signed_with(made.secret)
