"""Feeding a campaign goes on, whatever became of the tasks that were made for it."""

import pytest

from support.campaigns import counted, counter_sums, create, people, status_counts
from support.duties import lead
from taskflow.broker.redis.broker import RedisBroker
from taskflow.campaigns import duty as duty_module
from taskflow.campaigns.duty import CampaignsDuty
from taskflow.campaigns.service import CampaignService
from taskflow.db.pool import Database
from taskflow.settings import Settings


async def test_a_campaign_whose_first_tasks_all_failed_is_fed_to_its_end(
    service: CampaignService,
    database: Database,
    broker: RedisBroker,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(duty_module, "_QUIET_SECONDS", 0.0)
    monkeypatch.setattr(duty_module, "_VERIFY_AGAIN_SECONDS", 0.0)
    settings.campaign.ahead, settings.campaign.slice = 100, 50
    context, duty = await lead(database, broker, settings), CampaignsDuty()
    campaign = await create(service, people(230))
    await service.start(campaign.campaign_id)
    for _ in range(40):  # every worker lacks the secret key, say: no task ever reaches its row
        await duty.run_once(context)
        await database.pool.execute(
            "UPDATE tasks SET status = 'FAILED', completed_at = now(), failed_at = now() WHERE status = 'PENDING'"
        )
    counts = await status_counts(database, campaign.campaign_id)
    assert counts == {"FAILED": 230}
    assert counted(counts) == await counter_sums(database, campaign.campaign_id)
    assert (await service.repository.get(campaign.campaign_id)).status == "COMPLETED"
