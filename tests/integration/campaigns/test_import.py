"""Imports: all or nothing, first address wins, ids in file order, memory of a batch."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.campaigns import batches_of, create, new_campaign, people
from support.waiting import eventually
from taskflow.audience.imports import Batch
from taskflow.campaigns.importing import Origin
from taskflow.campaigns.service import CampaignService
from taskflow.db.pool import Database

_IMPORTER = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from support.campaigns import batches_of, new_campaign, people
from taskflow.broker.redis.broker import RedisBroker
from taskflow.campaigns.importing import Origin
from taskflow.campaigns.service import CampaignService
from taskflow.content.rendering import RenderPool
from taskflow.db.pool import Database
from taskflow.settings import Settings

async def endless():
    for number in range(10**6):
        if number == 20:
            Path({marker!r}).touch()
        async for batch in batches_of(people(1000)):
            yield batch

async def main():
    settings = Settings()
    async with (Database.open(settings.database, name="importer") as database,
                RedisBroker.open(settings.redis) as broker, RenderPool(settings.campaign) as rendering):
        await CampaignService(database, broker, rendering).create(new_campaign(), Origin(), endless())

asyncio.run(main())
"""


async def test_the_first_of_several_equal_addresses_stays_whatever_its_case(
    service: CampaignService, database: Database
) -> None:
    recipients = [*people(3), {"email": "P2@Example.COM", "first_name": "again"}, {"email": "p1@example.com"}]
    campaign = await create(service, recipients)
    assert campaign.report is not None
    assert (campaign.report.accepted, campaign.report.duplicates, campaign.report.rejected) == (3, 2, 0)
    rows = await database.pool.fetch("SELECT * FROM import_rejections ORDER BY row_number")
    assert [(row["row_number"], row["code"], row["reason"]) for row in rows] == [
        (4, "duplicate", "The address is in row 2 already."),
        (5, "duplicate", "The address is in row 1 already."),
    ]


async def test_ids_ascend_in_the_order_of_the_file(service: CampaignService, database: Database) -> None:
    campaign = await create(service, people(2500))
    rows = await database.pool.fetch(
        "SELECT row_number FROM email_recipients WHERE campaign_id = $1 ORDER BY recipient_id", campaign.campaign_id
    )
    assert [row[0] for row in rows] == list(range(1, 2501))


async def test_an_import_that_fails_in_the_middle_leaves_nothing(service: CampaignService, database: Database) -> None:
    async def broken() -> AsyncIterator[Batch]:
        async for batch in batches_of(people(2000)):
            yield batch
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        await service.create(new_campaign(), Origin(), broken())
    for table in ("campaigns", "email_recipients", "campaign_imports", "import_rejections"):
        assert await database.pool.fetchval(f"SELECT count(*) FROM {table}") == 0  # noqa: S608 - fixed names


async def test_a_process_killed_in_the_middle_leaves_nothing(
    environment: dict[str, str], database: Database, tmp_path: Path
) -> None:
    marker = tmp_path / "twenty-thousand-rows"
    script = _IMPORTER.format(tests=str(Path(__file__).parents[2]), marker=str(marker))
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, env=environment)
    try:
        await eventually(marker.exists, seconds=60, what="an import under way")
    finally:
        process.kill()
        await process.wait()
    gone = "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'importer'"
    await eventually(lambda: database.pool.fetchval(gone), what="the end of the importer's session")
    for table in ("campaigns", "email_recipients", "campaign_imports"):
        assert await database.pool.fetchval(f"SELECT count(*) FROM {table}") == 0  # noqa: S608 - fixed names


async def test_a_row_far_down_that_lacks_a_variable_is_found(service: CampaignService) -> None:
    recipients = people(3000)
    del recipients[2733]["first_name"]
    campaign = await create(service, recipients)
    from taskflow.content.errors import MissingVariableError

    with pytest.raises(MissingVariableError) as caught:
        await service.start(campaign.campaign_id)
    assert caught.value.context["problems"] == [
        {"variable": "first_name", "row_number": 2734, "email": "p2734@example.com", "count": 1}
    ]


async def test_a_sender_with_an_international_domain_is_kept_as_keys_and_providers_know_it(
    service: CampaignService,
) -> None:
    campaign = await create(service, people(1), from_email="info@münchen.example")
    assert campaign.from_email == "info@xn--mnchen-3ya.example"
