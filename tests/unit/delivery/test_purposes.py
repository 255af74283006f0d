"""What a message says about itself, by what it is for."""

import email
import re
from uuid import UUID

import pytest

from taskflow.delivery.mime import Skeleton
from taskflow.delivery.purposes import Purpose, feedback_id

CAMPAIGN = UUID(int=7)
LINK = "https://example.org/u/1"


@pytest.mark.parametrize(
    ("purpose", "url", "expected"),
    [
        ("campaign", LINK, {"Precedence": "bulk", "List-Unsubscribe": f"<{LINK}>",
                            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}),
        ("promotional", LINK, {"Precedence": "bulk", "List-Unsubscribe": f"<{LINK}>",
                               "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}),
        ("transactional", None, {"Auto-Submitted": "auto-generated"}),
        ("transactional", LINK, {"Auto-Submitted": "auto-generated", "List-Unsubscribe": f"<{LINK}>",
                                 "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}),
        ("confirmation", None, {"Auto-Submitted": "auto-generated"}),
    ],
)  # fmt: skip
def test_the_fields_of_each_purpose(purpose: Purpose, url: str | None, expected: dict[str, str]) -> None:
    feedback = feedback_id(purpose, "example.org", CAMPAIGN if purpose == "campaign" else None)
    skeleton = Skeleton(from_email="news@example.org", purpose=purpose, feedback_id=feedback)
    message = email.message_from_bytes(
        skeleton.build(to="a@example.com", subject="S", message_id="<a@b>", text="t", unsubscribe_url=url)
    )
    deciding = ("Precedence", "Auto-Submitted", "List-Unsubscribe", "List-Unsubscribe-Post")
    assert {name: message[name] for name in deciding if message[name] is not None} == expected
    assert message["Feedback-ID"] == feedback


def test_a_message_has_one_feedback_id_and_it_is_the_callers() -> None:
    skeleton = Skeleton(
        from_email="news@example.org",
        purpose="transactional",
        feedback_id=feedback_id("transactional", "example.org"),
        further={"feedback-ID": "receipts:shop"},
    )
    body = skeleton.build(to="ann@example.com", subject="x", text="y", message_id="<1@example.org>")
    assert email.message_from_bytes(body).get_all("Feedback-ID") == ["receipts:shop"]


def test_a_feedback_id_has_four_parts_at_most_and_a_sender_that_never_changes() -> None:
    one, other = feedback_id("campaign", "Example.org", CAMPAIGN), feedback_id("transactional", "example.org")
    assert re.fullmatch(rf"{CAMPAIGN.hex}:campaign:[a-z2-7]{{5,15}}", one)
    assert other.startswith("all:transactional:")
    assert one.rpartition(":")[2] == other.rpartition(":")[2] != feedback_id("campaign", "a.org").rpartition(":")[2]
