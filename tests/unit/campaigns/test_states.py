"""The state machines of campaigns and recipients, and the sentences made of sums."""

import re
from importlib import resources

import pytest

from taskflow.campaigns.models import Progress
from taskflow.campaigns.states import MOVES, TERMINAL, CampaignStatus, refusal, sources
from taskflow.delivery import states as delivery
from taskflow.delivery.states import RecipientStatus

_SCHEMA = (resources.files("taskflow.db.migrations") / "versions" / "0001_foundation.sql").read_text(encoding="utf-8")


def statuses_of(table: str) -> set[str]:
    """Return what the CHECK of a table's status allows."""
    body = _SCHEMA.split(f"CREATE TABLE {table} (", 1)[1]
    match = re.search(r"\n  status .*?CHECK \(status IN\s*\((.*?)\)\)", body, re.DOTALL)
    assert match is not None
    return set(re.findall(r"'(\w+)'", match[1]))


def test_code_and_schema_know_the_same_states() -> None:
    assert statuses_of("campaigns") == {status.value for status in CampaignStatus}
    assert statuses_of("email_recipients") == {status.value for status in RecipientStatus}


def test_every_campaign_state_is_reached_by_some_move() -> None:
    assert {move.target for move in MOVES.values()} == set(CampaignStatus) - {CampaignStatus.DRAFT}


def test_only_completed_campaigns_open_again() -> None:
    leaving = {source for move in MOVES.values() for source in move.sources} & TERMINAL
    assert leaving == {CampaignStatus.COMPLETED}
    assert sources("reopen") == ["COMPLETED"]


def test_a_refusal_says_what_the_campaign_is() -> None:
    error = refusal("COMPLETED", "pause")
    assert (str(error), error.status, error.code) == (
        "A campaign that is COMPLETED cannot be paused.",
        409,
        "illegal_transition",
    )


@pytest.mark.parametrize("status", ["SENT", "SUPPRESSED", "BOUNCED", "UNSUBSCRIBED"])
def test_what_has_been_decided_is_never_sent_again(status: str) -> None:
    assert not delivery.allowed(status, "SENDING")


def test_only_sending_can_become_sent_or_uncertain_but_by_hand() -> None:
    into_sent = {status for status in RecipientStatus if RecipientStatus.SENT in delivery.TRANSITIONS[status]}
    assert into_sent == {RecipientStatus.SENDING, RecipientStatus.UNCERTAIN}
    into_doubt = {status for status in RecipientStatus if RecipientStatus.UNCERTAIN in delivery.TRANSITIONS[status]}
    assert into_doubt == {RecipientStatus.SENDING}


def test_the_summary_names_what_there_is() -> None:
    assert Progress(total=10_000, sent=9_988, failed=12).summary() == "9,988 sent, 12 failed"
    rest = Progress(total=30, sent=10, failed=1, uncertain=2, suppressed=3, deferred=4)
    assert rest.summary() == "10 sent, 1 failed, 2 uncertain, 3 suppressed, 4 waiting for a retry"
    assert (rest.terminal, rest.pending, rest.outcome) == (16, 10, "partial")
