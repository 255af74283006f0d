"""What an outcome makes of a ledger row, and what a row says to the next attempt."""

from dataclasses import dataclass

import pytest

from taskflow.delivery.outcome import Cause, Outcome, OutcomeKind
from taskflow.delivery.standing import Standing, standing_of
from taskflow.delivery.verdict import cause_of, status_after, suppressed_as

UNCERTAIN = Outcome(OutcomeKind.UNCERTAIN, "DOT", reason="The connection broke.")


@dataclass
class Row:
    status: str
    in_doubt: bool = False
    lease_epoch: int = 1
    sending_seconds: float | None = 600.0


@pytest.mark.parametrize(
    ("was", "in_doubt", "wanted"),
    [
        ("PENDING", False, "DEFERRED"),
        ("DEFERRED", False, "DEFERRED"),
        ("DEFERRED", True, "UNCERTAIN"),  # it was sent again already
        ("SENDING", False, "UNCERTAIN"),  # it was lost, and this was the repetition
    ],
)
def test_what_was_perhaps_delivered_is_sent_again_once(was: str, in_doubt: bool, wanted: str) -> None:
    assert status_after(UNCERTAIN, was, last=False, resend=True, in_doubt=in_doubt) == wanted
    assert status_after(UNCERTAIN, was, last=False, resend=False, in_doubt=in_doubt) == "UNCERTAIN"


@pytest.mark.parametrize(("in_doubt", "wanted"), [(False, "waiting"), (True, "lost")])
def test_what_is_lost_on_the_wire_is_sent_again_once(in_doubt: bool, wanted: Standing) -> None:
    row = Row("SENDING", in_doubt)
    assert standing_of(row, epoch=2, resend=True, resend_after=300.0) == wanted


def test_only_a_refusal_has_a_cause() -> None:
    assert cause_of(Outcome(OutcomeKind.REJECTED, "RCPT", cause=Cause.ADDRESS)) == "address"
    assert cause_of(Outcome(OutcomeKind.DEFERRED, "RCPT", cause=Cause.MAILBOX_FULL)) == "mailbox_full"
    assert cause_of(Outcome(OutcomeKind.PROVIDER_FAULT, "MAIL", cause=Cause.OUTAGE)) is None
    assert cause_of(UNCERTAIN) is None


@pytest.mark.parametrize(
    ("kind", "cause", "reason"),
    [
        (OutcomeKind.REJECTED, Cause.ADDRESS, "bounced"),
        (OutcomeKind.REJECTED, Cause.OPTED_OUT, "unsubscribed"),
        (OutcomeKind.REJECTED, Cause.REPUTATION, None),
        (OutcomeKind.REJECTED, None, None),
        (OutcomeKind.DEFERRED, Cause.ADDRESS, None),
    ],
)
def test_only_what_a_provider_refuses_for_good_suppresses(
    kind: OutcomeKind, cause: Cause | None, reason: str | None
) -> None:
    assert suppressed_as(Outcome(kind, "RCPT", cause=cause)) == reason
