"""Decisions about campaigns: create, start, pause, resume, cancel, and what to do with uncertain messages.

PostgreSQL is changed first, then Redis is told. A crash in between is mended: the relay knows the rules of every
active campaign (`dispatch_rules`), and the ledger asks for the campaign's state before each window anyway.
"""

from collections.abc import AsyncIterable, Sequence
from dataclasses import replace
from typing import Any, Literal
from uuid import UUID

from redis.exceptions import RedisError

from taskflow.audience.imports import Batch
from taskflow.audience.segments.audiences import Audience, open_audience
from taskflow.base.errors import ConflictError
from taskflow.base.ids import uuid7
from taskflow.base.logging import get_logger
from taskflow.broker.limits import Limit
from taskflow.broker.redis.broker import RedisBroker
from taskflow.broker.redis.dispatch import Entry
from taskflow.campaigns.contents import content_of
from taskflow.campaigns.drafts import NewCampaign, pinned
from taskflow.campaigns.freezing import freeze, missing_variables, require_none
from taskflow.campaigns.importing import Origin, import_recipients
from taskflow.campaigns.models import Campaign, MissingVariable
from taskflow.campaigns.needs import Needs, needs_of, sentence
from taskflow.campaigns.notices import status_event
from taskflow.campaigns.rates import Rates, rates_of
from taskflow.campaigns.repository import CampaignNotFoundError, CampaignRepository, sql
from taskflow.campaigns.states import MOVES, CampaignStatus, refusal
from taskflow.content.rendering import RenderPool
from taskflow.content.templates.repository import TemplateRepository
from taskflow.content.templates.words import Words
from taskflow.db.pool import Connection, Database
from taskflow.delivery import addresses
from taskflow.engine.store import sql as engine_sql

log = get_logger(__name__)

_SCAN_SECONDS = 600.0
Resolution = Literal["sent", "failed", "resend"]
_RESOLVED_STATUS = {"sent": "SENT", "failed": "FAILED", "resend": "PENDING"}


class EmptyCampaignError(ConflictError):
    """The campaign has no recipients."""

    code = "no_recipients"


