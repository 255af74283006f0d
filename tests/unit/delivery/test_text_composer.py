"""A row becomes the text that was taken; promotion under DLT is held outside of its hours."""

from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from support.texts import DLT_TEXT, FACTS
from taskflow.base.ids import uuid7
from taskflow.delivery.dlt import INDIA, Facts
from taskflow.delivery.messages.composer import Composed, Held
from taskflow.delivery.messages.ledger import Row
from taskflow.delivery.messages.models import StoredSubmission, TextTerms
from taskflow.delivery.messages.text_composer import TextComposer
from taskflow.delivery.providers.contract import MessageClass, Sms
from taskflow.delivery.router.models import Ask

NOON, NIGHT = (datetime(2026, 1, 31, hour, tzinfo=INDIA) for hour in (12, 22))
DLT = Facts(FACTS.template_id, FACTS.entity_id, FACTS.provider_template_id).as_mapping()
WORDS = {"text": DLT_TEXT, "values": list(FACTS.values)}


def row(words: dict[str, Any], message_id: UUID) -> Row:
    return Row(
        message_id, message_id, "PENDING", 0, 0, "sms", "+919876543210", None, None, words, "resend", None, None
    )  # fmt: skip


async def composed(terms: TextTerms, words: dict[str, Any], now: datetime = NOON) -> Composed | Held | str:
    submission = StoredSubmission(uuid7(), "sms", None, None, "full", terms, None)
    [made] = await TextComposer(lambda: now).compose(submission, [row(words, uuid7())])
    return made


async def test_a_text_under_dlt_carries_its_facts_and_asks_for_a_route_with_dlt() -> None:
    made = await composed(TextTerms("TSKFLW", dlt=DLT), WORDS)
    assert isinstance(made, Composed)
    text = made.load.message
    assert isinstance(text, Sms)
    assert (text.sender, text.rcpt_to, text.text) == ("TSKFLW", "+919876543210", DLT_TEXT)
    assert (text.requires_dlt, Facts.of(text.template)) == (True, FACTS)
    assert made.load.terms == Ask(MessageClass.TRANSACTIONAL, requires_dlt=True)
    assert (made.content, made.subject) == (DLT_TEXT.encode(), None)


async def test_a_text_without_dlt_asks_for_no_such_route_and_promotion_is_bulk() -> None:
    for is_promotional, wanted in ((False, MessageClass.TRANSACTIONAL), (True, MessageClass.BULK)):
        made = await composed(TextTerms(None, is_promotional), {"text": "Hello", "values": []}, NIGHT)
        assert isinstance(made, Composed)
        assert made.load.terms == Ask(wanted)


async def test_promotion_under_dlt_is_held_until_its_hours_begin() -> None:
    held = await composed(TextTerms("TSKFLW", promotional=True, dlt=DLT), WORDS, NIGHT)
    assert isinstance(held, Held)
    assert held.seconds == 12 * 3600
    assert held.reason == ("Promotional texts go out from 10 to 21 h in India: not before 2026-02-01T10:00:00+05:30.")
    for terms, now in ((TextTerms("TSKFLW", promotional=True, dlt=DLT), NOON), (TextTerms("TSKFLW", dlt=DLT), NIGHT)):
        assert isinstance(await composed(terms, WORDS, now), Composed)


@pytest.mark.parametrize("dlt", [None, DLT])
async def test_words_that_are_gone_make_no_text(dlt: dict[str, str] | None) -> None:
    assert await composed(TextTerms(dlt=dlt), {}) == "Its words are not kept any more: submit it again."
