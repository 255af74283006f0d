"""Which of a campaign's claimed send tasks may be sent now: `delivery.triage`, and what the campaign is doing.

| row | campaign | then |
|---|---|---|
| waiting, put back by hand | RUNNING, COMPLETED | send |
| waiting | PAUSED | the task is handed back |
| waiting | CANCELLED, FAILED | the task is cancelled |

A campaign that is COMPLETED opens again when one of its recipients is to be sent to after all.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from uuid import UUID

from taskflow.campaigns.ledger import Ledger, Row
from taskflow.campaigns.models import Campaign
from taskflow.campaigns.repository import CampaignRepository
from taskflow.campaigns.states import CampaignStatus, IllegalCampaignTransitionError
from taskflow.delivery.triage import sort_out
from taskflow.engine import Batch, BatchItem

Pair = tuple[BatchItem, Row]


class Triage:
    """Sorts claimed tasks out."""

    def __init__(
        self, ledger: Ledger, campaigns: CampaignRepository, *, resend_after: Callable[[], Awaitable[float]]
    ) -> None:
        """`resend_after`: seconds until a lost attempt cannot be on the wire (lease + the providers' longest time)."""
        self._ledger = ledger
        self._campaigns = campaigns
        self._resend_after = resend_after

    async def sort_out(self, batch: Batch, campaign: Campaign, items: Sequence[BatchItem]) -> list[Pair]:
        """Report the tasks that have nothing to send; return the others with their rows."""
        state = await self._ledger.campaign_state(campaign.campaign_id)
        status = CampaignStatus(state.status) if state else CampaignStatus.CANCELLED
        rows = await self._ledger.read(campaign.campaign_id, [item.task_id for item in items])
        resend = campaign.uncertain_policy == "resend"
        resend_after = await self._resend_after()
        waiting = await sort_out(
            batch,
            items,
            rows,
            policy=lambda _: (resend, resend_after),
            settle=partial(self._ledger.settle, campaign.campaign_id, 0),
            requeued=self._ledger.requeued,
            unknown="The campaign has no such recipient.",
        )
        return await self._admit(batch, campaign.campaign_id, status, waiting) if waiting else []

    async def _admit(
        self, batch: Batch, campaign_id: UUID, status: CampaignStatus, waiting: Sequence[Pair]
    ) -> list[Pair]:
        """Return what may be sent, as far as the campaign is concerned."""
        if status is CampaignStatus.COMPLETED:
            with suppress(IllegalCampaignTransitionError):  # somebody else has; the ledger asks again anyway
                await self._campaigns.move(campaign_id, "reopen")
            status = CampaignStatus.RUNNING
        if status is CampaignStatus.RUNNING:
            return list(waiting)
        for item, _ in waiting:
            if status in (CampaignStatus.CANCELLED, CampaignStatus.FAILED):
                batch.cancel(item)
            else:
                batch.release(item)
        return []
