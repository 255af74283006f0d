"""An ended campaign is looked at until its row says what its rows say."""

import pytest

from support.campaigns import create, people
from support.duties import lead
from support.sample_tasks import noop
from taskflow.broker.redis.broker import RedisBroker
from taskflow.campaigns.duty import CampaignsDuty
from taskflow.campaigns.service import CampaignService
from taskflow.campaigns.sweeping import Sweeper
from taskflow.db.pool import Database
from taskflow.engine import After, Engine
from taskflow.settings import Settings

UNCERTAIN = (
    "UPDATE email_recipients SET status = 'UNCERTAIN', attention = 'UNCERTAIN', sending_at = now()"
    " WHERE campaign_id = $1"
)


@pytest.mark.parametrize(("who", "step"), [(CampaignsDuty, "_complete"), (Sweeper, "_put_to_rest")])
async def test_what_is_resolved_while_the_duty_ends_a_campaign_reaches_its_row(
    who: type[CampaignsDuty | Sweeper],
    step: str,
    service: CampaignService,
    database: Database,
    broker: RedisBroker,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    campaign = await create(service, people(3))
    key = campaign.campaign_id
    await service.start(key)
    context, duty = await lead(database, broker, settings), CampaignsDuty()
    await duty.run_once(context)
    await database.pool.execute(UNCERTAIN, key)
    await database.pool.execute("INSERT INTO campaign_counters (campaign_id, slot, uncertain) VALUES ($1, 7, 3)", key)
    if step == "_put_to_rest":
        await duty.run_once(context)  # completes it
    original = getattr(who, step)

    async def late(self: CampaignsDuty | Sweeper, *arguments: object) -> None:
        monkeypatch.undo()
        assert await service.resolve(key, None, "sent") == 3  # after the sums were read, before they are acted upon
        await original(self, *arguments)

    monkeypatch.setattr(who, step, late)
    for _ in range(4):
        await duty.run_once(context)
    row = await database.pool.fetchrow("SELECT status, sent_count, outcome, active FROM campaigns")
    assert row is not None
    assert tuple(row) == ("COMPLETED", 3, "clean", False)


async def test_what_waits_for_a_recipient_of_a_cancelled_campaign_hears_of_it(
    service: CampaignService, database: Database, broker: RedisBroker, settings: Settings
) -> None:
    campaign = await create(service, people(3))
    await service.start(campaign.campaign_id)
    context, duty = await lead(database, broker, settings), CampaignsDuty()
    await duty.run_once(context)
    recipient = await database.pool.fetchval("SELECT task_id FROM tasks ORDER BY task_id LIMIT 1")
    engine = Engine(database, broker)
    child = await engine.enqueue(noop.options(after=[After(recipient, on_failure="run")]))
    await service.cancel(campaign.campaign_id)
    await duty.run_once(context)
    assert await database.pool.fetchval("SELECT status FROM tasks WHERE task_id = $1", child.task_id) == "PENDING"
    assert await broker.dispatch.peek("default", 9) == [str(child.task_id)]