class CampaignService:
    """The campaigns of this installation."""

    def __init__(
        self, database: Database, broker: RedisBroker, rendering: RenderPool, *, most_recipients: int = 5_000_000
    ) -> None:
        """Take the pools and the rendering jail. `most_recipients`: that an audience may come to."""
        self._database = database
        self._broker = broker
        self._rendering = rendering
        self._most_recipients = most_recipients
        self._templates = TemplateRepository(database.pool)
        self.repository = CampaignRepository(database.pool)

    async def create(
        self,
        new: NewCampaign,
        origin: Origin,
        batches: AsyncIterable[Batch],
        *,
        created_by: UUID | None = None,
        campaign_id: UUID | None = None,
    ) -> Campaign:
        """Write a campaign and its recipients, all or nothing; of one with an `audience` they are chosen at its start.

        With `scheduled_at` it is SCHEDULED if nothing is missing; else it stays a DRAFT and says why. A `campaign_id`
        that exists already is the answer: the request is repeated.

        Raises:
            TemplateSyntaxProblem, TemplateLimitError: the template is not usable.
            UnsafeAddressError: an address of the sender is not.
            ImportFileError: the file is not.
            UnknownAudienceError: the audience names a list or a segment that there is not.
        """
        if campaign_id is not None and (known := await self._find(campaign_id)) is not None:
            return known
        new, content = await pinned(self._templates, new)
        words = await Words.of(self._rendering, content)
        for address in filter(None, (new.from_email, new.reply_to)):
            addresses.parse(address)
        campaign_id = campaign_id or uuid7()
        async with self._database.pool.acquire() as connection, connection.transaction():
            await self.repository.insert(connection, campaign_id, new.columns(needs_of(words), created_by))
            if new.audience is not None:
                await open_audience(connection, new.audience)
                if new.scheduled_at is not None:
                    missing = await missing_variables(connection, new.audience, needs_of(words))
                    await self._schedule(connection, campaign_id, missing)
            else:
                report = await import_recipients(connection, campaign_id, origin, batches)
                if new.scheduled_at is not None:
                    missing = await self.repository.missing_variables(campaign_id, needs_of(words), connection)
                    await self._schedule(connection, campaign_id, missing, is_empty=not report.accepted)
        if new.scheduled_at is not None:
            await self._wake()
        return await self.repository.get(campaign_id)

    async def get(self, campaign_id: UUID) -> Campaign:
        """Return a campaign; of a running one also how fast it is.

        Raises:
            CampaignNotFoundError: there is none.
        """
        return await self._with_rate(await self.repository.get(campaign_id))

    async def rates(self, campaign_id: UUID) -> Rates:
        """Return what receivers and people think of a campaign.

        Raises:
            CampaignNotFoundError: there is none.
        """
        rates = await rates_of(self._database.pool, campaign_id)
        if rates is None:
            raise CampaignNotFoundError(f"There is no campaign {campaign_id}.")
        return rates

    async def page(self, status: str | None, before: UUID | None, limit: int) -> list[Campaign]:
        """Return campaigns, newest first."""
        return [await self._with_rate(campaign) for campaign in await self.repository.page(status, before, limit)]

    async def start(self, campaign_id: UUID) -> Campaign:
        """Start a campaign now, after a look at every row for variables that the template needs.

        Raises:
            MissingVariableError: some rows lack one; `problems` says which and how many.
            EmptyCampaignError: there is nobody to write to.
            UnknownAudienceError: a list or a segment of its audience is not there any more.
            AudienceTooLargeError: its audience is larger than a campaign may be.
            IllegalCampaignTransitionError: it is running or over already.
        """
        campaign = await self.repository.get(campaign_id)
        if campaign.status not in MOVES["start"].sources:
            raise refusal(campaign.status, "start")
        if campaign.total_recipients == 0 and not campaign.is_open:
            raise EmptyCampaignError(f"'{campaign.name}' has no recipients.")
        words = await self.words(campaign)
        if campaign.is_open:
            await self._freeze_and_start(campaign, needs_of(words))
        else:
            require_none(await self.repository.missing_variables(campaign_id, needs_of(words)))
            await self.repository.move(campaign_id, "start")
        key = campaign.dispatch_key
        await self._tell(self._broker.dispatch.set_limit(key, Limit(per_minute=campaign.rate_limit_per_minute)))
        await self._wake()
        return await self._announced(campaign_id)

    async def pause(self, campaign_id: UUID) -> Campaign:
        """Send nothing more until it is resumed; at most the windows that are on the wire are finished."""
        campaign = await self._move(campaign_id, "pause")
        await self._tell(self._broker.dispatch.pause(campaign.dispatch_key))
        return await self._announced(campaign_id)

    async def resume(self, campaign_id: UUID) -> Campaign:
        """Go on where it stopped."""
        campaign = await self._move(campaign_id, "resume")
        await self._tell(self._broker.dispatch.resume(campaign.dispatch_key))
        await self._wake()
        return await self._announced(campaign_id)

    async def cancel(self, campaign_id: UUID) -> Campaign:
        """End it for good: who waits ends CANCELLED (the duty sweeps them), what is on the wire is finished."""
        campaign = await self._move(campaign_id, "cancel")
        await self._tell(self._broker.dispatch.drop(campaign.dispatch_key))
        await self._tell(self._broker.dispatch.pause(campaign.dispatch_key))  # until the sweep is done
        await self._wake()
        return await self._announced(campaign_id)

    async def resolve(self, campaign_id: UUID, recipient_ids: Sequence[UUID] | None, resolution: Resolution) -> int:
        """Decide about UNCERTAIN recipients (None: all of them); return how many.

        `resend` puts their tasks back and opens a completed campaign again: somebody may get the mail twice.
        """
        await self.repository.get(campaign_id)
        entries: list[Entry] = []
        async with self._database.pool.acquire() as connection, connection.transaction():
            status = _RESOLVED_STATUS[resolution]
            ids = None if recipient_ids is None else sorted(recipient_ids)
            rows = await connection.fetch(sql.resolve, campaign_id, ids, status, timeout=_SCAN_SECONDS)
            resolved = sorted(row[0] for row in rows)
            if resolution == "resend" and resolved:
                tasks = await connection.fetch(engine_sql.retry_by_hand, resolved)
                entries = [Entry(row["dispatch_key"], row["priority"], str(row["task_id"])) for row in tasks]
                if await connection.fetchval(sql.status_of, campaign_id) == CampaignStatus.COMPLETED:
                    await self.repository.move(campaign_id, "reopen", connection)
        if entries:
            await self._tell(self._broker.dispatch.push(entries))
        if resolved:
            await self._wake()
        return len(resolved)

    async def words(self, campaign: Campaign) -> Words:
        """Return what a campaign says, compiled.

        Raises:
            TemplateSyntaxProblem, TemplateLimitError: it is not usable, though it was when the campaign was saved.
        """
        return await Words.of(self._rendering, await content_of(campaign, self._templates))

    # -- inside

    async def _freeze_and_start(self, campaign: Campaign, needs: Needs) -> None:
        """Choose the recipients and start, in one transaction."""
        audience = Audience.model_validate(campaign.audience)
        async with self._database.pool.acquire() as connection, connection.transaction():
            require_none(await missing_variables(connection, audience, needs))
            if await freeze(connection, campaign.campaign_id, most=self._most_recipients) == 0:
                raise EmptyCampaignError(f"Nobody is in the audience of '{campaign.name}'.")
            await self.repository.move(campaign.campaign_id, "start", connection)

    async def _with_rate(self, campaign: Campaign) -> Campaign:
        if campaign.status != CampaignStatus.RUNNING:
            return campaign
        try:
            rate = (await self._broker.read_progress(campaign.campaign_id)).get("rate_per_second", 0)
        except (RedisError, OSError):
            return campaign
        return replace(campaign, progress=replace(campaign.progress, rate_per_second=rate))

    async def _find(self, campaign_id: UUID) -> Campaign | None:
        try:
            return await self.repository.get(campaign_id)
        except CampaignNotFoundError:
            return None

    async def _schedule(
        self, connection: Connection, campaign_id: UUID, missing: list[MissingVariable], *, is_empty: bool = False
    ) -> None:
        if not missing and not is_empty:
            await self.repository.move(campaign_id, "schedule", connection)
            return
        reason = sentence(missing) if missing else "It has no recipients."
        await self.repository.set_error(campaign_id, f"Not scheduled. {reason}", connection)

    async def _move(self, campaign_id: UUID, verb: str) -> Campaign:
        await self.repository.move(campaign_id, verb)
        return await self.repository.get(campaign_id)

    async def _announced(self, campaign_id: UUID) -> Campaign:
        """Tell live views about the new state, and return the campaign."""
        campaign = await self.repository.get(campaign_id)
        event = status_event(campaign_id, campaign.status, campaign.outcome, campaign.progress)
        await self._tell(self._broker.events.publish([event]))
        return campaign

    async def _wake(self) -> None:
        await self._tell(self._broker.wake_coordinator("campaigns"))

    @staticmethod
    async def _tell(word: Any) -> None:
        """Send a word to Redis; one that is lost is made up for by the relay and the duty."""
        try:
            await word
        except (RedisError, OSError) as error:
            log.warning("redis_not_told", error=str(error))
