"""The end of campaigns.

Who waits in a cancelled one ends CANCELLED, task and row, slice by slice. Every ended one is told to the summary that
segments read, and then put to rest.
"""

import time
from uuid import UUID

from taskflow.campaigns.models import ActiveCampaign
from taskflow.campaigns.repository import NIL, sql
from taskflow.engine.coordinator.dependencies import release_children
from taskflow.engine.coordinator.duty import DutyContext

_PASS_AGAIN_SECONDS = 1.0
_SCAN_SECONDS = 120.0


class Sweeper:
    """Sweeps campaigns and puts them to rest; what it remembers are cursors, which do not matter."""

    def __init__(self) -> None:
        """Begin with every campaign at its beginning."""
        self._swept: dict[UUID, UUID] = {}
        self._summarised: dict[UUID, UUID] = {}
        self._pass_at: dict[UUID, float] = {}  # monotonic: no earlier pass

    def forget_others(self, active: set[UUID]) -> None:
        """Forget campaigns that are not active any more."""
        for memory in (self._swept, self._summarised, self._pass_at):
            for campaign_id in set(memory) - active:
                del memory[campaign_id]

    async def sweep(self, context: DutyContext, campaign: ActiveCampaign) -> int:
        """Sweep one slice of a cancelled campaign; put it to rest when a whole pass has left nothing open."""
        campaign_id = campaign.campaign_id
        if campaign_id in self._summarised:
            return await self.rest(context, campaign)
        if time.monotonic() < self._pass_at.get(campaign_id, 0.0):
            return 0
        after = self._swept.get(campaign_id, NIL)
        async with context.leading() as connection:
            row = await connection.fetchrow(
                sql.sweep_cancelled, campaign_id, after, context.settings.campaign.slice, timeout=_SCAN_SECONDS
            )
        if row is not None and row["seen"]:
            if row["parents"]:
                await release_children(context, row["parents"])
            self._swept[campaign_id] = row["through"]
            return int(row["seen"])
        self._swept.pop(campaign_id, None)
        if campaign.progress.terminal >= campaign.progress.total:
            return await self.rest(context, campaign)
        self._pass_at[campaign_id] = time.monotonic() + _PASS_AGAIN_SECONDS  # some are on the wire: pass again
        return 0

    async def rest(self, context: DutyContext, campaign: ActiveCampaign) -> int:
        """Tell the summary that segments read who was sent a mail, a slice at a time; then put the campaign to rest.

        Until then segments look into its ledger themselves.
        """
        if campaign.has_contacts:
            after = self._summarised.get(campaign.campaign_id, NIL)
            async with context.leading() as connection:
                through = await connection.fetchval(
                    sql.summarise_slice, campaign.campaign_id, after, context.settings.campaign.slice
                )
            if through is not None:
                self._summarised[campaign.campaign_id] = through
                return 1
        await self._put_to_rest(context, campaign)
        return 0

    async def _put_to_rest(self, context: DutyContext, campaign: ActiveCampaign) -> None:
        """Stop looking at an ended campaign once its row says what its counters say."""
        progress = campaign.progress
        self._summarised.pop(campaign.campaign_id, None)  # what is resolved meanwhile is summarised again
        async with context.leading() as connection:
            await connection.execute(sql.lock, campaign.campaign_id)
            rests = await connection.fetchval(sql.put_to_rest, campaign.campaign_id, progress.sent, progress.failed)
        if rests:
            await context.broker.dispatch.drop(campaign.dispatch_key)
