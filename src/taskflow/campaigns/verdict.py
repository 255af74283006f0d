"""What an SMTP outcome means for the ledger row and for its task.

| outcome | row | task |
|---|---|---|
| accepted | SENT | completed |
| rejected | FAILED | failed for good: a dead letter |
| deferred, attempts left | DEFERRED | tried again after the usual delay |
| deferred, the last attempt | FAILED | failed for good |
| uncertain, policy `hold` or the last attempt | UNCERTAIN | failed for good: a person decides |
| uncertain, policy `resend` | DEFERRED | tried again |
| provider fault, not started | as it was | handed back, no attempt burnt |
"""

from collections.abc import Callable
from dataclasses import dataclass

from taskflow.delivery.ledger import Begin, End, Row
from taskflow.delivery.outcome import Outcome, OutcomeKind
from taskflow.delivery.states import RecipientStatus
from taskflow.engine import Batch, BatchItem

_S = RecipientStatus


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

    def finish(self) -> None:
        """Say that there is nothing more to do for it."""
        if not self.is_finished:
            self.is_finished = True
            self.arrived()

    @property
    def begin(self) -> Begin:
        """What the ledger needs to call it SENDING."""
        row = self.row
        return Begin(row.recipient_id, self.item.lease_epoch, row.status, row.attempt, row.email, row.list_id)

    @property
    def is_last_attempt(self) -> bool:
        """Tell whether a further deferral would be a failure."""
        return self.item.retry_count >= self.item.max_retries


def end_of(letter: Letter, outcome: Outcome, *, resend: bool) -> End:
    """Return what the ledger row becomes."""
    status = _status(letter, outcome, resend=resend)
    return End(
        letter.row.recipient_id,
        letter.item.lease_epoch,
        status,
        reply=str(outcome.reply) if outcome.reply is not None else None,
        error=None if status is _S.SENT else outcome.text,
        counts=outcome.kind not in (OutcomeKind.PROVIDER_FAULT, OutcomeKind.NOT_STARTED),
    )


def report(letter: Letter, outcome: Outcome, written: str | None) -> None:
    """Tell the engine how the task ended, now that the ledger has committed `written` (None: it was not ours)."""
    batch, item = letter.batch, letter.item
    match written:
        case None:
            batch.release(item)  # whoever holds the task now decides; if it is still we, the row is read again
        case _S.SENT | _S.SUPPRESSED:
            batch.complete(item)
        case _S.CANCELLED:
            batch.cancel(item)
        case _S.FAILED:
            batch.fail(item, outcome.text, retry=False)
        case _S.UNCERTAIN:
            batch.fail(item, f"Perhaps delivered: {outcome.text}", retry=False)
        case _ if outcome.kind in (OutcomeKind.DEFERRED, OutcomeKind.UNCERTAIN):
            batch.fail(item, outcome.text)
        case _:
            batch.release(item, outcome.retry_after)


def _status(letter: Letter, outcome: Outcome, *, resend: bool) -> RecipientStatus:
    match outcome.kind:
        case OutcomeKind.ACCEPTED:
            return _S.SENT
        case OutcomeKind.REJECTED:
            return _S.FAILED
        case OutcomeKind.DEFERRED:
            return _S.FAILED if letter.is_last_attempt else _S.DEFERRED
        case OutcomeKind.UNCERTAIN:
            return _S.DEFERRED if resend and not letter.is_last_attempt else _S.UNCERTAIN
        case _:
            return _S.DEFERRED if letter.row.status in (_S.DEFERRED, _S.SENDING) else _S.PENDING
