"""Signed campaign mail through a real coordinator and worker into an SMTP server, and what Gmail counts of it."""

from collections.abc import AsyncIterator

import pytest

from support.campaigns import create, people
from support.dns_server import DnsServer
from support.processes import running
from support.scripted_smtp import ScriptedSmtp
from support.signatures import signatures, valid, zone_of
from support.waiting import eventually
from taskflow.broker.redis.broker import RedisBroker
from taskflow.campaigns.models import Campaign
from taskflow.campaigns.service import CampaignService
from taskflow.content.rendering import RenderPool
from taskflow.db.pool import Database
from taskflow.delivery.domains.gmail import GmailMeter, gmail_use
from taskflow.delivery.domains.models import KeyState
from taskflow.delivery.domains.service import DomainService
from taskflow.delivery.return_paths import ReturnPaths
from taskflow.delivery.sandbox import Inbox, SandboxServer
from taskflow.identity.secret_key import signing_key
from taskflow.settings import Settings


@pytest.fixture
async def service(database: Database, broker: RedisBroker, settings: Settings) -> AsyncIterator[CampaignService]:
    async with RenderPool(settings.campaign) as rendering:
        yield CampaignService(database, broker, rendering)


async def completed(service: CampaignService, campaign: Campaign) -> Campaign:
    async def look() -> Campaign | None:
        found = await service.repository.get(campaign.campaign_id)
        return found if found.status == "COMPLETED" else None

    return await eventually(look, seconds=60, what="the campaign's end")


async def test_a_signed_campaign_arrives_valid_in_the_sandbox(
    service: CampaignService,
    domains: DomainService,
    database: Database,
    settings: Settings,
    environment: dict[str, str],
) -> None:
    await domains.add("sender.example")
    domain = await domains.rotate("sender.example", force=True)
    async with SandboxServer.running(database.pool, settings.sandbox) as sandbox:
        environment |= {"TASKFLOW_SANDBOX_PORT": str(sandbox.port), "TASKFLOW_WORKER_PROCESSES": "1"}
        async with running(environment, "coordinator"), running(environment, "worker"):
            campaign = await create(service, people(12, domain="gmail.com"), from_email="shop@mail.sender.example")
            await service.start(campaign.campaign_id)
            await completed(service, campaign)
    mails = (await Inbox(database.pool).list_mails(None, None, 100)).items
    raws = [await database.pool.fetchval("SELECT raw FROM inbox_messages WHERE message_id = $1", one.message_id)
            for one in mails]  # fmt: skip
    assert len(raws) == 12
    active = zone_of(domain.keys_in(KeyState.ACTIVE))
    for raw in raws:
        assert len(signatures(raw)) == 2
        assert valid(raw, active) == [True, True]
        assert f"Feedback-ID: {campaign.campaign_id.hex}:campaign:".encode() in raw
    # What was taken was counted for the primary domain by the time that the worker had gone.
    assert (await gmail_use(database.pool, "sender.example")).last_day == 12


async def test_each_message_has_a_return_path_of_its_own_when_the_domain_names_one(
    service: CampaignService, domains: DomainService, settings: Settings, environment: dict[str, str]
) -> None:
    await domains.add("sender.example", "bounces.sender.example")
    async with ScriptedSmtp() as smtp:
        environment |= {
            "TASKFLOW_SMTP_HOST": "127.0.0.1",
            "TASKFLOW_SMTP_PORT": str(smtp.port),
            "TASKFLOW_SMTP_SECURITY": "none",
            "TASKFLOW_WORKER_PROCESSES": "1",
        }
        async with running(environment, "coordinator"), running(environment, "worker"):
            campaign = await create(service, people(15))
            await service.start(campaign.campaign_id)
            await completed(service, campaign)
        paths = ReturnPaths(signing_key(settings).get_secret_value().encode(), "bounces.sender.example")
        rows = await service.repository.recipients(campaign.campaign_id, None, None, 100)
        owners = {row.recipient_id: row.email for row in rows}
        assert len(smtp.messages) == 15
        for message in smtp.messages:
            address = message.mail_from.decode()
            assert address.endswith("@bounces.sender.example")
            bounced = paths.read(address)
            assert bounced.campaign_id == campaign.campaign_id
            assert owners[bounced.message_id] == message.rcpt_to.decode()
            whose = await domains.whose(address.upper())
            assert whose == (campaign.campaign_id, bounced.message_id, message.rcpt_to.decode(), "SENT")
            assert b"From: shop@sender.example" in message.body
            assert signatures(message.body) == []  # its keys wait for DNS


async def test_mail_that_should_be_signed_waits_for_a_key_that_does_not_open(
    service: CampaignService, domains: DomainService, database: Database, environment: dict[str, str]
) -> None:
    await domains.add("sender.example")
    await domains.rotate("sender.example", force=True)
    await database.pool.execute("UPDATE dkim_keys SET private_key = private_key || '\\x00'::bytea")
    async with ScriptedSmtp() as smtp:
        environment |= {
            "TASKFLOW_SMTP_HOST": "127.0.0.1",
            "TASKFLOW_SMTP_PORT": str(smtp.port),
            "TASKFLOW_SMTP_SECURITY": "none",
            "TASKFLOW_WORKER_PROCESSES": "1",
        }
        async with running(environment, "coordinator"), running(environment, "worker"):
            campaign = await create(service, people(3))
            await service.start(campaign.campaign_id)

            async def told() -> bool:
                found = await service.repository.get(campaign.campaign_id)
                return "Waiting for its DKIM key" in (found.error_message or "")

            await eventually(told, seconds=30, what="the campaign says what it waits for")
        assert smtp.messages == []


# ── what Gmail counts


async def test_gmail_counts_subdomains_together_and_never_forgets_a_bulk_sender(
    database: Database, zone: DnsServer
) -> None:
    async with GmailMeter.open(database.pool) as meter:
        for _ in range(4_999):
            meter.sent("a@news.example.co.uk", "Bob@GMail.com")
        meter.sent("a@example.co.uk", "bob@example.com")
        meter.sent("a@example.co.uk", "bob@notgmail.com")
    use = await gmail_use(database.pool, "shop.example.co.uk")
    assert (use.primary_domain, use.last_day, use.bulk_since) == ("example.co.uk", 4_999, None)
    async with GmailMeter.open(database.pool) as meter:
        meter.sent("a@example.co.uk", "bob@googlemail.com")
    use = await gmail_use(database.pool, "example.co.uk")
    assert use.last_day == use.most_in_a_day == 5_000
    assert use.bulk_since is not None
    await database.pool.execute("UPDATE gmail_usage SET hour = hour - interval '2 days'")
    later = await gmail_use(database.pool, "example.co.uk")
    assert (later.last_day, later.most_in_a_day, later.bulk_since) == (0, 5_000, use.bulk_since)


async def test_what_came_over_several_hours_of_a_day_is_added_up(database: Database) -> None:
    for hours in (23, 12, 1):
        async with GmailMeter.open(database.pool) as meter:
            for _ in range(1_700):
                meter.sent("a@example.org", "bob@gmail.com")
        use = await gmail_use(database.pool, "example.org")
        if hours > 1:
            assert use.bulk_since is None
            await database.pool.execute(
                "UPDATE gmail_usage SET hour = date_trunc('hour', now()) - $1 * interval '1 hour'"
                " WHERE hour = date_trunc('hour', now())",
                hours,
            )
    assert (use.last_day, use.bulk_since is not None) == (5_100, True)
