"""Campaigns that pause by themselves: too many complaints, too many refusals, and what a person has seen already."""

import pytest

from support.campaigns import create, people
from support.duties import lead
from taskflow.broker.redis.broker import RedisBroker
from taskflow.campaigns.duty import CampaignsDuty
from taskflow.campaigns.models import Campaign
from taskflow.campaigns.repository import CampaignRepository
from taskflow.campaigns.service import CampaignService
from taskflow.db.pool import Database
from taskflow.engine.coordinator.duty import DutyContext
from taskflow.settings import Settings


@pytest.fixture
async def context(database: Database, broker: RedisBroker, settings: Settings) -> DutyContext:
    settings.campaign.pause_sample = 100
    return await lead(database, broker, settings)


async def look(context: DutyContext) -> None:
    """Let a fresh duty look: an old one waits some seconds between two looks."""
    await CampaignsDuty().run_once(context)


async def started(service: CampaignService, count: int = 1_000) -> Campaign:
    campaign = await create(service, people(count))
    return await service.start(campaign.campaign_id)


async def took(database: Database, campaign: Campaign, first: int, last: int) -> None:
    """Let messages of the rows from `first` to `last` be taken."""
    await database.pool.execute(
        "WITH sent AS (UPDATE email_recipients SET status = 'SENT', sending_at = now(), sent_at = now()"
        " WHERE campaign_id = $1 AND row_number BETWEEN $2 AND $3 RETURNING 1)"
        " INSERT INTO campaign_counters AS c (campaign_id, slot, sent) SELECT $1, 1, count(*) FROM sent"
        " ON CONFLICT (campaign_id, slot) DO UPDATE SET sent = c.sent + excluded.sent",
        campaign.campaign_id, first, last,
    )  # fmt: skip


async def refused(
    database: Database, campaign: Campaign, first: int, last: int, reply: str = "550 5.1.1 nobody"
) -> None:
    await database.pool.execute(
        "WITH ended AS (UPDATE email_recipients SET status = 'FAILED', attention = 'FAILED', reply = $4"
        " WHERE campaign_id = $1 AND row_number BETWEEN $2 AND $3 RETURNING 1)"
        " INSERT INTO campaign_counters AS c (campaign_id, slot, failed) SELECT $1, 1, count(*) FROM ended"
        " ON CONFLICT (campaign_id, slot) DO UPDATE SET failed = c.failed + excluded.failed",
        campaign.campaign_id, first, last, reply,
    )  # fmt: skip


async def complained(database: Database, *numbers: int, campaign: Campaign | None = None) -> None:
    for number in numbers:
        await database.pool.execute(
            "INSERT INTO suppressions (channel, address, reason, campaign_id, created_at)"
            " VALUES ('email', $1, 'complained', $2, clock_timestamp())",
            f"p{number}@example.com",
            campaign.campaign_id if campaign else None,
        )


async def numbers(database: Database, campaign: Campaign) -> list[int]:
    """Return the row numbers of the first and the last recipient."""
    row = await database.pool.fetchrow(
        "SELECT min(row_number), max(row_number) FROM email_recipients WHERE campaign_id = $1", campaign.campaign_id
    )
    assert row is not None
    return list(row)


async def test_a_campaign_pauses_at_its_share_of_complaints_and_says_why(
    service: CampaignService, context: DutyContext, database: Database, broker: RedisBroker
) -> None:
    campaign = await started(service)
    first, _ = await numbers(database, campaign)
    await took(database, campaign, first, first + 699)
    await complained(database, 1, 2)
    await look(context)
    assert (await service.get(campaign.campaign_id)).status == "RUNNING"
    await complained(database, 3)
    await look(context)
    paused = await service.get(campaign.campaign_id)
    assert paused.status == "PAUSED"
    assert "3 of 700 messages were complained about (0.43%, the limit is 0.30%)" in (paused.error_message or "")
    rates = await service.rates(campaign.campaign_id)
    assert (rates.complained, round(rates.complaint_rate, 4), rates.bounced) == (3, 0.0043, 0)
    assert rates.reason == paused.error_message
    told = [event.data for _, event in await broker.events.read("0") if event.type == "campaign.status"]
    assert told[-1]["status"] == "PAUSED"


async def test_who_resumes_it_has_seen_what_came_before(
    service: CampaignService, context: DutyContext, database: Database
) -> None:
    campaign = await started(service)
    first, _ = await numbers(database, campaign)
    await took(database, campaign, first, first + 199)
    await complained(database, 1)
    await look(context)
    assert (await service.get(campaign.campaign_id)).status == "PAUSED"
    await service.resume(campaign.campaign_id)
    await look(context)
    assert (await service.get(campaign.campaign_id)).status == "RUNNING"
    await took(database, campaign, first + 200, first + 399)
    await look(context)
    assert (await service.get(campaign.campaign_id)).status == "RUNNING"
    await complained(database, 250)
    await look(context)
    paused = await service.get(campaign.campaign_id)
    assert (paused.status, "1 of 200" in (paused.error_message or "")) == ("PAUSED", True)


