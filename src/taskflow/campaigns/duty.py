"""The campaigns duty: starts, feeds, counts and completes campaigns.

- A SCHEDULED campaign whose time has come starts (`starting`).
- A RUNNING one gets its send tasks in slices, just ahead of the workers: tasks and cursor move in one transaction, the
  ids go to Redis after the commit (what a crash leaves behind, the relay finds).
- Sums of the counters become the campaign's counts, the progress hash and events.
- When the terminal sum equals the frozen total, the rows are counted once, and the campaign is COMPLETED exactly once.
- A RUNNING one whose complaints or refusals are too many is paused (`rates`).
- A CANCELLED one is swept, and every ended one put to rest (`sweeping`).

Rows whose task ended without them (a quarantined task, one that an operator cancelled) are settled when nothing is
live any more, so that no campaign waits for ever.
"""

import time
from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from taskflow.base.logging import get_logger
from taskflow.broker.limits import Limit
from taskflow.broker.redis.dispatch import Entry
from taskflow.campaigns.models import (
    MAX_RETRIES,
    QUEUE,
    TASK_NAME,
    TIMEOUT_SECONDS,
    ActiveCampaign,
    Progress,
    dispatch_key,
)
from taskflow.campaigns.notices import status_event
from taskflow.campaigns.progress import ProgressTeller
from taskflow.campaigns.rates import Guard
from taskflow.campaigns.repository import NIL, sql
from taskflow.campaigns.starting import Starter
from taskflow.campaigns.states import CampaignStatus
from taskflow.campaigns.sweeping import Sweeper
from taskflow.db.pool import Database
from taskflow.delivery.states import TERMINAL
from taskflow.engine.coordinator.duty import DispatchRule, DutyContext
from taskflow.engine.states import Priority
from taskflow.settings import CoordinatorSettings

log = get_logger(__name__)

_S = CampaignStatus
_VERIFY_AGAIN_SECONDS = 5.0
_QUIET_SECONDS = 2.0  # without a change, before orphans are looked for
_LOST_AFTER_SECONDS = 60  # a SENDING row without a live task cannot be on the wire any more
_SCAN_SECONDS = 120.0


