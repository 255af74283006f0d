"""The sender of a worker process: from claimed tasks to committed outcomes, a window of at most ten at a time.

A call of the task is a window: its rows are read, sorted out by what they say, made into messages, called SENDING,
handed to the carrier, and ended. Calls run side by side, as many as the worker has slots. What was begun is brought to
its commit also when the call is stopped.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from taskflow.audience.channels import Channel
from taskflow.audience.suppression.erasure import ErasureKey
from taskflow.base.envelope import SealBrokenError
from taskflow.base.errors import InvalidInputError, NotFoundError, UnavailableError
from taskflow.base.failpoints import failpoint
from taskflow.base.logging import get_logger
from taskflow.content.media.library import MediaLibrary
from taskflow.content.media.storage import open_storage
from taskflow.content.rendering import RenderPool
from taskflow.content.templates.repository import TemplateRepository
from taskflow.delivery.domains.gmail import GmailMeter
from taskflow.delivery.domains.senders import Senders
from taskflow.delivery.ledgers import End
from taskflow.delivery.messages.carrier import Carrier, open_carrier
from taskflow.delivery.messages.composer import Composed, Composer, Held, MailComposer
from taskflow.delivery.messages.ledger import Begin, MessageLedger, Row
from taskflow.delivery.messages.models import DELAYS, StoredSubmission
from taskflow.delivery.messages.notices import MessageNotices
from taskflow.delivery.messages.text_composer import TextComposer
from taskflow.delivery.metrics import SECONDS
from taskflow.delivery.outcome import Outcome, OutcomeKind
from taskflow.delivery.standing import LOST
from taskflow.delivery.states import RecipientStatus
from taskflow.delivery.triage import end, sort_out
from taskflow.delivery.verdict import end_of, report
from taskflow.engine import Batch, BatchItem
from taskflow.engine.context import WorkerContext
from taskflow.engine.metering import Meter
from taskflow.identity.secret_key import signing_key

log = get_logger(__name__)

_S = RecipientStatus
_WINDOW_BYTES = 64 * 1024 * 1024
_LATER_SECONDS = 5.0  # until words or files that cannot be read now are asked for again
_TOO_LATE = "It could not be sent before it expired."
_GOODBYE_SECONDS = 0.8  # less than the second after which the engine gives a stopped task up

Pair = tuple[BatchItem, Row]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Ready:
    """A message that can be sent."""

    item: BatchItem
    row: Row
    submission: StoredSubmission
    message: Composed

    def begin(self, ledger: MessageLedger) -> Begin:
        """Return what the ledger needs to call it SENDING, and keeps of it."""
        row, archive = self.row, self.submission.archive
        return Begin(
            row.message_id,
            self.item.lease_epoch,
            row.status,
            row.attempt,
            row.channel,
            row.address,
            ledger.erased(row.address),
            self.message.subject if archive != "none" else None,
            len(self.message.content),
            self.message.content if archive == "full" and self.submission.raw is None else None,
            self.submission.letter.promotional,
        )

    def end(self, outcome: Outcome, provider: str) -> End:
        """Return what its row becomes."""
        return end_of(self.item, self.row, outcome, provider, resend=self.row.resend)


class MessageSender:
    """Sends windows; one per process."""

    def __init__(
        self,
        ledger: MessageLedger,
        composers: Mapping[str, Composer],
        carrier: Carrier,
        gmail: GmailMeter,
        *,
        lease_seconds: float,
        meter: Meter | None = None,
    ) -> None:
        """Take the ledger, what makes the messages of each channel, who carries them, and what counts them.

        `lease_seconds` is how long a claim lives; `meter` counts how long messages take.
        """
        self._ledger = ledger
        self._composers = composers
        self._carrier = carrier
        self._gmail = gmail
        self._lease_seconds = lease_seconds
        self._meter = meter or Meter()

    async def send(self, batch: Batch) -> None:
        """Send what a batch asks for, and report each of its tasks."""
        wanted = [item.task_id for item in batch.items]
        rows, submissions = await asyncio.gather(self._ledger.read(wanted), self._ledger.submissions(wanted))
        read_at = time.monotonic()
        waiting = await self._in_time(batch, await self._sort_out(batch, rows))
        async for window in self._windows(batch, waiting, submissions):
            work = asyncio.create_task(self._deliver(batch, window, read_at))
            try:
                await asyncio.shield(work)
            except asyncio.CancelledError:
                await asyncio.wait([work], timeout=_GOODBYE_SECONDS)
                raise

    async def _sort_out(self, batch: Batch, rows: dict[UUID, Row]) -> list[Pair]:
        """Report the tasks that have nothing to send; return the others with their rows."""
        resend_after = {
            channel: self._lease_seconds + await self._carrier.longest_send_seconds(Channel(channel))
            for channel in {row.channel for row in rows.values()}
        }
        found = await sort_out(
            batch,
            batch.items,
            rows,
            policy=lambda row: (row.resend, resend_after[row.channel]),
            settle=self._ledger.settle,
            requeued=self._ledger.requeued,
            unknown="There is no such message.",
        )
        waiting: list[Pair] = []
        for item, row in found:
            if row.status == _S.CANCELLED:
                batch.cancel(item)
            else:
                waiting.append((item, row))
        return waiting

    async def _in_time(self, batch: Batch, waiting: Sequence[Pair]) -> list[Pair]:
        """End the messages that it is too late to send; return the others."""
        late = [pair for pair in waiting if pair[1].is_expired]
        lost = [(item, row, LOST) for item, row in late if row.status == _S.SENDING]
        await self._settle(batch, lost, _S.UNCERTAIN)
        missed = [(item, row, _TOO_LATE) for item, row in late if row.status != _S.SENDING]
        await self._settle(batch, missed, _S.FAILED)
        return [pair for pair in waiting if not pair[1].is_expired]

    async def _settle(self, batch: Batch, found: Sequence[tuple[BatchItem, Row, str]], status: RecipientStatus) -> None:
        """End messages without a network, each with its reason."""
        await end(batch, found, status, self._ledger.settle)

    async def _windows(
        self, batch: Batch, waiting: Sequence[Pair], submissions: dict[UUID, StoredSubmission]
    ) -> AsyncIterator[list[_Ready]]:
        """Yield messages, as many at a time as fit into the memory."""
        window: list[_Ready] = []
        size = 0
        for submission, pairs in _by_submission(waiting, submissions):
            if submission is None:
                why = "Its words are not kept any more: submit it again."
                await self._settle(batch, [(item, row, why) for item, row in pairs], _S.FAILED)
                continue
            composer = self._composers[submission.channel]
            each = await self._usable(batch, pairs, composer.size_of(submission))
            if each is None:
                continue
            fits = max(1, _WINDOW_BYTES // each)
            for start in range(0, len(pairs), fits):
                some = pairs[start : start + fits]
                if window and size + each * len(some) > _WINDOW_BYTES:
                    yield window
                    window, size = [], 0
                made = await self._usable(batch, some, self._compose(composer, submission, some))
                if made is not None:
                    window += await self._ready(batch, made[0], some, made[1])
                    size += each * len(some)
        if window:
            yield window

    async def _compose(
        self, composer: Composer, submission: StoredSubmission, pairs: Sequence[Pair]
    ) -> tuple[StoredSubmission, list[Composed | Held | str]]:
        """Return the submission with all that it holds, and its messages."""
        whole = await self._ledger.whole(submission)
        return whole, await composer.compose(whole, [row for _, row in pairs])

    async def _usable(self, batch: Batch, pairs: Sequence[Pair], work: Awaitable[T]) -> T | None:
        """Return what a template and files give; without them end the messages, or put them off, and return None."""
        try:
            return await work
        except (UnavailableError, SealBrokenError) as error:
            log.warning("messages_not_composed", messages=len(pairs), error=str(error))
            await self._say_why([(item, row, f"It waits: {error}") for item, row in pairs])
            for item, _ in pairs:
                batch.release(item, _LATER_SECONDS)
        except (NotFoundError, InvalidInputError) as error:
            await self._settle(batch, [(item, row, f"{error.code}: {error}") for item, row in pairs], _S.FAILED)
        return None

    async def _say_why(self, held: Sequence[tuple[BatchItem, Row, str]]) -> None:
        """Let rows of messages that are held say why, unless they do."""
        new = [(row.message_id, item.lease_epoch, why) for item, row, why in held if row.error_message != why]
        if new:
            await self._ledger.wait(new)

    async def _ready(
        self, batch: Batch, submission: StoredSubmission, pairs: Sequence[Pair], made: Sequence[Composed | Held | str]
    ) -> list[_Ready]:
        """Return the messages that were made; the others end here, or wait."""
        broken: list[tuple[BatchItem, Row, str]] = []
        held: list[tuple[BatchItem, Row, Held]] = []
        ready: list[_Ready] = []
        for (item, row), message in zip(pairs, made, strict=True):
            match message:
                case str():
                    broken.append((item, row, message))
                case Held():
                    held.append((item, row, message))
                case _:
                    ready.append(_Ready(item, row, submission, message))
        await self._settle(batch, broken, _S.FAILED)
        await self._say_why([(item, row, why.reason) for item, row, why in held])
        for item, _, why in held:
            batch.release(item, why.seconds)
        return ready

    async def _deliver(self, batch: Batch, window: Sequence[_Ready], read_at: float) -> None:
        """Call a window SENDING, hand it over, commit what became of it, and tell the tasks.

        `read_at`: when (monotonic) its rows were read.
        """
        deadline = min(batch.deadline(one.item) for one in window)
        if time.monotonic() >= deadline:
            for one in window:
                batch.release(one.item)
            return
        begun: dict[UUID, str] = {}

        async def admit(places: Sequence[int], provider: str) -> list[int]:
            """Commit that a provider has these now, before the network does."""
            some = [(place, window[place]) for place in places]
            new = [one.begin(self._ledger) for _, one in some if one.row.message_id not in begun]
            again = [(one.row.message_id, one.item.lease_epoch) for _, one in some if one.row.message_id in begun]
            begun.update(await self._ledger.begin(provider, new))
            ours = await self._ledger.hand_on(provider, again) | {begin.message_id for begin in new}
            return [
                place for place, one in some
                if one.row.message_id in ours and begun.get(one.row.message_id) == _S.SENDING
            ]  # fmt: skip

        carried = await self._carrier.send([one.message.load for one in window], deadline, admit)
        failpoint("message_after_reply_before_commit")
        since_read = time.monotonic() - read_at
        went: list[tuple[_Ready, Outcome, str]] = []
        held: list[tuple[BatchItem, Row, str]] = []
        for one, (outcome, provider) in zip(window, carried, strict=True):
            match begun.get(one.row.message_id):
                case _S.SENDING:
                    went.append((one, outcome, provider))
                    if outcome.kind is OutcomeKind.ACCEPTED:
                        self._gmail.sent(one.submission.letter.from_address or "", one.row.address)
                        self._meter.observe(SECONDS, one.row.channel, value=one.row.due_seconds + since_read)
                case _S.SUPPRESSED:
                    batch.complete(one.item)
                case _:  # nobody may have it now; or it was cancelled, or is somebody else's: read the row again
                    if outcome.retry_after is not None:
                        held.append((one.item, one.row, f"It waits: {outcome.text}"))
                    batch.release(one.item, outcome.retry_after)
        await self._say_why(held)
        written = await self._ledger.end(
            [one.end(outcome, provider) for one, outcome, provider in went],
            forget={one.row.message_id for one in window if one.submission.forgets},
        )
        for one, outcome, _ in went:
            for refusal in outcome.refusals:
                one.item.context.log(refusal, level="WARNING", lease_epoch=one.item.lease_epoch)
            after = DELAYS[min(one.item.retry_count, len(DELAYS) - 1)]
            report(batch, one.item, outcome, written.get(one.row.message_id), after)


def _by_submission(
    waiting: Sequence[Pair], submissions: dict[UUID, StoredSubmission]
) -> Iterator[tuple[StoredSubmission | None, list[Pair]]]:
    groups: dict[UUID, list[Pair]] = {}
    for pair in waiting:
        groups.setdefault(pair[1].submission_id, []).append(pair)
    for submission_id, pairs in groups.items():
        yield submissions.get(submission_id), pairs


@asynccontextmanager
async def open_sender(context: WorkerContext) -> AsyncIterator[MessageSender]:
    """Open the sender of a worker process: a rendering child and connections that no campaign uses."""
    settings = context.settings
    async with (
        open_carrier(context) as carrier,
        RenderPool(settings.campaign) as rendering,
        open_storage(settings) as storage,
        GmailMeter.open(context.database.pool) as gmail,
        MessageNotices(context.broker.events) as notices,
    ):
        secret = signing_key(settings)
        mails = MailComposer(
            rendering,
            TemplateRepository(context.database.pool),
            MediaLibrary(context.database, storage, settings),
            Senders(context.database.pool, settings),
            secret.get_secret_value().encode(),
            settings.http.base_url,
        )
        composers: dict[str, Composer] = {"email": mails, "sms": TextComposer()}
        ledger = MessageLedger(context.database.hot, ErasureKey(secret), settings.sms.price_list, notices)
        yield MessageSender(
            ledger, composers, carrier, gmail, lease_seconds=settings.worker.lease_seconds, meter=context.meter
        )
