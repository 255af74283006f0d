"""What to do with a claimed send task, by what its ledger row says: the reading side of the crash contract.

| row | campaign | then |
|---|---|---|
| PENDING, DEFERRED | RUNNING | send |
| SENT, SUPPRESSED, BOUNCED, UNSUBSCRIBED | any | the task is completed, nothing is sent |
| SENDING, older epoch | any | policy `hold`: UNCERTAIN. `resend`: sent again once the old attempt cannot be alive |
| UNCERTAIN | any | the task fails for good, until a person resolves it |
| FAILED | RUNNING, COMPLETED | sent again if somebody put its task back by hand, else the task fails as the row did |
| CANCELLED | RUNNING, COMPLETED | somebody put its task back by hand: send |
| waiting | PAUSED | the task is handed back |
| waiting | CANCELLED, FAILED | the task is cancelled |

A campaign that is COMPLETED opens again when one of its recipients is to be sent to after all.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from uuid import UUID

from taskflow.campaigns.ledger import Ledger, Row
from taskflow.campaigns.models import Campaign
from taskflow.campaigns.repository import CampaignRepository
from taskflow.campaigns.states import CampaignStatus, IllegalCampaignTransitionError
from taskflow.delivery.ledgers import Settlement
from taskflow.delivery.standing import LOST, standing_of
from taskflow.delivery.states import RecipientStatus
from taskflow.engine import Batch, BatchItem

_S = RecipientStatus

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
        waiting: list[Pair] = []
        failed: list[Pair] = []
        lost: list[Pair] = []
        for item in items:
            row = rows.get(item.task_id)
            if row is None:
                batch.fail(item, "The campaign has no such recipient.", retry=False)
                continue
            match standing_of(row, item.lease_epoch, resend=resend, resend_after=resend_after):
                case "over":
                    batch.complete(item)
                case "uncertain":
                    batch.fail(item, row.error_message or LOST, retry=False)
                case "later":
                    batch.release(item, resend_after - (row.sending_seconds or 0.0))
                case "lost":
                    lost.append((item, row))
                case "failed":
                    failed.append((item, row))
                case _:
                    waiting.append((item, row))
        if lost:
            await self._settle_lost(batch, campaign.campaign_id, lost)
        if failed:
            waiting += await self._put_back(batch, failed)
        return await self._admit(batch, campaign.campaign_id, status, waiting) if waiting else []

    async def _settle_lost(self, batch: Batch, campaign_id: UUID, lost: Sequence[Pair]) -> None:
        """Call messages of dead senders UNCERTAIN."""
        settled = await self._ledger.settle(
            campaign_id,
            0,
            [
                Settlement(row.recipient_id, item.lease_epoch, row.status, row.lease_epoch, _S.UNCERTAIN, LOST)
                for item, row in lost
            ],
        )
        for item, row in lost:
            if row.recipient_id in settled:
                batch.fail(item, LOST, retry=False)
            else:
                batch.release(item)  # its old attempt was faster: read the row again

    async def _put_back(self, batch: Batch, failed: Sequence[Pair]) -> list[Pair]:
        """Return those that somebody wants to be tried again; the others fail as their row did."""
        again = await self._ledger.requeued([row for _, row in failed])
        for item, row in failed:
            if row.recipient_id not in again:
                batch.fail(item, row.error_message or "It failed.", retry=False)
        return [(item, row) for item, row in failed if row.recipient_id in again]

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
