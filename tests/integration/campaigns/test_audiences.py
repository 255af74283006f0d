"""Campaigns to contacts: who is in an audience, frozen once, by whichever start comes first."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from support.campaigns import ledger, new_campaign
from support.contacts import add_contact, add_list, subscribe
from support.duties import lead
from support.waiting import eventually
from taskflow.audience.imports import Batch
from taskflow.audience.segments.audiences import Audience, UnknownAudienceError, count_audience
from taskflow.audience.segments.conditions import Definition
from taskflow.audience.segments.evaluator import Evaluator
from taskflow.base.ids import uuid7
from taskflow.broker.redis.broker import RedisBroker
from taskflow.campaigns import freezing
from taskflow.campaigns.duty import CampaignsDuty
from taskflow.campaigns.freezing import AudienceTooLargeError
from taskflow.campaigns.importing import Origin
from taskflow.campaigns.models import Campaign
from taskflow.campaigns.service import CampaignService, EmptyCampaignError
from taskflow.campaigns.states import IllegalCampaignTransitionError
from taskflow.content.errors import MissingVariableError
from taskflow.db.pool import Database
from taskflow.engine.coordinator.duty import DutyContext
from taskflow.settings import Settings

HOUR = timedelta(hours=1)


@pytest.fixture
async def context(database: Database, broker: RedisBroker, settings: Settings) -> DutyContext:
    return await lead(database, broker, settings)


async def nobody() -> AsyncIterator[Batch]:
    for batch in ():
        yield batch


async def campaign_to(service: CampaignService, audience: Audience, **changes: Any) -> Campaign:
    return await service.create(new_campaign(audience=audience, **changes), Origin(), nobody())


async def add_segment(database: Database, condition: dict[str, Any]) -> UUID:
    segment_id = uuid7()
    await database.pool.execute(
        "INSERT INTO segments (segment_id, name, definition) VALUES ($1, $2, $3)",
        segment_id, str(segment_id), {"condition": condition},
    )  # fmt: skip
    return segment_id


async def person(database: Database, name: str, **columns: Any) -> UUID:
    attributes = {"first_name": name.title(), **columns.pop("attributes", {})}
    return await add_contact(database, f"{name}@example.com", attributes=attributes, **columns)


async def started(service: CampaignService, database: Database, audience: Audience) -> dict[str, dict[str, Any]]:
    """Start a campaign; return its rows by address."""
    campaign = await campaign_to(service, audience)
    await service.start(campaign.campaign_id)
    return await ledger(database, campaign.campaign_id)


def vip() -> dict[str, Any]:
    return {"type": "tags", "values": ["vip"]}


async def test_lists_and_segments_less_exclusions_each_person_once(
    service: CampaignService, database: Database
) -> None:
    ids = {name: await person(database, name) for name in ("anna", "ben", "carl", "dora", "emil")}
    await person(database, "fred", tags=["vip"])
    first = await add_list(database, "First", [ids["anna"], ids["ben"]])
    second = await add_list(database, "Second", [ids["ben"], ids["carl"], ids["dora"]])
    unwanted = await add_list(database, "Unwanted", [ids["dora"]])
    segment = await add_segment(database, vip())
    audience = Audience(lists=[first, second], segments=[segment], exclude_lists=[unwanted])
    rows = await started(service, database, audience)
    assert {email.partition("@")[0]: row["list_id"] for email, row in rows.items()} == {
        "anna": first,
        "ben": first,
        "carl": second,
        "fred": None,
    }
    assert {row["contact_id"] for row in rows.values()} >= {ids["anna"], ids["ben"], ids["carl"]}


async def test_only_confirmed_subscriptions_of_active_people_with_an_address(
    service: CampaignService, database: Database
) -> None:
    newsletter = await add_list(database, "Newsletter", [await person(database, "anna")])
    await subscribe(database, newsletter, await person(database, "pending"), status="PENDING")
    await subscribe(database, newsletter, await person(database, "gone"), status="UNSUBSCRIBED")
    for status in ("UNSUBSCRIBED", "BOUNCED", "COMPLAINED", "DISABLED"):
        await subscribe(database, newsletter, await person(database, status.lower(), status=status))
    await subscribe(database, newsletter, await add_contact(database, None, phone="+491711234567"))
    everybody = await add_segment(
        database, {"type": "field", "name": "created_at", "operator": "in_last_days", "value": 1}
    )
    assert set(await started(service, database, Audience(lists=[newsletter]))) == {"anna@example.com"}
    both = Audience(lists=[newsletter], segments=[everybody])
    assert set(await started(service, database, both)) == {
        "anna@example.com",
        "gone@example.com",  # found by the segment, not by the list
        "pending@example.com",
    }
    counted = await count_audience(database.pool, Evaluator(database.pool), both)
    assert counted == (8, 3, 0, 5)


async def test_templates_know_attributes_and_what_every_contact_has(
    service: CampaignService, database: Database
) -> None:
    columns = {"phone": "+491711234567", "locale": "de-AT", "attributes": {"phone": "other", "points": 3}}
    newsletter = await add_list(database, "Newsletter", [await person(database, "anna", **columns)])
    rows = await started(service, database, Audience(lists=[newsletter]))
    assert rows["anna@example.com"]["personalization"] == {
        "first_name": "Anna",
        "points": 3,
        "phone": "+491711234567",
        "locale": "de-AT",
    }


async def test_who_is_suppressed_is_left_out_and_another_list_may_still_bring_them(
    service: CampaignService, database: Database
) -> None:
    ids = {name: await person(database, name) for name in ("anna", "ben", "carl")}
    ids["dora"] = await add_contact(database, "Dora@bad.example", attributes={"first_name": "Dora"})
    first = await add_list(database, "First", ids.values())
    second = await add_list(database, "Second", [ids["ben"]])
    await database.pool.executemany(
        "INSERT INTO suppressions (channel, address, reason, list_id) VALUES ($1, $2, 'manual', $3)",
        [
            ("email", "anna@example.com", None),
            ("email", "ben@example.com", first),
            ("sms", "carl@example.com", None),
            ("email", "carl@example.com", second),
            ("email", "@bad.example", None),
        ],
    )
    await database.pool.execute(  # counted once, whatever else is known of her
        "INSERT INTO suppressions (channel, address, reason) VALUES ('email', 'anna@example.com', 'unsubscribed')"
    )
    audience = Audience(lists=[first, second])
    rows = await started(service, database, audience)
    assert {email: row["list_id"] for email, row in rows.items()} == {
        "ben@example.com": second,
        "carl@example.com": first,
    }
    counted = await count_audience(database.pool, Evaluator(database.pool), audience)
    assert (counted.recipients, counted.suppressed) == (2, 2)


async def test_an_audience_is_frozen_at_the_start_and_not_before(service: CampaignService, database: Database) -> None:
    newsletter = await add_list(database, "Newsletter", [await person(database, "anna")])
    campaign = await campaign_to(service, Audience(lists=[newsletter]))
    assert (campaign.total_recipients, campaign.frozen_at) == (0, None)
    await subscribe(database, newsletter, await person(database, "ben"))
    begun = await service.start(campaign.campaign_id)
    await subscribe(database, newsletter, await person(database, "carl"))
    assert (begun.status, begun.total_recipients) == ("RUNNING", 2)
    assert begun.frozen_at is not None
    assert set(await ledger(database, campaign.campaign_id)) == {"anna@example.com", "ben@example.com"}
    ids = [row["recipient_id"] for row in (await ledger(database, campaign.campaign_id)).values()]
    assert len(set(ids)) == 2
    assert {key.version for key in ids} == {7}


async def test_of_two_who_start_a_campaign_one_does(service: CampaignService, database: Database) -> None:
    newsletter = await add_list(database, "Newsletter", [await person(database, "anna")])
    campaign = await campaign_to(service, Audience(lists=[newsletter]))
    ends = await asyncio.gather(*(service.start(campaign.campaign_id) for _ in range(3)), return_exceptions=True)
    assert [type(end) for end in ends].count(Campaign) == 1
    assert [type(end) for end in ends].count(IllegalCampaignTransitionError) == 2
    assert len(await ledger(database, campaign.campaign_id)) == 1


async def test_a_start_that_breaks_off_has_written_nobody(
    service: CampaignService, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    newsletter = await add_list(database, "Newsletter", [await person(database, "anna")])
    campaign = await campaign_to(service, Audience(lists=[newsletter]))

    async def dies(*_: object) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as patch:
        patch.setattr(service.repository, "move", dies)
        with pytest.raises(ConnectionResetError):
            await service.start(campaign.campaign_id)
    found = await service.get(campaign.campaign_id)
    assert (found.status, found.frozen_at, await ledger(database, campaign.campaign_id)) == ("DRAFT", None, {})
    assert (await service.start(campaign.campaign_id)).total_recipients == 1


async def test_a_variable_that_somebody_lacks_keeps_it_from_starting(
    service: CampaignService, database: Database
) -> None:
    nameless = await add_contact(database, "x@example.com")
    newsletter = await add_list(database, "Newsletter", [await person(database, "anna"), nameless])
    campaign = await campaign_to(service, Audience(lists=[newsletter]))
    with pytest.raises(
        MissingVariableError, match=r"1 recipient lacks the variable 'first_name', such as x@example\.com"
    ):
        await service.start(campaign.campaign_id)
    assert await ledger(database, campaign.campaign_id) == {}


async def test_nobody_and_too_many_are_refused(service: CampaignService, database: Database) -> None:
    newsletter = await add_list(database, "Newsletter")
    campaign = await campaign_to(service, Audience(lists=[newsletter]))
    with pytest.raises(EmptyCampaignError):
        await service.start(campaign.campaign_id)
    await subscribe(database, newsletter, await person(database, "anna"), await person(database, "ben"))
    with pytest.raises(AudienceTooLargeError):
        async with database.pool.acquire() as connection, connection.transaction():
            await freezing.freeze(connection, campaign.campaign_id, most=1)
    assert await ledger(database, campaign.campaign_id) == {}


async def test_an_audience_names_what_there_is(service: CampaignService, database: Database) -> None:
    with pytest.raises(UnknownAudienceError, match="There is no list"):
        await campaign_to(service, Audience(lists=[uuid7()]))
    with pytest.raises(UnknownAudienceError, match="There is no segment"):
        await campaign_to(service, Audience(segments=[uuid7()]))
    with pytest.raises(ValueError, match="at least one"):
        Audience(exclude_lists=[uuid7()])


async def run_until(service: CampaignService, campaign: Campaign, context: DutyContext, status: str) -> Campaign:
    """Let the duty look until the campaign is so far."""
    duty = CampaignsDuty()

    async def is_so_far() -> bool:
        await duty.run_once(context)
        return (await service.repository.get(campaign.campaign_id)).status == status

    await eventually(is_so_far, what=f"the campaign is {status}")
    return await service.repository.get(campaign.campaign_id)


async def test_a_scheduled_campaign_is_frozen_when_its_time_has_come(
    service: CampaignService, context: DutyContext, database: Database
) -> None:
    newsletter = await add_list(database, "Newsletter", [await person(database, "anna"), await person(database, "ben")])
    campaign = await campaign_to(service, Audience(lists=[newsletter]), scheduled_at=datetime.now(UTC) + HOUR)
    assert campaign.status == "SCHEDULED"
    await CampaignsDuty().run_once(context)
    assert await ledger(database, campaign.campaign_id) == {}
    await database.pool.execute("UPDATE campaigns SET scheduled_at = now()")
    found = await run_until(service, campaign, context, "RUNNING")
    assert found.total_recipients == 2


LACKS = "1 recipient lacks the variable 'first_name', such as x@example.com."


async def test_what_somebody_lacks_is_told_when_a_campaign_is_scheduled(
    service: CampaignService, database: Database
) -> None:
    nameless = await add_contact(database, "x@example.com")
    newsletter = await add_list(database, "Newsletter", [await person(database, "anna"), nameless])
    campaign = await campaign_to(service, Audience(lists=[newsletter]), scheduled_at=datetime.now(UTC) + HOUR)
    assert (campaign.status, campaign.error_message) == ("DRAFT", f"Not scheduled. {LACKS}")


async def test_who_comes_later_without_a_variable_holds_nobody_up_and_is_told(
    service: CampaignService, context: DutyContext, database: Database
) -> None:
    newsletter = await add_list(database, "Newsletter", [await person(database, "anna")])
    campaign = await campaign_to(service, Audience(lists=[newsletter]), scheduled_at=datetime.now(UTC) - HOUR)
    await subscribe(database, newsletter, await add_contact(database, "x@example.com"))
    found = await run_until(service, campaign, context, "RUNNING")
    assert (found.total_recipients, found.error_message) == (2, f"Started, but {LACKS}")


async def test_a_scheduled_campaign_whose_people_all_lack_a_variable_fails_and_says_which(
    service: CampaignService, context: DutyContext, database: Database
) -> None:
    newsletter = await add_list(database, "Newsletter")
    campaign = await campaign_to(service, Audience(lists=[newsletter]), scheduled_at=datetime.now(UTC) - HOUR)
    await subscribe(database, newsletter, await add_contact(database, "x@example.com"))
    found = await run_until(service, campaign, context, "FAILED")
    assert found.error_message == f"Not started. {LACKS}"
    assert await ledger(database, campaign.campaign_id) == {}


async def test_a_scheduled_campaign_without_anybody_fails_and_says_so(
    service: CampaignService, context: DutyContext, database: Database
) -> None:
    newsletter = await add_list(database, "Newsletter")
    campaign = await campaign_to(service, Audience(lists=[newsletter]), scheduled_at=datetime.now(UTC) - HOUR)
    found = await run_until(service, campaign, context, "FAILED")
    assert found.error_message == "Nobody was in its audience when it was to start."


async def test_a_scheduled_campaign_whose_list_is_gone_fails_and_says_which(
    service: CampaignService, context: DutyContext, database: Database
) -> None:
    newsletter = await add_list(database, "Newsletter", [await person(database, "anna")])
    campaign = await campaign_to(service, Audience(lists=[newsletter]), scheduled_at=datetime.now(UTC) - HOUR)
    await database.pool.execute("UPDATE mailing_lists SET archived_at = now()")
    found = await run_until(service, campaign, context, "FAILED")
    assert found.error_message == f"Not started. There is no list {newsletter}."
    assert await ledger(database, campaign.campaign_id) == {}


async def test_one_whose_segment_cannot_be_read_fails_and_holds_nobody_up(
    service: CampaignService, context: DutyContext, database: Database
) -> None:
    newsletter = await add_list(database, "Newsletter", [await person(database, "anna")])
    segment = await add_segment(database, vip())
    past = datetime.now(UTC) - HOUR
    broken = await campaign_to(service, Audience(segments=[segment]), scheduled_at=past)
    other = await campaign_to(service, Audience(lists=[newsletter]), scheduled_at=past)
    await database.pool.execute("UPDATE segments SET definition = $1", {"condition": {"type": "of old"}})
    await run_until(service, other, context, "RUNNING")
    found = await run_until(service, broken, context, "FAILED")
    assert str(found.error_message).startswith("Not started. Its audience cannot be evaluated")


async def received(database: Database, days: int | None = None) -> set[str]:
    """Return who is in the segment of those who received something."""
    definition = Definition.model_validate({"condition": {"type": "event", "event": "received", "in_last_days": days}})
    rows = await Evaluator(database.pool).page(definition, UUID(int=0), 10)
    return {row["email"] for row in rows}


async def test_who_received_a_mail_is_known_while_the_campaign_runs_and_when_it_rests(
    service: CampaignService, context: DutyContext, database: Database
) -> None:
    newsletter = await add_list(
        database, "Newsletter", [await person(database, name) for name in ("anna", "ben", "carl")]
    )
    campaign = await campaign_to(service, Audience(lists=[newsletter]))
    await service.start(campaign.campaign_id)
    assert await received(database) == set()
    await database.pool.execute(
        "UPDATE email_recipients SET status = 'SENT', sending_at = now() - interval '3 days',"
        " sent_at = now() - interval '3 days' WHERE email <> 'carl@example.com'"
    )
    both = {"anna@example.com", "ben@example.com"}
    assert (await received(database), await received(database, 4), await received(database, 2)) == (both, both, set())
    await service.cancel(campaign.campaign_id)
    duty = CampaignsDuty()
    context.settings.campaign.slice = 1
    await database.pool.execute(
        "INSERT INTO campaign_counters (campaign_id, slot, sent) VALUES ($1, 0, 2)", campaign.campaign_id
    )

    async def is_at_rest() -> bool:
        await duty.run_once(context)
        return not await database.pool.fetchval("SELECT active FROM campaigns")

    await eventually(is_at_rest, what="the campaign is at rest")
    await database.pool.execute("DELETE FROM email_recipients")  # what is old is pruned
    assert (await received(database), await received(database, 4), await received(database, 2)) == (both, both, set())
