"""Events about campaigns, for live views.

`campaign.progress` goes to who watches one campaign, `campaign.status` to who watches the list of them.
"""

from uuid import UUID

from taskflow.broker.redis.events import Event
from taskflow.campaigns.models import Progress


def progress_event(campaign_id: UUID, status: str, progress: Progress) -> Event:
    """Return the event of a campaign's new sums."""
    data = {"campaign_id": str(campaign_id), "status": status, "summary": progress.summary(), **progress.sums()}
    return Event(f"campaign:{campaign_id}", "campaign.progress", data)


def status_event(campaign_id: UUID, status: str, outcome: str | None, progress: Progress) -> Event:
    """Return the event of a campaign's new state."""
    data = {
        "campaign_id": str(campaign_id),
        "status": status,
        "outcome": outcome,
        "summary": progress.summary(),
        **progress.sums(),
    }
    return Event("campaigns", "campaign.status", data)
