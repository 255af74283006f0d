"""The campaigns duty, step by step: what starts by itself, and who is left when a task ends without its recipient."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from support.campaigns import counted, counter_sums, create, ledger, people, status_counts
from support.duties import lead
from taskflow.broker.redis.broker import RedisBroker
from taskflow.campaigns import duty as duty_module
from taskflow.campaigns.duty import CampaignsDuty
from taskflow.campaigns.models import Campaign
from taskflow.campaigns.service import CampaignService
from taskflow.db.pool import Database
from taskflow.engine.coordinator.duty import DutyContext
from taskflow.settings import Settings

HOUR = timedelta(hours=1)


@pytest.fixture
async def context(database: Database, broker: RedisBroker, settings: Settings) -> DutyContext:
    return await lead(database, broker, settings)


async def come_due(database: Database, campaign: Campaign) -> None:
    """Let the campaign's time be now."""
    await database.pool.execute(
        "UPDATE campaigns SET scheduled_at = now() WHERE campaign_id = $1", campaign.campaign_id
    )


async def status(service: CampaignService, campaign: Campaign) -> str:
    return (await service.repository.get(campaign.campaign_id)).status


# ── scheduled starts


async def test_a_scheduled_campaign_starts_when_its_time_has_come_and_not_before(
    service: CampaignService, context: DutyContext, database: Database, broker: RedisBroker
) -> None:
    duty = CampaignsDuty()
    campaign = await create(service, people(3), scheduled_at=datetime.now(UTC) + HOUR)
    assert campaign.status == "SCHEDULED"
    assert await duty.run_once(context) == 0
    assert await status(service, campaign) == "SCHEDULED"
    assert await database.pool.fetchval("SELECT count(*) FROM tasks") == 0
    await come_due(database, campaign)
    assert await duty.run_once(context) == 1
    started = await service.repository.get(campaign.campaign_id)
    assert started.status == "RUNNING"
    assert started.started_at is not None
    told = [event.data for _, event in await broker.events.read("0") if event.type == "campaign.status"]
    assert told[-1]["status"] == "RUNNING"
    await duty.run_once(context)
    assert await database.pool.fetchval("SELECT count(*) FROM tasks WHERE campaign_id = $1", campaign.campaign_id) == 3


async def test_one_whose_time_passed_while_no_coordinator_ran_starts_late(
    service: CampaignService, context: DutyContext
) -> None:
    campaign = await create(service, people(3), scheduled_at=datetime.now(UTC) - HOUR)
    await CampaignsDuty().run_once(context)
    assert await status(service, campaign) == "RUNNING"


async def test_a_cancelled_campaign_does_not_start_at_its_time(
    service: CampaignService, context: DutyContext, database: Database
) -> None:
    campaign = await create(service, people(3), scheduled_at=datetime.now(UTC) + HOUR)
    await service.cancel(campaign.campaign_id)
    await come_due(database, campaign)
    await CampaignsDuty().run_once(context)
    assert await status(service, campaign) == "CANCELLED"


async def test_one_that_lacks_something_is_not_scheduled_and_says_why(
    service: CampaignService, context: DutyContext, database: Database
) -> None:
    campaign = await create(
        service, people(3), template_subject="Hello {{ surname }}", scheduled_at=datetime.now(UTC) - HOUR
    )
    assert campaign.status == "DRAFT"
    assert "surname" in (campaign.error_message or "")
    await CampaignsDuty().run_once(context)
    assert await status(service, campaign) == "DRAFT"


