"""Campaigns over several providers, through a real coordinator and worker into real mail servers."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from support.campaigns import counted, counter_sums, create, ledger, people, status_counts
from support.mail_providers import NEW
from support.processes import running
from support.scripted_smtp import ScriptedSmtp, Session, hang_up
from support.waiting import eventually
from taskflow.campaigns.models import Campaign
from taskflow.campaigns.service import CampaignService
from taskflow.db.pool import Database
from taskflow.delivery.providers.opening import Opener
from taskflow.delivery.providers.registry import Registry
from taskflow.delivery.providers.service import ProviderService
from taskflow.identity.secret_key import vault
from taskflow.settings import Settings

AUTH = ("PIPELINING", "AUTH PLAIN")


@pytest.fixture
async def first() -> AsyncIterator[ScriptedSmtp]:
    async with ScriptedSmtp(AUTH) as server:
        yield server


@pytest.fixture
async def second() -> AsyncIterator[ScriptedSmtp]:
    async with ScriptedSmtp(AUTH) as server:
        yield server


class Installation:
    """A coordinator and a worker node, whose providers a test adds."""

    def __init__(self, campaigns: CampaignService, providers: ProviderService, database: Database) -> None:
        self.campaigns = campaigns
        self.providers = providers
        self.database = database

    async def add(self, name: str, server: ScriptedSmtp, **more: Any) -> None:
        """Add a mail server as a provider."""
        settings = {"host": "127.0.0.1", "port": server.port, "security": "none", "username": "ada"}
        told = {"name": name, "kind": "smtp", "settings": settings, "secrets": {"password": "secret"}}
        await self.providers.create(NEW | told | more)

    async def begun(self, recipients: int) -> Campaign:
        """Start a campaign."""
        campaign = await create(self.campaigns, people(recipients))
        await self.campaigns.start(campaign.campaign_id)
        return campaign

    async def completed(self, campaign: Campaign) -> dict[str, dict[str, Any]]:
        """Wait until it is over, compare rows with counters, and return its ledger."""

        async def over() -> bool:
            return (await self.campaigns.repository.get(campaign.campaign_id)).status == "COMPLETED"

        await eventually(over, seconds=90, what="the campaign's completion")
        counts = await status_counts(self.database, campaign.campaign_id)
        assert counted(counts) == await counter_sums(self.database, campaign.campaign_id)
        return await ledger(self.database, campaign.campaign_id)


@pytest.fixture
async def installation(
    service: CampaignService, database: Database, settings: Settings, environment: dict[str, str]
) -> AsyncIterator[Installation]:
    environment |= {
        "TASKFLOW_WORKER_PROCESSES": "1",
        "TASKFLOW_ROUTER_OPEN_SECONDS": "0.5",
        "TASKFLOW_ROUTER_LONGEST_OPEN_SECONDS": "1",
    }
    registry = Registry()
    async with (
        Opener.open(settings, registry) as opener,
        running(environment, "coordinator"),
        running(environment, "worker"),
    ):
        yield Installation(service, ProviderService(database, registry, vault(settings), opener), database)


def got(server: ScriptedSmtp) -> list[str]:
    """Return who was written to over a server."""
    return [message.rcpt_to.decode() for message in server.messages]


async def slowly(_session: Session) -> None:
    """Take a moment for each message."""
    await asyncio.sleep(0.1)


async def test_a_wrong_password_moves_a_campaign_to_the_second_provider_and_nobody_is_lost_or_written_to_twice(
    installation: Installation, first: ScriptedSmtp, second: ScriptedSmtp
) -> None:
    first.always("AUTH", "535 5.7.8 Authentication credentials invalid")
    await installation.add("first", first, priority=1)
    await installation.add("second", second, priority=2)
    rows = await installation.completed(await installation.begun(200))
    assert any(line.startswith(b"AUTH") for line in first.commands), "it was asked first"
    assert Counter(got(second)) == dict.fromkeys(rows, 1)
    assert first.messages == []
    assert {(row["status"], row["provider"], row["attempt"]) for row in rows.values()} == {("SENT", "second", 1)}


async def test_a_provider_that_fails_half_way_gets_its_share_again_when_it_is_back(
    installation: Installation, first: ScriptedSmtp, second: ScriptedSmtp
) -> None:
    async def and_then_away(_session: Session) -> None:
        if first.dots >= 100:
            for verb in ("CONNECT", "MAIL"):
                first.always(verb, hang_up)

    first.always("BODY", and_then_away)
    second.always("BODY", slowly)
    await installation.add("first", first, priority=1)
    await installation.add("second", second, priority=2)
    campaign = await installation.begun(300)
    await eventually(lambda: len(second.messages) > 20, seconds=60, what="the second's first mails")
    before = len(first.messages)
    for verb in ("BODY", "CONNECT", "MAIL"):
        first.never_mind(verb)
    rows = await installation.completed(campaign)
    assert Counter(got(first) + got(second)) == dict.fromkeys(rows, 1)
    assert before >= 100
    assert len(first.messages) > before, "it came back"
    for server, name in ((first, "first"), (second, "second")):
        assert {rows[address]["provider"] for address in got(server)} == {name}
    assert {(row["status"], row["attempt"]) for row in rows.values()} == {("SENT", 1)}


async def test_what_a_providers_budget_has_no_room_for_goes_to_the_next(
    installation: Installation, first: ScriptedSmtp, second: ScriptedSmtp
) -> None:
    await installation.add("first", first, priority=1, per_day=25)
    await installation.add("second", second, priority=2)
    rows = await installation.completed(await installation.begun(100))
    assert Counter(got(first) + got(second)) == dict.fromkeys(rows, 1)
    assert len(first.messages) == 23, "a tenth is left to single messages"
    assert Counter(row["provider"] for row in rows.values()) == {"first": 23, "second": 77}


async def test_when_nobody_has_room_messages_wait_without_an_attempt_and_the_campaign_says_why(
    installation: Installation, first: ScriptedSmtp
) -> None:
    await installation.add("first", first, per_second=5)
    campaign = await installation.begun(40)

    async def is_said() -> bool:
        said = (await installation.campaigns.repository.get(campaign.campaign_id)).error_message or ""
        return "first has had its messages of this second" in said

    await eventually(is_said, seconds=30, what="the reason")
    rows = await installation.completed(campaign)
    assert Counter(got(first)) == dict.fromkeys(rows, 1)
    assert {(row["status"], row["attempt"]) for row in rows.values()} == {("SENT", 1)}


async def test_a_provider_that_is_added_while_a_campaign_runs_is_used(
    installation: Installation, first: ScriptedSmtp, second: ScriptedSmtp
) -> None:
    first.always("BODY", slowly)
    await installation.add("first", first, priority=5)
    campaign = await installation.begun(400)
    await eventually(lambda: first.messages, seconds=60, what="the first mails")
    await installation.add("second", second, priority=1)
    rows = await installation.completed(campaign)
    assert Counter(got(first) + got(second)) == dict.fromkeys(rows, 1)
    assert len(second.messages) > len(first.messages)


async def test_who_was_perhaps_written_to_over_one_provider_is_not_over_another(
    installation: Installation, first: ScriptedSmtp, second: ScriptedSmtp
) -> None:
    first.script("DOT", hang_up, hang_up)
    await installation.add("first", first, priority=1)
    await installation.add("second", second, priority=2)
    rows = await installation.completed(await installation.begun(60))
    uncertain = {address: row["provider"] for address, row in rows.items() if row["status"] == "UNCERTAIN"}
    assert list(uncertain.values()) == ["first", "first"]
    assert not uncertain.keys() & set(got(first) + got(second))
    assert Counter(got(first) + got(second)) == dict.fromkeys(rows.keys() - uncertain.keys(), 1)


async def test_when_both_are_down_everybody_waits_without_an_attempt_and_is_reached_when_one_is_back(
    installation: Installation, first: ScriptedSmtp, second: ScriptedSmtp
) -> None:
    for server in (first, second):
        server.always("CONNECT", hang_up)
    await installation.add("first", first, priority=1)
    await installation.add("second", second, priority=2)
    campaign = await installation.begun(100)
    await eventually(lambda: len(first.sessions) > 2 and len(second.sessions) > 2, seconds=60, what="both are tried")
    assert set(await status_counts(installation.database, campaign.campaign_id)) <= {"PENDING", "SENDING"}
    second.never_mind("CONNECT")
    rows = await installation.completed(campaign)
    assert Counter(got(second)) == dict.fromkeys(rows, 1)
    assert {(row["status"], row["provider"], row["attempt"]) for row in rows.values()} == {("SENT", "second", 1)}


async def test_a_provider_that_fails_now_and_then_loses_and_doubles_nobody(
    installation: Installation, first: ScriptedSmtp, second: ScriptedSmtp
) -> None:
    said = itertools.count()

    async def sometimes(session: Session) -> None:
        if next(said) % 3 == 0:
            await session.say(b"530 5.7.0 authenticate first\r\n")
        else:
            line = session.commands[-1]
            session.mail_from = line[line.index(b"<") + 1 : line.index(b">")]
            await session.say(b"250 2.1.0 ok\r\n")

    first.always("MAIL", sometimes)
    await installation.add("first", first, priority=1)
    await installation.add("second", second, priority=2)
    rows = await installation.completed(await installation.begun(300))
    assert Counter(got(first) + got(second)) == dict.fromkeys(rows, 1)
    assert {row["status"] for row in rows.values()} == {"SENT"}
    assert got(first), "it is used where it works"
    assert got(second), "what it refused went on"
