"""Where the ledger row of a claimed send task stands; `triage` says what is done about it.

A row that is SENDING under an older epoch than its task's was on the wire when its sender died. With the policy `hold`
it is lost, which somebody has to decide about; with `resend` it waits until the old attempt cannot be alive any more,
and is sent again, once: what is lost for the second time is lost.
"""

from typing import Literal, Protocol

from taskflow.delivery.states import RecipientStatus

_S = RecipientStatus
_OVER = frozenset({_S.SENT, _S.SUPPRESSED, _S.BOUNCED, _S.UNSUBSCRIBED})
LOST = "The sender died while this message was on the wire: perhaps delivered."

Standing = Literal["over", "uncertain", "later", "lost", "failed", "waiting"]


class LedgerRow(Protocol):
    """What is looked at."""

    @property
    def status(self) -> str:
        """Its state."""

    @property
    def lease_epoch(self) -> int:
        """The epoch of the attempt that set SENDING."""

    @property
    def in_doubt(self) -> bool:
        """Whether an earlier attempt was perhaps delivered."""

    @property
    def sending_seconds(self) -> float | None:
        """How long ago that was."""


def standing_of(row: LedgerRow, epoch: int, *, resend: bool, resend_after: float) -> Standing:
    """Return where a row stands for the task that was claimed under `epoch`.

    `resend_after`: seconds after which a lost attempt cannot be on the wire (lease + the longest time of a send).
    """
    if row.status in _OVER:
        return "over"
    if row.status == _S.UNCERTAIN:
        return "uncertain"
    if row.status == _S.FAILED:
        return "failed"
    if row.status == _S.SENDING and row.lease_epoch < epoch:
        if not resend or row.in_doubt:
            return "lost"
        return "waiting" if (row.sending_seconds or 0.0) > resend_after else "later"
    return "waiting"
