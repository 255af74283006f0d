"""What an outcome means for a ledger row and for its task.

| outcome | row | task |
|---|---|---|
| accepted | SENT | completed |
| rejected | FAILED | failed for good: a dead letter |
| deferred, attempts left | DEFERRED | tried again after a delay |
| deferred, the last attempt | FAILED | failed for good |
| uncertain, policy `hold`, the last attempt, or for the second time | UNCERTAIN | failed for good: a person decides |
| uncertain, policy `resend` | DEFERRED | tried again, once |
| provider fault, not started | as it was | handed back, no attempt burnt |
"""

from collections.abc import Mapping
from typing import Final

from taskflow.audience.consent.suppressing import OWN_WISH
from taskflow.delivery.ledgers import End
from taskflow.delivery.outcome import Cause, Outcome, OutcomeKind
from taskflow.delivery.standing import LedgerRow
from taskflow.delivery.states import RecipientStatus
from taskflow.engine import Batch, BatchItem

_S = RecipientStatus

SUPPRESSING: Final[Mapping[Cause, str]] = {Cause.ADDRESS: "bounced", Cause.OPTED_OUT: OWN_WISH}
"""What providers say of a recipient, at once or in a report, that holds for good, and the reason of the suppression."""


def is_last_attempt(item: BatchItem) -> bool:
    """Tell whether a further deferral would be a failure."""
    return item.retry_count >= item.max_retries


def status_after(outcome: Outcome, was: str, *, last: bool, resend: bool, in_doubt: bool) -> RecipientStatus:
    """Return what a row becomes that was `was` before it was SENDING.

    `last`: there is no further attempt. `in_doubt`: an earlier one was perhaps delivered, as is one that was lost: a
    provider that takes messages and does not say so would get them as often as there are attempts.
    """
    match outcome.kind:
        case OutcomeKind.ACCEPTED:
            return _S.SENT
        case OutcomeKind.REJECTED:
            return _S.FAILED
        case OutcomeKind.DEFERRED:
            return _S.FAILED if last else _S.DEFERRED
        case OutcomeKind.UNCERTAIN:
            may_resend = resend and not (last or in_doubt or was == _S.SENDING)
            return _S.DEFERRED if may_resend else _S.UNCERTAIN
        case _:
            return _S.DEFERRED if was in (_S.DEFERRED, _S.SENDING) else _S.PENDING


def end_of(item: BatchItem, row: LedgerRow, outcome: Outcome, provider: str, *, resend: bool) -> End:
    """Return what the ledger row of a task becomes; `provider` had the message last, if anybody had."""
    status = status_after(outcome, row.status, last=is_last_attempt(item), resend=resend, in_doubt=row.in_doubt)
    return End(
        item.task_id,
        item.lease_epoch,
        status,
        reply=str(outcome.reply) if outcome.reply is not None else None,
        error=None if status is _S.SENT else outcome.text,
        counts=counts(outcome),
        provider=provider or None,
        provider_id=outcome.provider_id,
        cause=cause_of(outcome),
        doubtful=outcome.kind is OutcomeKind.UNCERTAIN,
        suppresses=suppressed_as(outcome),
    )


def counts(outcome: Outcome) -> bool:
    """Tell whether an attempt that ended so was one."""
    return outcome.kind not in (OutcomeKind.PROVIDER_FAULT, OutcomeKind.NOT_STARTED)


def cause_of(outcome: Outcome) -> str | None:
    """Return why a message was refused, for good or for now, in the words that all providers share (`Cause`)."""
    is_refusal = outcome.kind in (OutcomeKind.REJECTED, OutcomeKind.DEFERRED)
    return outcome.cause.value if is_refusal and outcome.cause is not None else None


def suppressed_as(outcome: Outcome) -> str | None:
    """Return the reason for which nobody should write to a recipient again; None: there is none."""
    if outcome.kind is not OutcomeKind.REJECTED or outcome.cause is None:
        return None
    return SUPPRESSING.get(outcome.cause)


def report(batch: Batch, item: BatchItem, outcome: Outcome, written: str | None, after: float | None = None) -> None:
    """Tell the engine how a task ended, now that the ledger has committed `written` (None: it was not ours).

    `after`: seconds until a deferred message is tried again, or longer when that was asked for; the engine's when None.
    """
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
            asked = outcome.retry_after
            batch.fail(item, outcome.text, after=asked if after is None else max(after, asked or 0.0))
        case _:
            batch.release(item, outcome.retry_after)