class CampaignsDuty:
    """Brings every active campaign one step further."""

    name: ClassVar[str] = "campaigns"

    def __init__(self) -> None:
        """Remember nothing that matters: what was told, when a look was in vain."""
        self._teller = ProgressTeller()
        self._guard = Guard()
        self._starter = Starter()
        self._sweeper = Sweeper()
        self._ruled: dict[UUID, int | None] = {}
        self._verify_at: dict[UUID, float] = {}  # monotonic: no earlier look at all rows
        self._pass_at: dict[UUID, float] = {}  # monotonic: no earlier search for orphans
        self._still: dict[UUID, tuple[int, float]] = {}  # terminal sum, and since when it has stood still

    def interval(self, settings: CoordinatorSettings) -> float:
        """Return the seconds between two looks."""
        return settings.campaigns_seconds

    async def run_once(self, context: DutyContext) -> int:
        """Do one step of each active campaign; return how many slices were made or swept."""
        rows = await context.database.pool.fetch(sql.active)
        campaigns = [_active(row) for row in rows]
        self._forget_others({campaign.campaign_id for campaign in campaigns})
        return sum([await self._step(context, campaign) for campaign in campaigns])

    async def _step(self, context: DutyContext, campaign: ActiveCampaign) -> int:
        match campaign.status:
            case _S.SCHEDULED:
                return await self._starter.start(context, campaign) if campaign.due else 0
            case _S.RUNNING:
                if await self._guard.look(context, campaign):
                    return 1
                made = await self._feed(context, campaign)
                await self._count(context, campaign)
                if not made:
                    await self._complete(context, campaign)
                return made
            case _S.PAUSED:
                await self._count(context, campaign)
                return 0
            case _S.CANCELLED:
                swept = await self._sweeper.sweep(context, campaign)
                await self._count(context, campaign)
                return swept
            case _:
                await self._count(context, campaign)
                return await self._sweeper.rest(context, campaign)

    # -- feeding

    async def _feed(self, context: DutyContext, campaign: ActiveCampaign) -> int:
        """Make the next slice of tasks when less than `ahead` are live; return how many."""
        settings = context.settings.campaign
        live = campaign.tasks_made - campaign.progress.terminal - campaign.progress.deferred
        room = max(settings.ahead, settings.slice) - live
        if campaign.tasks_made >= campaign.progress.total or room < settings.slice:
            return 0
        await self._apply_rate(context, campaign)
        async with context.leading() as connection:
            locked = await connection.fetchrow(sql.lock_running, campaign.campaign_id)
            if locked is None:
                return 0
            before = locked["tasks_made_through"] or NIL
            slice_made = await connection.fetchrow(
                sql.make_tasks,
                campaign.campaign_id,
                before,
                settings.slice,
                locked["created_by"],
                Priority.MEDIUM,
                MAX_RETRIES,
                TIMEOUT_SECONDS,
                TASK_NAME,
                QUEUE,
                campaign.dispatch_key,
            )
        if slice_made is None:
            return 0
        ids = await context.database.pool.fetch(sql.slice_ids, campaign.campaign_id, before, slice_made["through"])
        context.check()
        await context.broker.dispatch.push(Entry(campaign.dispatch_key, Priority.MEDIUM, str(row[0])) for row in ids)
        return int(slice_made["made"])

    async def _apply_rate(self, context: DutyContext, campaign: ActiveCampaign) -> None:
        """Tell Redis the rate before the first id is in line, so that no burst gets through."""
        rate = campaign.rate_limit_per_minute
        if rate is None or self._ruled.get(campaign.campaign_id) == rate:
            return
        context.check()
        await context.broker.dispatch.set_limit(campaign.dispatch_key, Limit(per_minute=rate))
        self._ruled[campaign.campaign_id] = rate

    # -- counting

    async def _count(self, context: DutyContext, campaign: ActiveCampaign) -> None:
        """Bring the sums to the campaign's row, to Redis and to browsers."""
        progress = campaign.progress
        outcome = progress.outcome if campaign.status == _S.COMPLETED else None
        if (campaign.sent_count, campaign.failed_count, campaign.outcome) != (progress.sent, progress.failed, outcome):
            async with context.leading() as connection:
                await connection.execute(
                    sql.write_counts, campaign.campaign_id, progress.sent, progress.failed, progress.outcome
                )
        context.check()
        measured = self._teller.measure(campaign.campaign_id, progress)
        await self._teller.tell(context.broker, campaign.campaign_id, campaign.status, measured)

    # -- completing

    async def _complete(self, context: DutyContext, campaign: ActiveCampaign) -> None:
        """Complete a campaign whose rows are all terminal."""
        progress, campaign_id = campaign.progress, campaign.campaign_id
        if campaign.tasks_made < progress.total or progress.terminal < progress.total:
            await self._settle_orphans(context, campaign)  # also half-way: so many of them hold the next slices up
            return
        if time.monotonic() < self._verify_at.get(campaign_id, 0.0):
            return
        rows = await context.database.pool.fetch(sql.count_rows, campaign_id, timeout=_SCAN_SECONDS)
        counts = {row["status"]: row["count"] for row in rows}
        open_rows = sum(count for status, count in counts.items() if status not in TERMINAL)
        if open_rows or sum(counts.values()) != progress.total:
            log.error("campaign_counters_differ", campaign_id=str(campaign_id), rows=counts, sums=progress.sums())
            self._verify_at[campaign_id] = time.monotonic() + _VERIFY_AGAIN_SECONDS
            return
        async with context.leading() as connection:
            completed = await connection.fetchval(
                sql.complete, campaign_id, progress.outcome, progress.sent, progress.failed
            )
        if completed is None:
            return
        log.info("campaign_completed", campaign_id=str(campaign_id), summary=progress.summary())
        await self._teller.tell(context.broker, campaign_id, _S.COMPLETED, progress)
        await context.broker.events.publish([status_event(campaign_id, _S.COMPLETED, progress.outcome, progress)])
        await context.broker.dispatch.drop(campaign.dispatch_key)

    async def _settle_orphans(self, context: DutyContext, campaign: ActiveCampaign) -> None:
        """Settle rows whose task is over although they are not, once nothing of the campaign is live any more."""
        campaign_id, terminal, now = campaign.campaign_id, campaign.progress.terminal, time.monotonic()
        before, since = self._still.get(campaign_id, (-1, now))
        if before != terminal:
            self._still[campaign_id] = (terminal, now)
            return
        if now - since < _QUIET_SECONDS or now < self._pass_at.get(campaign_id, 0.0):
            return
        self._pass_at[campaign_id] = now + _VERIFY_AGAIN_SECONDS
        if await context.database.hot.fetchval(sql.has_live_tasks, campaign.dispatch_key):
            return
        async with context.leading() as connection:
            settled = await connection.fetchval(
                sql.settle_orphans, campaign_id, _LOST_AFTER_SECONDS, timeout=_SCAN_SECONDS
            )
        if settled:
            log.warning("campaign_orphans_settled", campaign_id=str(campaign_id), recipients=settled)

    def _forget_others(self, active: set[UUID]) -> None:
        self._teller.forget_others(active)
        self._guard.forget_others(active)
        self._sweeper.forget_others(active)
        for memory in (self._ruled, self._verify_at, self._pass_at, self._still):
            for campaign_id in set(memory) - active:
                del memory[campaign_id]


async def dispatch_rules(database: Database) -> Sequence[DispatchRule]:
    """Return what the relay must know of campaigns when it rebuilds the dispatch: what is paused, how fast the rest."""
    rows = await database.pool.fetch(sql.rules)
    return [
        DispatchRule(dispatch_key(row[0]), row["paused"], Limit(per_minute=row["rate_limit_per_minute"]))
        for row in rows
    ]


def _active(row: Any) -> ActiveCampaign:
    values = dict(row)  # an asyncpg record
    names = ("sent", "failed", "deferred", "uncertain", "suppressed", "cancelled")
    progress = Progress(total=values.pop("total_recipients"), **{name: values.pop(name) for name in names})
    values["due"] = bool(values["due"])
    return ActiveCampaign(**values, progress=progress)
