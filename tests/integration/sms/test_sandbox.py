"""A text to the sandbox is in the inbox, with its parts; and fails where the sandbox's rules say so."""

import time
from collections.abc import AsyncIterator

import pytest

from support.receiver import receiving
from support.texts import FACTS, dlt_text, text
from taskflow.base.outbound import AddressGuard
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.delivery.outcome import OutcomeKind
from taskflow.delivery.providers.contract import ProviderUnusableError, Surroundings
from taskflow.delivery.providers.http import HttpClient
from taskflow.delivery.providers.sandbox_faults import SandboxFields
from taskflow.delivery.providers.sms.sandbox import KIND, SmsSandbox
from taskflow.delivery.sandbox import Inbox, SandboxServer
from taskflow.delivery.sandbox.schemas import InboxRule
from taskflow.privacy.erasing import erase
from taskflow.privacy.service import PrivacyService
from taskflow.privacy.subject import Subject
from taskflow.settings import Settings


@pytest.fixture
async def server(settings: Settings, database: Database) -> AsyncIterator[SandboxServer]:
    async with SandboxServer.running(database.pool, settings.sandbox) as found:
        yield found


@pytest.fixture
async def sandbox(server: SandboxServer) -> AsyncIterator[SmsSandbox]:
    opened = SmsSandbox("127.0.0.1", server.port)
    yield opened
    await opened.close()


async def test_a_text_and_its_parts_are_in_the_inbox(sandbox: SmsSandbox, database: Database) -> None:
    plain, emoji = text(body="x" * 150, sender="ACME"), text(body="x" * 150 + "😀")
    outcomes = await sandbox.send([plain, text("nobody"), emoji, dlt_text()], time.monotonic() + 30)
    assert [outcome.kind for outcome in outcomes] == [
        OutcomeKind.ACCEPTED, OutcomeKind.REJECTED, OutcomeKind.ACCEPTED, OutcomeKind.ACCEPTED,
    ]  # fmt: skip
    assert outcomes[0].provider_id == str(plain.message_id)
    inbox = Inbox(database.pool)
    mails = {mail.subject: mail for mail in (await inbox.list_mails("sms.invalid", None, 10)).items}
    assert set(mails) == {
        "SMS of 1 part, GSM-7", "SMS of 3 parts, UCS-2", f"SMS of 1 part, GSM-7, DLT template {FACTS.template_id}",
    }  # fmt: skip
    shown = await inbox.mail(mails["SMS of 3 parts, UCS-2"].message_id)
    assert (shown.rcpt_to, (shown.text or "").strip()) == ("+491711234567@sms.invalid", emoji.text)
    sender = {
        header.name: header.value for header in (await inbox.mail(mails["SMS of 1 part, GSM-7"].message_id)).headers
    }
    assert "ACME" in sender["From"]


async def test_it_is_where_the_sandbox_of_its_surroundings_is(server: SandboxServer) -> None:
    client = HttpClient(AddressGuard())
    opened = KIND.open(SandboxFields(), Surroundings(client, ("127.0.0.1", server.port)))
    assert await opened.check() == "The sandbox answers."
    await opened.close()
    await client.close()


async def test_it_fails_where_a_rule_says_so(sandbox: SmsSandbox, server: SandboxServer, database: Database) -> None:
    rule = {"pattern": "+491711234567@sms.invalid", "action": "reject", "times": None}
    await Inbox(database.pool).replace_rules([InboxRule.model_validate(rule)])
    server._rules_at = 0.0
    outcomes = await sandbox.send([text(), text("+491711234568")], time.monotonic() + 30)
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.REJECTED, OutcomeKind.ACCEPTED]


async def test_it_says_whether_it_is_there(sandbox: SmsSandbox) -> None:
    assert await sandbox.check() == "The sandbox answers."
    async with receiving() as receiver:
        port = receiver.port
    away = SmsSandbox("127.0.0.1", port)
    with pytest.raises(ProviderUnusableError):
        await away.check()
    [outcome] = await away.send([text()], time.monotonic() + 30)
    assert outcome.kind is OutcomeKind.PROVIDER_FAULT
    await away.close()


async def test_a_person_finds_their_texts_there_and_may_have_them_erased(
    sandbox: SmsSandbox, database: Database, broker: RedisBroker, settings: Settings
) -> None:
    await sandbox.send([text(body="Grüße 😀"), text("+491711234568")], time.monotonic() + 30)
    subject = Subject(None, None, "+491711234567")
    found = await PrivacyService(database, broker, settings).export(subject)
    assert [mail["rcpt_to"] for mail in found["sandbox_mails"]] == ["+491711234567@sms.invalid"]
    await erase(database, subject)
    left = await Inbox(database.pool).list_mails(None, None, 10)
    assert [mail.rcpt_to for mail in left.items] == ["+491711234568@sms.invalid"]
