"""What the senders of one worker process share, the router, and what they do not: connections."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Sequence

import pytest
from pydantic import SecretStr

from support.routing import BULK, DEADLINE, mails
from support.scripted_smtp import ScriptedSmtp, Session
from taskflow.audience.channels import Channel
from taskflow.base.ids import uuid7
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.delivery.messages.carrier import Load, open_carrier
from taskflow.delivery.outcome import OutcomeKind
from taskflow.delivery.router.carrier import NOBODY
from taskflow.delivery.router.configured import open_router
from taskflow.delivery.router.open_providers import OpenProviders
from taskflow.engine.context import WorkerContext
from taskflow.settings import Settings

K = OutcomeKind
ADA = "ada@example.com"


async def everybody(places: Sequence[int], _provider: str) -> Collection[int]:
    return places


@pytest.fixture
async def context(database: Database, broker: RedisBroker, settings: Settings) -> AsyncIterator[WorkerContext]:
    """A worker process."""
    async with contextlib.aclosing(WorkerContext(database, broker, settings, uuid7(), uuid7())) as context:
        yield context


async def test_a_window_of_a_campaign_on_the_only_connection_does_not_stand_before_a_receipt(
    context: WorkerContext, settings: Settings
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def wait(_session: Session) -> None:
        begun.set()
        await go_on.wait()

    async with ScriptedSmtp() as server:
        settings.sandbox.port, settings.smtp.connections = server.port, 1
        async with OpenProviders.open(context) as campaigns, open_carrier(context) as messages:
            server.script("BODY", wait)
            window = asyncio.create_task(campaigns.send(BULK, mails(ADA), DEADLINE, everybody))
            await begun.wait()
            receipt = Load(mails("bob@example.com")[0], "example.org")
            [(outcome, name)] = await messages.send([receipt], DEADLINE, everybody)
            assert (outcome.kind, name) == (K.ACCEPTED, "sandbox")
            assert not window.done()
            go_on.set()
            [(outcome, _)] = await window
            assert outcome.kind is K.ACCEPTED
    assert [message.rcpt_to for message in server.messages] == [b"bob@example.com", ADA.encode()]


async def test_the_senders_of_a_process_share_one_router(context: WorkerContext) -> None:
    router = await context.resource(open_router)
    async with OpenProviders.open(context) as campaigns, OpenProviders.open(context) as messages:
        assert campaigns._router is messages._router is router
        assert campaigns._providers is not messages._providers


async def test_settings_that_would_send_a_password_in_the_clear_let_every_sender_wait_and_say_why(
    context: WorkerContext, settings: Settings
) -> None:
    settings.smtp.host, settings.smtp.security = "mail.example.org", "none"
    settings.smtp.username, settings.smtp.password = "ada", SecretStr("secret")

    async def nobody(places: Sequence[int], _provider: str) -> Collection[int]:
        raise AssertionError(f"{places} must not be called SENDING")

    async with OpenProviders.open(context) as campaigns, open_carrier(context) as messages:
        [mail] = mails(ADA)
        for carried in (
            await campaigns.send(BULK, [mail], DEADLINE, nobody),
            await messages.send([Load(mail, "example.org")], DEADLINE, nobody),
        ):
            [(outcome, name)] = carried
            assert (outcome.kind, name, outcome.retry_after) == (K.NOT_STARTED, NOBODY, 5.0)
            assert "in the clear" in outcome.text
        assert await messages.longest_send_seconds(Channel.EMAIL) == 0.0
