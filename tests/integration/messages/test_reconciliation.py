"""Uncertain messages under `reconcile`: their providers are asked, and what is found decides."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from ipaddress import ip_network
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from support import mail_apis as apis
from support.campaigns import counter_sums, create, people
from support.campaigns import ledger as recipients
from support.duties import lead, open_dispatch
from support.messages import PATH, ledger, send
from support.processes import running, start
from support.receiver import Message, Receiver, Reply, plain, receiving, saying
from support.uncertain import add_mailgun, add_message, add_provider, grow_older, lose, searches
from support.waiting import eventually
from taskflow.base.ids import uuid7
from taskflow.broker.redis.broker import RedisBroker
from taskflow.campaigns.service import CampaignService
from taskflow.content.rendering import RenderPool
from taskflow.db.pool import Database
from taskflow.delivery.message_ids import MessageIds
from taskflow.delivery.messages.models import message_id_of
from taskflow.delivery.reconciliation.duty import Reconciliation
from taskflow.delivery.reconciliation.rules import LAST_AFTER, SURE_AFTER
from taskflow.delivery.sandbox.repository import InboxRepository, Received
from taskflow.engine.coordinator.duty import DutyContext
from taskflow.settings import Settings


@pytest.fixture
async def context(database: Database, broker: RedisBroker, settings: Settings) -> DutyContext:
    settings.provider.allow_networks = [ip_network("127.0.0.0/8")]  # type: ignore[list-item]
    await open_dispatch(database, broker)
    return await lead(database, broker, settings)


@pytest.fixture
async def server() -> AsyncIterator[Receiver]:
    async with receiving() as opened:
        yield opened


@pytest.fixture
async def mailgun(server: Receiver, database: Database, settings: Settings) -> apis.Mailgun:
    """A Mailgun, and a provider of this name that is there."""
    settings.provider.allow_networks = [ip_network("127.0.0.0/8")]  # type: ignore[list-item]
    server.answer = api = apis.Mailgun()
    await add_mailgun(database, settings, server.url)
    return api


@pytest.fixture
async def uncertain(database: Database, mailgun: apis.Mailgun) -> UUID:
    """A message to ann@example.com that Mailgun perhaps has, since a minute and a half."""
    message_id = await add_message(database, "ann@example.com", personalization={"order": 7})
    await lose(database, "messages", message_id, "mailgun")
    return message_id


def has(api: apis.Mailgun, message_id: UUID, address: str = "ann@example.com") -> None:
    """Let Mailgun have taken a message."""
    api.taken.append({"to": address.encode(), "v:taskflow_message_id": str(message_id).encode()})


async def look(context: DutyContext) -> None:
    await Reconciliation().run_once(context)


async def test_a_message_that_its_provider_has_is_sent_and_nobody_is_asked_again(
    uncertain: UUID, mailgun: apis.Mailgun, context: DutyContext, database: Database, server: Receiver
) -> None:
    await database.pool.execute("UPDATE providers SET price = 0.001, currency = 'USD'")
    has(mailgun, uncertain)
    await look(context)
    row = (await ledger(database))["ann@example.com"]
    assert (row["cost"], row["currency"]) == (Decimal("0.001000"), "USD")
    assert (row["status"], row["attention"], row["error_message"]) == ("SENT", None, None)
    assert row["provider_message_id"] == "mg-1@mg.example.org"
    assert row["sent_at"] == row["sending_at"]
    assert row["personalization"] == {"order": 7}, "its words are archived whole"
    assert await searches(database) == []
    await look(context)
    assert len(server.messages) == 1


async def test_where_words_are_not_archived_a_found_message_forgets_the_persons_values(
    mailgun: apis.Mailgun, context: DutyContext, database: Database
) -> None:
    message_id = await add_message(database, "ann@example.com", archive="none", personalization={"order": 7})
    await lose(database, "messages", message_id, "mailgun")
    has(mailgun, message_id)
    await look(context)
    assert (await ledger(database))["ann@example.com"]["personalization"] == {}


async def test_it_is_asked_again_and_again_until_its_provider_would_show_it_and_then_sent_again(
    uncertain: UUID, context: DutyContext, database: Database, server: Receiver, broker: RedisBroker
) -> None:
    await look(context)
    [search] = await searches(database)
    assert (search["looks"], search["finding"]) == (1, "mailgun has no such message.")
    await look(context)
    assert len(server.messages) == 1, "it is not due"
    await grow_older(database, 300)
    await look(context)
    await grow_older(database, SURE_AFTER - 400)
    await look(context)
    [search] = await searches(database)
    assert search["looks"] == 3
    assert (await ledger(database))["ann@example.com"]["status"] == "UNCERTAIN"
    await grow_older(database, 400)
    await look(context)
    row = (await ledger(database))["ann@example.com"]
    assert (row["status"], row["attention"], row["attempt"]) == ("PENDING", None, 1)
    assert row["error_message"] == "mailgun has no such message. It is sent again."
    assert await database.pool.fetchval("SELECT status FROM tasks WHERE task_id = $1", uncertain) == "PENDING"
    claimed = await broker.dispatch.claim("test", limit=5, quota=5, lease=30)
    assert [ids for _, ids in claimed.groups] == [[str(uncertain)]]
    assert await searches(database) == []


async def test_it_is_not_sent_again_while_its_old_task_has_not_ended(
    uncertain: UUID, context: DutyContext, database: Database
) -> None:
    await database.pool.execute("UPDATE tasks SET status = 'PENDING', completed_at = NULL, failed_at = NULL")
    await grow_older(database, SURE_AFTER)
    await look(context)
    assert (await ledger(database))["ann@example.com"]["status"] == "UNCERTAIN"
    [search] = await searches(database)
    assert search["next_look_at"] is not None
    await database.pool.execute("UPDATE tasks SET status = 'FAILED', completed_at = now(), failed_at = now()")
    await grow_older(database, 61)
    await look(context)
    assert (await ledger(database))["ann@example.com"]["status"] == "PENDING"


async def test_a_provider_that_does_not_answer_is_asked_for_a_day_and_then_a_person_decides(
    uncertain: UUID, context: DutyContext, database: Database, server: Receiver, marketer: httpx.AsyncClient
) -> None:
    server.answer = lambda _: plain(503)
    await grow_older(database, SURE_AFTER)
    await look(context)
    shown = (await marketer.get(f"{PATH}/{uncertain}")).json()
    assert (shown["status"], shown["looks"]) == ("UNCERTAIN", 1)
    assert shown["next_look_at"] is not None
    assert shown["finding"].startswith("mailgun was asked, and did not say: ")
    await grow_older(database, LAST_AFTER)
    await look(context)
    [shown] = (await marketer.get(PATH, params={"status": "UNCERTAIN"})).json()["items"]
    assert (shown["looks"], shown["next_look_at"]) == (2, None)
    asked = len(server.messages)
    await grow_older(database, LAST_AFTER)
    await look(context)
    assert len(server.messages) == asked, "nobody is asked any more"
    answer = await marketer.post(f"{PATH}/{uncertain}/resolve", json={"resolution": "failed"})
    assert (answer.json()["status"], answer.json()["finding"]) == ("FAILED", None)
    assert await searches(database) == []


async def test_a_provider_that_cannot_be_asked_leaves_it_to_a_person_at_once(
    context: DutyContext, database: Database
) -> None:
    settings = {"host": "127.0.0.1", "port": 1, "security": "none"}
    await add_provider(database, context.settings, name="relay", kind="smtp", settings=settings)
    for address, provider in (("a@example.com", "relay"), ("b@example.com", "gone")):
        await lose(database, "messages", await add_message(database, address), provider)
    await look(context)
    assert [(search["next_look_at"], search["finding"]) for search in await searches(database)] == [
        (None, "relay cannot be asked which messages it has."),
        (None, "There is no provider gone any more that could be asked."),
    ]
    assert {row["status"] for row in (await ledger(database)).values()} == {"UNCERTAIN"}


async def test_only_this_policy_asks(context: DutyContext, database: Database, mailgun: apis.Mailgun) -> None:
    for policy in ("hold", "resend"):
        message_id = await add_message(database, f"{policy}@example.com", uncertain_policy=policy)
        await lose(database, "messages", message_id, "mailgun", age=LAST_AFTER)
    await look(context)
    assert await searches(database) == []


async def test_the_sandbox_inbox_is_asked_too(context: DutyContext, database: Database) -> None:
    kept, lost = [await add_message(database, address) for address in ("kept@example.com", "lost@example.com")]
    copy = await add_message(database, "copy@example.com")
    await database.pool.execute(
        """UPDATE message_submissions s SET letter = letter || '{"addressee": {"address": "to@example.com"}}'
           FROM messages m WHERE m.message_id = $1 AND s.submission_id = m.submission_id""",
        copy,
    )
    for message_id in (kept, lost, copy):
        await lose(database, "messages", message_id, "sandbox")
    secret = context.settings.secret_key
    assert secret is not None
    from_address = "shop@sender.example"
    submission_id = (await ledger(database))["copy@example.com"]["submission_id"]
    ids = MessageIds(secret.get_secret_value().encode(), from_address)
    headers = {"kept@example.com": ids.of(kept), "copy@example.com": ids.of(message_id_of(submission_id, 1))}
    await InboxRepository(database.pool).add(
        [Received(uuid7(), from_address, address, "Hello", header, b"") for address, header in headers.items()]
    )
    await look(context)
    assert {address: row["status"] for address, row in (await ledger(database)).items()} == {
        "kept@example.com": "SENT",
        "lost@example.com": "UNCERTAIN",
        "copy@example.com": "SENT",
    }


async def test_a_mail_that_came_by_smtp_is_looked_for_under_the_id_that_it_brought(
    context: DutyContext, database: Database
) -> None:
    message_id = await add_message(database, "ann@example.com")
    raw = b"From: shop@sender.example\r\nMessage-ID: <own@sender.example>\r\n\r\nHello\r\n"
    await database.pool.execute("UPDATE message_submissions SET source = 'smtp', raw = $1", raw)
    await lose(database, "messages", message_id, "sandbox")
    mail = Received(uuid7(), "shop@sender.example", "ann@example.com", None, "<own@sender.example>", raw)
    await InboxRepository(database.pool).add([mail])
    await look(context)
    assert (await ledger(database))["ann@example.com"]["status"] == "SENT"


# -- who decides


async def test_a_person_who_decides_while_the_provider_is_asked_has_decided(
    uncertain: UUID,
    mailgun: apis.Mailgun,
    context: DutyContext,
    database: Database,
    server: Receiver,
    marketer: httpx.AsyncClient,
) -> None:
    has(mailgun, uncertain)
    asked, decided = asyncio.Event(), asyncio.Event()

    def slowly(message: Message) -> Reply:
        async def answer(writer: asyncio.StreamWriter) -> None:
            asked.set()
            await decided.wait()
            await mailgun(message)(writer)

        return answer

    server.answer = slowly
    looking = asyncio.create_task(look(context))
    await asked.wait()
    answer = await marketer.post(f"{PATH}/{uncertain}/resolve", json={"resolution": "failed"})
    assert answer.status_code == 200, answer.text
    decided.set()
    await looking
    assert (await ledger(database))["ann@example.com"]["status"] == "FAILED"
    assert await searches(database) == []


async def test_a_search_for_an_attempt_that_was_decided_about_elsewhere_ends(
    uncertain: UUID, context: DutyContext, database: Database, server: Receiver
) -> None:
    await look(context)
    await database.pool.execute("UPDATE messages SET status = 'SENT', attention = NULL, sent_at = now()")
    await grow_older(database, 300)
    await look(context)
    assert await searches(database) == []
    assert len(server.messages) == 1


async def test_the_next_uncertain_attempt_of_a_message_is_looked_for_anew(
    uncertain: UUID, context: DutyContext, database: Database
) -> None:
    await look(context)
    await database.pool.execute("UPDATE messages SET lease_epoch = 2, sending_at = now()")
    await look(context)
    [search] = await searches(database)
    assert (search["epoch"], search["looks"], search["finding"]) == (2, 0, None)


# -- campaigns


async def test_a_recipient_is_found_and_counted_and_who_is_not_found_is_held(
    context: DutyContext, database: Database, broker: RedisBroker, mailgun: apis.Mailgun, marketer: httpx.AsyncClient
) -> None:
    async with RenderPool(context.settings.campaign) as rendering:
        service = CampaignService(database, broker, rendering)
        campaign = await create(service, people(2), uncertain_policy="reconcile")
    rows = await recipients(database, campaign.campaign_id)
    for row in rows.values():
        await lose(database, "email_recipients", row["recipient_id"], "mailgun", age=SURE_AFTER)
    await database.pool.execute(
        "INSERT INTO campaign_counters (campaign_id, slot, uncertain) VALUES ($1, 0, 2)", campaign.campaign_id
    )
    await database.pool.execute("UPDATE providers SET price = 0.001, currency = 'USD'")
    has(mailgun, rows["p1@example.com"]["recipient_id"], "p1@example.com")
    await look(context)
    rows = await recipients(database, campaign.campaign_id)
    assert {address: row["status"] for address, row in rows.items()} == {
        "p1@example.com": "SENT",
        "p2@example.com": "UNCERTAIN",
    }
    assert rows["p1@example.com"]["provider_message_id"] == "mg-1@mg.example.org"
    assert await counter_sums(database, campaign.campaign_id) == {"SENT": 1, "UNCERTAIN": 1}
    path = f"/api/v1/campaigns/{campaign.campaign_id}"
    [held] = (await marketer.get(f"{path}/recipients", params={"status": "UNCERTAIN"})).json()["items"]
    assert (held["looks"], held["next_look_at"]) == (1, None)
    assert held["finding"] == "mailgun has no such message."
    shown = (await marketer.get(path)).json()
    assert (shown["uncertain_policy"], shown["costs"]) == ("reconcile", {"USD": 0.001})
    await marketer.post(f"{path}/recipients/resolve", json={"resolution": "sent"})
    assert (await marketer.get(path)).json()["costs"] == {"USD": 0.002}
    assert await searches(database) == []


# -- as it runs


async def test_answers_that_are_cut_and_a_coordinator_that_is_killed_lose_nobody_and_double_nobody(
    marketer: httpx.AsyncClient,
    environment: dict[str, str],
    database: Database,
    server: Receiver,
    mailgun: apis.Mailgun,
    tmp_path: Path,
) -> None:
    environment |= {
        "TASKFLOW_PROVIDER_ALLOW_NETWORKS": '["127.0.0.0/8"]',
        "TASKFLOW_WORKER_PROCESSES": "1",
        "TASKFLOW_ROUTER_FAULTS": "100",
    }

    def cut(message: Message) -> Reply:
        """Take what is sent and hang up; lose what is for p2 at first."""
        if b"p2@example.com" in message.body:
            server.answer = mailgun
            return saying()
        reply = mailgun(message)
        return saying() if message.method == "POST" else reply

    server.answer = cut
    await send(marketer, "p1@example.com", "p2@example.com", uncertain_policy="reconcile")

    async def all_uncertain() -> bool:
        return {row["status"] for row in (await ledger(database)).values()} == {"UNCERTAIN"}

    async def all_sent() -> bool:
        return {row["status"] for row in (await ledger(database)).values()} == {"SENT"}

    async with running(environment, "worker"):
        async with running(environment, "coordinator"):
            await eventually(all_uncertain, seconds=60, what="two messages that nobody knows of")
        failpoints = {
            "TASKFLOW_FAILPOINTS": "asked_before_written=kill@1",
            "TASKFLOW_FAILPOINTS_ONCE": str(tmp_path),
        }
        await grow_older(database, SURE_AFTER)
        killed = await start(environment | failpoints, "coordinator")
        assert await killed.wait() == -9
        assert (tmp_path / "asked_before_written").exists()
        assert await all_uncertain(), "it had been asked, and nothing was written"
        async with running(environment, "coordinator"):
            await eventually(all_sent, seconds=60, what="two messages sent")
    rows = await ledger(database)
    assert [rows[f"p{n}@example.com"]["attempt"] for n in (1, 2)] == [1, 2]
    assert sorted(fields["to"].decode() for fields in mailgun.taken) == ["p1@example.com", "p2@example.com"]
    assert rows["p1@example.com"]["provider_message_id"] == "mg-1@mg.example.org"
    assert await searches(database) == []