# ── orphans: rows whose task is over although they are not


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for orphans at every step instead of after some seconds of quiet."""
    monkeypatch.setattr(duty_module, "_QUIET_SECONDS", 0.0)
    monkeypatch.setattr(duty_module, "_VERIFY_AGAIN_SECONDS", 0.0)


class Running:
    """A running campaign with a task for each recipient."""

    def __init__(self, service: CampaignService, context: DutyContext, campaign: Campaign) -> None:
        self.service = service
        self.context = context
        self.database = context.database
        self.campaign_id = campaign.campaign_id
        self.duty = CampaignsDuty()

    async def task(self, number: int, **columns: Any) -> None:
        """Change the task of a recipient."""
        await self._change("tasks", "task_id", number, columns)

    async def row(self, number: int, **columns: Any) -> None:
        """Change the ledger row of a recipient."""
        await self._change("email_recipients", "recipient_id", number, columns)

    async def end_task(self, number: int, status: str) -> None:
        failed = {"failed_at": datetime.now(UTC)} if status in ("FAILED", "TIMEOUT") else {}
        await self.task(number, status=status, completed_at=datetime.now(UTC), **failed)

    async def id_of(self, number: int) -> UUID:
        rows = await ledger(self.database, self.campaign_id)
        return UUID(str(rows[f"p{number}@example.com"]["recipient_id"]))

    async def _change(self, table: str, key: str, number: int, columns: dict[str, Any]) -> None:
        changes = ", ".join(f"{name} = ${place}" for place, name in enumerate(columns, 2))
        await self.database.pool.execute(
            f"UPDATE {table} SET {changes} WHERE {key} = $1",  # noqa: S608 - names of this file
            await self.id_of(number),
            *columns.values(),
        )

    async def steps(self, count: int = 3) -> dict[str, int]:
        """Let the duty work; return the rows' counts, which the counters must say too."""
        for _ in range(count):
            await self.duty.run_once(self.context)
        counts = await status_counts(self.database, self.campaign_id)
        assert counted(counts) == await counter_sums(self.database, self.campaign_id)
        return counts


@pytest.fixture
async def campaign(service: CampaignService, context: DutyContext, at_once: None) -> Running:
    """Three recipients."""
    made = await create(service, people(3))
    await service.start(made.campaign_id)
    running = Running(service, context, made)
    assert await running.steps(1) == {"PENDING": 3}
    return running


async def test_rows_whose_task_ended_without_them_are_settled_as_the_task_ended(campaign: Running) -> None:
    database, recipient = campaign.database, await campaign.id_of(1)
    await campaign.end_task(1, "FAILED")
    await database.pool.execute(
        """INSERT INTO dead_letter_queue (dlq_id, task_id, lease_epoch, task_name, task_data, failure_reason,
                                          total_attempts)
           VALUES (gen_random_uuid(), $1, 3, 'send_email', '{}', 'Poison: it crashed its process 3 times.', 3)""",
        recipient,
    )
    await campaign.end_task(2, "CANCELLED")
    await campaign.end_task(3, "TIMEOUT")
    assert await campaign.steps() == {"FAILED": 2, "CANCELLED": 1}
    rows = await ledger(database, campaign.campaign_id)
    assert rows["p1@example.com"]["error_message"] == "Poison: it crashed its process 3 times."
    assert {row["attention"] for row in rows.values()} == {"FAILED", "CANCELLED"}
    done = await campaign.service.repository.get(campaign.campaign_id)
    assert (done.status, done.outcome) == ("COMPLETED", "partial")


async def test_a_deferred_one_is_no_longer_counted_as_deferred(campaign: Running) -> None:
    for number in (1, 2, 3):
        await campaign.end_task(number, "FAILED")
    await campaign.row(1, status="DEFERRED", attention="DEFERRED")
    await campaign.database.pool.execute(
        "INSERT INTO campaign_counters (campaign_id, slot, deferred) VALUES ($1, 7, 1)", campaign.campaign_id
    )
    assert await campaign.steps() == {"FAILED": 3}


async def test_one_that_was_on_the_wire_is_uncertain_but_only_when_nobody_can_be_sending_any_more(
    campaign: Running,
) -> None:
    for number in (1, 2):
        await campaign.end_task(number, "CANCELLED")
    await campaign.end_task(3, "FAILED")
    await campaign.row(3, status="SENDING", sending_at=datetime.now(UTC), attempt=1)
    assert await campaign.steps() == {"CANCELLED": 2, "SENDING": 1}
    assert (await campaign.service.repository.get(campaign.campaign_id)).status == "RUNNING"
    await campaign.row(3, sending_at=datetime.now(UTC) - timedelta(seconds=61))
    assert await campaign.steps() == {"CANCELLED": 2, "UNCERTAIN": 1}
    assert (await campaign.service.repository.get(campaign.campaign_id)).status == "COMPLETED"


async def test_nothing_is_settled_while_a_task_of_the_campaign_lives(campaign: Running) -> None:
    await campaign.end_task(1, "FAILED")
    await campaign.end_task(2, "FAILED")
    assert await campaign.steps() == {"PENDING": 3}
    await campaign.end_task(3, "FAILED")
    assert await campaign.steps() == {"FAILED": 3}


async def test_orphans_wait_until_the_campaign_has_stood_still(
    campaign: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2, 3):
        await campaign.end_task(number, "FAILED")
    monkeypatch.setattr(duty_module, "_QUIET_SECONDS", 60.0)
    assert await campaign.steps() == {"PENDING": 3}
