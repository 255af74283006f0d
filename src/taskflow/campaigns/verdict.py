"""A campaign's message on its way, and what its ledger row becomes; `delivery.verdict` says what outcomes mean."""

from collections.abc import Callable
from dataclasses import dataclass

from taskflow.campaigns.models import DELAYS
from taskflow.delivery import verdict
from taskflow.delivery.ledger import Begin, End, Row
from taskflow.delivery.outcome import Outcome, OutcomeKind
from taskflow.delivery.states import RecipientStatus
from taskflow.engine import Batch, BatchItem


@dataclass(slots=True, eq=False)
class Letter:
    """One message on its way: the task that asks for it, its ledger row as read, and the finished bytes."""

    batch: Batch
    item: BatchItem
    row: Row
    body: bytes
    arrived: Callable[[], None]  # called once, when the ledger and the task know what became of it
    is_finished: bool = False
    return_path: str | None = None  # where bounces of it go; None: to the campaign's sender
    rests_until: float | None = None  # monotonic: how long it may wait for room in a lane, once it has to

    def finish(self) -> None:
        """Say that there is nothing more to do for it."""
        if not self.is_finished:
            self.is_finished = True
            self.arrived()

    def begin(self, provider: str) -> Begin:
        """Return what the ledger needs to call it SENDING."""
        row = self.row
        return Begin(row.recipient_id, self.item.lease_epoch, row.status, row.attempt, row.email, row.list_id, provider)


def end_of(letter: Letter, outcome: Outcome, provider: str, *, resend: bool) -> End:
    """Return what the ledger row becomes; `provider` had the message last."""
    row, last = letter.row, verdict.is_last_attempt(letter.item)
    status = verdict.status_after(outcome, row.status, last=last, resend=resend, in_doubt=row.in_doubt)
    return End(
        letter.row.recipient_id,
        letter.item.lease_epoch,
        status,
        reply=str(outcome.reply) if outcome.reply is not None else None,
        error=None if status is RecipientStatus.SENT else outcome.text,
        counts=verdict.counts(outcome),
        provider=provider,
        provider_id=outcome.provider_id,
        cause=verdict.cause_of(outcome),
        doubtful=outcome.kind is OutcomeKind.UNCERTAIN,
        suppresses=verdict.suppressed_as(outcome),
    )


def report(letter: Letter, outcome: Outcome, written: str | None) -> None:
    """Tell the engine how the task ended, now that the ledger has committed `written` (None: it was not ours)."""
    after = DELAYS[min(letter.item.retry_count, len(DELAYS) - 1)]
    verdict.report(letter.batch, letter.item, outcome, written, after)
