"""What receivers and people think of a campaign, and when it had better stop.

Mailbox providers put a sender aside who goes on in spite of complaints (Gmail: 0.3 %) or refusals. So a campaign pauses
by itself when its share of either reaches a threshold, and says so. A person who resumes it has seen what had come
until then: only what comes after it is judged again.
"""

import time
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from taskflow.base.logging import get_logger
from taskflow.campaigns.models import ActiveCampaign
from taskflow.campaigns.notices import status_event
from taskflow.campaigns.repository import sql as campaign_sql
from taskflow.campaigns.states import MOVES, CampaignStatus, sources
from taskflow.db.pool import Connection, Pool
from taskflow.db.queries import load
from taskflow.engine.coordinator.duty import DutyContext
from taskflow.settings.campaign import CampaignSettings

log = get_logger(__name__)
sql = load(__file__, "rates.sql")

_LOOK_SECONDS = 5.0
_SCAN_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Rates:
    """Counts of a campaign so far; `seen_…`: those at its last pause by itself. `reason`: of that pause."""

    sent: int
    bounced: int
    complained: int
    paused_at: datetime | None
    reason: str | None
    seen_sent: int
    seen_bounced: int
    seen_complained: int

    @property
    def bounce_rate(self) -> float:
        """The share of all messages handed over that were refused for good or came back."""
        return _share(self.bounced, self.sent + self.bounced)

    @property
    def complaint_rate(self) -> float:
        """The share of messages that were taken and complained about."""
        return _share(self.complained, self.sent)

    def verdict(self, settings: CampaignSettings) -> str | None:
        """Return why the campaign should pause; None when it need not."""
        sent = self.sent - self.seen_sent
        bounced, complained = self.bounced - self.seen_bounced, self.complained - self.seen_complained
        if sent + bounced < settings.pause_sample:
            return None
        for count, of, threshold, what in (
            (complained, sent, settings.pause_complaint_rate, "complained about"),
            (bounced, sent + bounced, settings.pause_bounce_rate, "refused or returned"),
        ):
            if threshold is not None and count > 0 and _share(count, of) >= threshold:
                share = f"{_share(count, of):.2%}"
                return (
                    f"Paused by itself: {count:,} of {of:,} messages were {what} ({share}, the limit is"
                    f" {threshold:.2%}). Look at its audience before you resume it."
                )
        return None


async def rates_of(target: Pool | Connection, campaign_id: UUID) -> Rates | None:
    """Return the counts of a campaign; None when there is no such campaign."""
    row = await target.fetchrow(sql.rates, campaign_id, timeout=_SCAN_SECONDS)
    return Rates(*row) if row is not None else None


class Guard:
    """Pauses running campaigns whose rates are bad; looks at each every few seconds."""

    def __init__(self) -> None:
        """Remember only when it last looked."""
        self._look_at: dict[UUID, float] = {}

    async def look(self, context: DutyContext, campaign: ActiveCampaign) -> bool:
        """Pause a campaign that had better stop; tell whether it was paused."""
        settings, campaign_id, now = context.settings.campaign, campaign.campaign_id, time.monotonic()
        if now < self._look_at.get(campaign_id, 0.0):
            return False
        self._look_at[campaign_id] = now + _LOOK_SECONDS
        rates = await rates_of(context.database.pool, campaign_id)
        reason = rates.verdict(settings) if rates is not None else None
        if rates is None or reason is None:
            return False
        async with context.leading() as connection:
            paused = await connection.fetchval(
                campaign_sql.move, campaign_id, MOVES["pause"].target.value, sources("pause"), None
            )
            if paused is None:
                return False
            await connection.execute(campaign_sql.set_error, campaign_id, reason)
            await connection.execute(sql.note_pause, campaign_id, reason, rates.sent, rates.bounced, rates.complained)
        log.warning("campaign_paused_by_itself", campaign_id=str(campaign_id), reason=reason)
        await context.broker.dispatch.pause(campaign.dispatch_key)
        await context.broker.events.publish([status_event(campaign_id, CampaignStatus.PAUSED, None, campaign.progress)])
        return True

    def forget_others(self, active: set[UUID]) -> None:
        """Forget campaigns that are over."""
        for campaign_id in self._look_at.keys() - active:
            del self._look_at[campaign_id]


def _share(count: int, of: int) -> float:
    return count / of if of > 0 else 0.0