async def test_refusals_for_good_and_returned_mail_count_and_what_servers_put_off_does_not(
    service: CampaignService, context: DutyContext, database: Database
) -> None:
    campaign = await started(service)
    first, _ = await numbers(database, campaign)
    await took(database, campaign, first, first + 189)
    await refused(database, campaign, first + 190, first + 239, "450 4.2.2 full")
    await refused(database, campaign, first + 240, first + 246)
    await look(context)
    assert (await service.get(campaign.campaign_id)).status == "RUNNING"
    await database.pool.execute(
        "UPDATE email_recipients SET status = 'BOUNCED', attention = 'BOUNCED' WHERE campaign_id = $1"
        " AND row_number BETWEEN $2 AND $3", campaign.campaign_id, first, first + 3,
    )  # fmt: skip
    await look(context)
    paused = await service.get(campaign.campaign_id)
    assert paused.status == "PAUSED"
    assert "11 of 201 messages were refused or returned" in (paused.error_message or "")


async def test_refusals_of_providers_over_http_count_and_what_they_put_off_does_not(
    service: CampaignService, context: DutyContext, database: Database
) -> None:
    campaign = await started(service)
    first, _ = await numbers(database, campaign)
    await took(database, campaign, first, first + 189)
    await refused(database, campaign, first + 190, first + 199, "HTTP 408: timed out")
    await refused(database, campaign, first + 200, first + 209, "HTTP 425")
    assert (await service.rates(campaign.campaign_id)).bounced == 0
    await refused(database, campaign, first + 210, first + 214, "HTTP 400: 'to' parameter is not a valid address")
    await refused(database, campaign, first + 215, first + 219, 'HTTP 200: {"ErrorCode":406}')
    await refused(database, campaign, first + 220, first + 220, "HTTP 413")
    await look(context)
    paused = await service.get(campaign.campaign_id)
    assert paused.status == "PAUSED"
    assert "11 of 201 messages were refused or returned" in (paused.error_message or "")


async def test_a_small_sample_and_other_peoples_complaints_pause_nothing(
    service: CampaignService, context: DutyContext, database: Database
) -> None:
    earlier, campaign = await started(service, 50), await started(service)
    first, _ = await numbers(database, campaign)
    await took(database, campaign, first, first + 89)
    await complained(database, 1)
    await look(context)
    assert (await service.get(campaign.campaign_id)).status == "RUNNING"  # one of 90: too few to tell
    await took(database, campaign, first + 90, first + 899)
    await complained(database, 2, 3, 4, 5, campaign=earlier)  # about another campaign
    await database.pool.execute(
        "INSERT INTO suppressions (channel, address, reason) VALUES ('email', 'stranger@example.com', 'complained'),"
        " ('email', 'p9@example.com', 'manual')"
    )
    await database.pool.execute(
        "UPDATE suppressions SET created_at = now() - interval '1 day' WHERE address LIKE 'p1@%'"
    )
    await look(context)
    assert (await service.get(campaign.campaign_id)).status == "RUNNING"
    assert (await service.rates(campaign.campaign_id)).complained == 0


async def test_without_a_threshold_it_goes_on(
    service: CampaignService, context: DutyContext, database: Database, settings: Settings
) -> None:
    settings.campaign.pause_complaint_rate = settings.campaign.pause_bounce_rate = None
    campaign = await started(service)
    first, _ = await numbers(database, campaign)
    await took(database, campaign, first, first + 499)
    await refused(database, campaign, first + 500, first + 999)
    await complained(database, *range(1, 100))
    await look(context)
    assert (await service.get(campaign.campaign_id)).status == "RUNNING"


async def test_a_sender_that_still_waits_does_not_hide_why_a_campaign_was_paused(
    service: CampaignService, database: Database, context: DutyContext
) -> None:
    campaign = await started(service)
    repository = CampaignRepository(database.pool)
    assert await repository.set_wait(campaign.campaign_id, "Waiting for a provider: busy.")
    await took(database, campaign, 1, 200)
    await refused(database, campaign, 201, 300)
    await look(context)
    paused = await service.get(campaign.campaign_id)
    assert (paused.status, paused.error_message is not None) == ("PAUSED", True)
    for message in ("Waiting for a provider: busy.", None):
        assert not await repository.set_wait(campaign.campaign_id, message)
    assert (await service.get(campaign.campaign_id)).error_message == paused.error_message
