"""What tests of campaigns share: a service, campaigns made of a few lines, and a look at the ledger."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any
from uuid import UUID

from taskflow.audience.imports import Batch, json_batches
from taskflow.campaigns.drafts import NewCampaign
from taskflow.campaigns.importing import Origin
from taskflow.campaigns.models import Campaign
from taskflow.campaigns.service import CampaignService
from taskflow.db.pool import Database
from taskflow.settings import CampaignSettings

COUNTED = ("sent", "failed", "deferred", "uncertain", "suppressed", "cancelled")


def people(count: int, *, domain: str = "example.com", **fields: Any) -> list[dict[str, Any]]:
    """Return made-up recipients: p1@example.com …, each with a first name."""
    return [
        {"email": f"p{number}@{domain}", "first_name": f"Person {number}", **fields} for number in range(1, count + 1)
    ]


def new_campaign(**changes: Any) -> NewCampaign:
    """Return a small campaign without a rate limit."""
    values: dict[str, Any] = {
        "name": "Test",
        "template_subject": "Hello {{ first_name }}",
        "template_body": "<p>Dear {{ first_name }}, <a href='{{ unsubscribe_url }}'>stop</a></p>",
        "from_email": "shop@sender.example",
        "rate_limit_per_minute": None,
    }
    return NewCampaign(**(values | changes))


async def batches_of(recipients: Sequence[object]) -> AsyncIterator[Batch]:
    """Return recipients as the import reads them."""
    for batch in json_batches(recipients, CampaignSettings(), size=1000):
        yield batch


async def create(service: CampaignService, recipients: Sequence[object], **changes: Any) -> Campaign:
    """Make a campaign."""
    return await service.create(new_campaign(**changes), Origin(), batches_of(recipients))


async def ledger(database: Database, campaign_id: UUID) -> dict[str, dict[str, Any]]:
    """Return the campaign's rows by address."""
    rows = await database.pool.fetch("SELECT * FROM email_recipients WHERE campaign_id = $1", campaign_id)
    return {row["email"]: dict(row) for row in rows}


async def status_counts(database: Database, campaign_id: UUID) -> dict[str, int]:
    """Count the campaign's rows by status."""
    return dict(Counter(row["status"] for row in (await ledger(database, campaign_id)).values()))


async def counter_sums(database: Database, campaign_id: UUID) -> dict[str, int]:
    """Return the sums of the campaign's counters, without zeros and in the rows' words."""
    columns = ", ".join(f"coalesce(sum({name}), 0)::int AS {name}" for name in COUNTED)
    row = await database.pool.fetchrow(f"SELECT {columns} FROM campaign_counters WHERE campaign_id = $1", campaign_id)  # noqa: S608 - fixed names
    assert row is not None
    return {name.upper(): row[name] for name in COUNTED if row[name]}


def only(counts: dict[str, int], *statuses: str) -> dict[str, int]:
    """Return the counts of these statuses."""
    return {status: counts[status] for status in statuses if status in counts}


def counted(counts: dict[str, int]) -> dict[str, int]:
    """Return what of the rows' counts the counters know."""
    return {status: count for status, count in counts.items() if status.lower() in COUNTED}


def addresses(recipients: Iterable[dict[str, Any]]) -> list[str]:
    """Return the addresses of recipients."""
    return [recipient["email"] for recipient in recipients]
