"""What follows from what a provider says of an uncertain message."""

from itertools import pairwise

import pytest

from taskflow.delivery.messages.models import DELAYS
from taskflow.delivery.providers.contract import Sighting
from taskflow.delivery.reconciliation.rules import LAST_AFTER, LOOKS, SURE_AFTER, Finding, next_age, next_step

HAS_IT = Finding("", Sighting("1"), is_known=True)
HAS_NOT = Finding("", is_known=True)
SILENT = Finding("")
MUTE = Finding("", may_ask=False)


@pytest.mark.parametrize(
    ("finding", "age", "message", "recipient"),
    [
        (HAS_IT, 60, "sent", "sent"),
        (HAS_IT, LAST_AFTER * 2, "sent", "sent"),
        (HAS_NOT, 60, "again", "again"),
        (HAS_NOT, SURE_AFTER - 1, "again", "again"),
        (HAS_NOT, SURE_AFTER, "resend", "hold"),
        (SILENT, 60, "again", "again"),
        (SILENT, SURE_AFTER, "again", "again"),
        (SILENT, LAST_AFTER, "hold", "hold"),
        (MUTE, 60, "hold", "hold"),
        (MUTE, LAST_AFTER, "hold", "hold"),
    ],
)
def test_silence_is_never_taken_for_a_no(finding: Finding, age: float, message: str, recipient: str) -> None:
    assert next_step(finding, age, is_message=True, attempts=1) == message
    assert next_step(finding, age, is_message=False, attempts=1) == recipient


def test_a_message_that_was_sent_nine_times_is_held() -> None:
    assert next_step(HAS_NOT, SURE_AFTER, is_message=True, attempts=len(DELAYS)) == "resend"
    assert next_step(HAS_NOT, SURE_AFTER, is_message=True, attempts=len(DELAYS) + 1) == "hold"


def test_looks_are_further_and_further_apart_and_end() -> None:
    gaps = [after - before for before, after in pairwise(LOOKS)]
    assert gaps == sorted(gaps)
    age, ages = 0.0, []
    while age < LAST_AFTER:
        ages.append(age := next_age(age))
    assert ages == list(LOOKS)
    assert next_age(LAST_AFTER) == LAST_AFTER
    assert SURE_AFTER in LOOKS
