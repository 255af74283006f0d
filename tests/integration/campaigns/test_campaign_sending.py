"""A campaign through a real coordinator and a real worker node into an SMTP server."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from support.campaigns import counted, counter_sums, create, people, status_counts
from support.processes import running
from support.scripted_smtp import ScriptedSmtp
from support.waiting import eventually
from taskflow.campaigns.models import Campaign
from taskflow.campaigns.service import CampaignService
from taskflow.db.pool import Database


@pytest.fixture
async def smtp() -> AsyncIterator[ScriptedSmtp]:
    """A mail server that does as it is told."""
    async with ScriptedSmtp() as server:
        yield server


@pytest.fixture
async def system(environment: dict[str, str], smtp: ScriptedSmtp) -> AsyncIterator[None]:
    """A coordinator and a worker node."""
    environment |= {
        "TASKFLOW_SMTP_HOST": "127.0.0.1",
        "TASKFLOW_SMTP_PORT": str(smtp.port),
        "TASKFLOW_SMTP_SECURITY": "none",
        "TASKFLOW_WORKER_PROCESSES": "1",
        "TASKFLOW_HTTP_PUBLIC_URL": "https://mail.example.com",
    }
    async with running(environment, "coordinator"), running(environment, "worker"):
        yield


async def completed(service: CampaignService, campaign: Campaign, seconds: float = 30) -> Campaign:
    """Wait for the end of a campaign."""

    async def look() -> Campaign | None:
        found = await service.repository.get(campaign.campaign_id)
        return found if found.status == "COMPLETED" else None

    return await eventually(look, seconds=seconds, what="the campaign's completion")


async def test_one_recipient_gets_one_mail(
    service: CampaignService, system: None, smtp: ScriptedSmtp, database: Database
) -> None:
    campaign = await create(service, people(1))
    await service.start(campaign.campaign_id)
    done = await completed(service, campaign)
    assert (done.outcome, done.progress.sent, done.progress.summary()) == ("clean", 1, "1 sent, 0 failed")
    await asyncio.sleep(0)
    assert await status_counts(database, campaign.campaign_id) == {"SENT": 1}
    assert counted(await status_counts(database, campaign.campaign_id)) == await counter_sums(
        database, campaign.campaign_id
    )
