"""The mailer of a worker process: from claimed send tasks to letters on a lane.

A batch is read from the ledger in one statement, its recipients sorted out by what their rows say (`triage`), rendered
in the jail in one call, poured into the campaign's precompiled MIME skeleton, and handed to the lanes in windows of at
most ten. The batch waits until every one of its letters has been committed and reported.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import groupby
from uuid import UUID

from taskflow.audience.suppression.erasure import ErasureKey
from taskflow.base.envelope import SealBrokenError
from taskflow.base.errors import InvalidInputError, NotFoundError, UnavailableError
from taskflow.base.logging import get_logger
from taskflow.campaigns.composer import CampaignComposer, open_composer
from taskflow.campaigns.contents import content_of
from taskflow.campaigns.faults import FaultBoard
from taskflow.campaigns.lanes import Lanes, Stream
from taskflow.campaigns.ledger import Ledger, Row
from taskflow.campaigns.models import Campaign
from taskflow.campaigns.repository import CampaignNotFoundError, CampaignRepository
from taskflow.campaigns.single_mails import SingleMails
from taskflow.campaigns.triage import Triage
from taskflow.campaigns.verdict import Letter
from taskflow.content.media.library import MediaLibrary
from taskflow.content.media.storage import open_storage
from taskflow.content.rendering import RenderPool
from taskflow.content.rendering.process import RenderingUnavailableError
from taskflow.content.templates.repository import TemplateRepository
from taskflow.content.templates.words import Words
from taskflow.delivery.domains.gmail import GmailMeter
from taskflow.delivery.domains.senders import Senders
from taskflow.delivery.ledgers import Settlement
from taskflow.delivery.letterhead import Letterhead, files_of
from taskflow.delivery.messages.composer import KeptWords
from taskflow.delivery.messages.service import MessageService
from taskflow.delivery.router.open_providers import OpenProviders
from taskflow.delivery.states import RecipientStatus
from taskflow.engine import Batch, BatchItem, Engine
from taskflow.engine.context import WorkerContext
from taskflow.identity.secret_key import signing_key
from taskflow.settings import Settings

log = get_logger(__name__)

_CACHED_CAMPAIGNS = 64
_LETTERS_BYTES = 64 * 1024 * 1024
_WORDS_BYTES = 256 * 1024
_RENDER_WAIT_SECONDS = 5.0
_GOODBYE_SECONDS = 0.8  # less than the second after which the engine gives a stopped task up


class Mailer:
    """Sends batches; one per process."""

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        lanes: Lanes,
        triage: Triage,
        rendering: RenderPool,
        campaigns: CampaignRepository,
        templates: TemplateRepository,
        media: MediaLibrary,
        faults: FaultBoard,
        senders: Senders,
        singles: SingleMails,
    ) -> None:
        """Take what `open_mailer` has opened."""
        self._settings = settings
        self._ledger = ledger
        self._lanes = lanes
        self._triage = triage
        self._rendering = rendering
        self._campaigns = campaigns
        self._templates = templates
        self._media = media
        self._faults = faults
        self._senders = senders
        self._singles = singles
        self._composers: dict[UUID, asyncio.Task[CampaignComposer]] = {}

    async def send(self, batch: Batch) -> None:
        """Send what a batch asks for, and report each of its tasks."""
        ordered = sorted(batch.items, key=lambda item: (str(item.campaign_id), item.task_id))
        for campaign_id, items in groupby(ordered, key=lambda item: item.campaign_id):
            if campaign_id is None:
                for item in items:
                    await self._singles.submit(batch, item)
            else:
                await self._send(batch, campaign_id, list(items))

    async def _send(self, batch: Batch, campaign_id: UUID, items: Sequence[BatchItem]) -> None:
        try:
            composer = await self._composer(campaign_id)
            composer.send_as(await self._senders.of(composer.campaign.from_email))
        except CampaignNotFoundError as error:
            for item in items:
                batch.fail(item, str(error), retry=False)
            return
        except (UnavailableError, NotFoundError, InvalidInputError, SealBrokenError) as error:
            # Its template, a file or its sender's key cannot be used: nobody's attempt, somebody has to mend it.
            waits_for = "its DKIM key" if isinstance(error, SealBrokenError) else "its template or its files"
            self._faults.failed(campaign_id, str(error), waits_for=waits_for)
            for item in items:
                batch.release(item, _RENDER_WAIT_SECONDS)
            return
        ready = await self._triage.sort_out(batch, composer.campaign, items)
        # Letters that carry files are made a few at a time: a batch of them would fill the memory.
        size = max(1, _LETTERS_BYTES // (composer.attached_bytes + _WORDS_BYTES))
        for start in range(0, len(ready), size):
            countdown = _Countdown()
            letters = await self._compose(batch, composer, ready[start : start + size], countdown)
            if letters:
                await self._deliver(composer.campaign, letters, countdown)

    async def _compose(
        self,
        batch: Batch,
        composer: CampaignComposer,
        ready: Sequence[tuple[BatchItem, Row]],
        countdown: "_Countdown",
    ) -> list[Letter]:
        """Render and build the messages; those that cannot be rendered end here."""
        try:
            bodies = await composer.compose([row for _, row in ready])
        except RenderingUnavailableError as error:
            self._faults.failed(composer.campaign.campaign_id, str(error))
            for item, _ in ready:
                batch.release(item, _RENDER_WAIT_SECONDS)
            return []
        letters: list[Letter] = []
        broken: list[tuple[BatchItem, Row, str]] = []
        for (item, row), body in zip(ready, bodies, strict=True):
            if isinstance(body, str):
                broken.append((item, row, body))
            else:
                return_path = composer.return_path(row.recipient_id)
                letters.append(Letter(batch, item, row, body, countdown.one, return_path=return_path))
        if broken:
            await self._refuse(batch, composer.campaign.campaign_id, broken)
        return letters

    async def _refuse(self, batch: Batch, campaign_id: UUID, broken: Sequence[tuple[BatchItem, Row, str]]) -> None:
        settlements = [
            Settlement(row.recipient_id, item.lease_epoch, row.status, row.lease_epoch, RecipientStatus.FAILED, error)
            for item, row, error in broken
        ]
        settled = await self._ledger.settle(campaign_id, 0, settlements)
        for item, row, error in broken:
            if row.recipient_id in settled:
                batch.fail(item, error, retry=False)
            else:
                batch.release(item)

    async def _deliver(self, campaign: Campaign, letters: Sequence[Letter], countdown: "_Countdown") -> None:
        """Hand letters to the lanes and wait until the last of them is reported."""
        countdown.left = len(letters)
        resend = campaign.uncertain_policy == "resend"
        stream = Stream(campaign.campaign_id, campaign.from_email, resend)
        self._lanes.put(stream, letters)
        try:
            await asyncio.shield(countdown.over)
        except asyncio.CancelledError:
            # What is not begun stays unsent; what is on the wire gets a moment to be committed.
            self._lanes.withdraw(stream, letters)
            await asyncio.wait([countdown.over], timeout=_GOODBYE_SECONDS)
            raise

    async def _composer(self, campaign_id: UUID) -> CampaignComposer:
        """Return the compiled campaign: template and skeleton are made once per process, they never change."""
        opening = self._composers.get(campaign_id)
        if opening is None or (opening.done() and (opening.cancelled() or opening.exception() is not None)):
            while len(self._composers) >= _CACHED_CAMPAIGNS or self._attached_bytes() > _LETTERS_BYTES:
                del self._composers[next(iter(self._composers))]
            opening = asyncio.create_task(self._open_composer(campaign_id))
            self._composers[campaign_id] = opening
        return await asyncio.shield(opening)

    def _attached_bytes(self) -> int:
        """Return what the files of open campaigns take."""
        done = (one for one in self._composers.values() if one.done() and not one.cancelled() and not one.exception())
        return sum(one.result().attached_bytes for one in done)

    async def _open_composer(self, campaign_id: UUID) -> CampaignComposer:
        campaign = await self._campaigns.get(campaign_id)
        content = await content_of(campaign, self._templates)
        words, files = await Words.of(self._rendering, content), await files_of(self._media, content.attachments)
        letterhead = Letterhead(campaign.from_email, campaign.from_name, campaign.reply_to)
        # In ASCII: whichever provider it goes over takes that.
        composer = open_composer(self._settings, words, letterhead, campaign_id, files, eight_bit=False)
        return CampaignComposer(campaign, composer, sum(len(file.data) * 4 // 3 for file in files))


class _Countdown:
    """Counts the letters of a batch that are still on their way."""

    def __init__(self) -> None:
        self.left = 0
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def one(self) -> None:
        """One has arrived."""
        self.left -= 1
        if self.left == 0 and not self.over.done():
            self.over.set_result(None)


@asynccontextmanager
async def open_mailer(context: WorkerContext) -> AsyncIterator[Mailer]:
    """Open the mailer of a worker process: rendering children, providers, lanes."""
    settings = context.settings
    repository = CampaignRepository(context.database.pool)
    async with (
        OpenProviders.open(context) as providers,
        RenderPool(settings.campaign) as rendering,
        open_storage(settings) as storage,
        FaultBoard.open(repository) as faults,
        GmailMeter.open(context.database.pool) as gmail,
    ):
        ledger = Ledger(context.database.hot, erasure=ErasureKey(signing_key(settings)))
        lanes = Lanes(
            ledger,
            providers,
            count=settings.smtp.connections,
            window=settings.campaign.ledger_window,
            slot=context.slot,
            on_fault=faults.failed,
            on_success=faults.succeeded,
            on_sent=gmail.sent,
        )
        senders = Senders(context.database.pool, settings)

        async def resend_after() -> float:
            return settings.worker.lease_seconds + await providers.longest_send_seconds()

        triage = Triage(ledger, repository, resend_after=resend_after)
        lanes.start()
        try:
            templates = TemplateRepository(context.database.pool)
            media = MediaLibrary(context.database, storage, settings)
            engine = Engine(context.database, context.broker)
            messages = MessageService(context.database, engine, rendering, media, KeptWords())
            singles = SingleMails(messages, settings.message.archive)
            yield Mailer(
                settings, ledger, lanes, triage, rendering, repository, templates, media, faults, senders, singles
            )
        finally:
            await lanes.close()
