"""Rules about finished messages: each finds its fault, and a good message has none."""

from typing import Any

import pytest

from taskflow.content.lint.messages import CLIPPED_BYTES, Message, link_fault, lint_message
from taskflow.content.rendering import Inspection, Rendered
from taskflow.content.sms import sms_length

URL = "https://mail.example.com/unsubscribe/abc"
HTML = f"<p>Words enough for everybody.</p><a href='{URL}'>Stop</a>"


def found(subject: str = "A calm subject", html: str = HTML, text: str = f"Words {URL}", **changes: Any) -> set[str]:
    inspection = changes.pop("inspection", Inspection(words=40))
    values: dict[str, Any] = {"has_preheader": True, "from_email": "shop@brand.example"} | changes
    rendered = Rendered(subject, html.encode(), text.encode())
    return {one.code for one in lint_message(Message("email", rendered, inspection, URL, **values))}


def test_a_good_message_has_no_findings() -> None:
    assert found() == set()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"subject": ""}, "subject_empty"),
        ({"subject": "x" * 90}, "subject_long"),
        ({"subject": "BUY EVERYTHING NOW"}, "subject_shouting"),
        ({"subject": "Really?!"}, "subject_punctuation"),
        ({"subject": "RE: our talk"}, "subject_fake_reply"),
        ({"subject": "You have won"}, "spam_words"),
        ({"subject": "Hi {{ name"}, "placeholder_left"),
        ({"from_email": "shop@GMAIL.com"}, "sender_freemail"),
        ({"from_email": "no-reply@brand.example"}, "sender_noreply"),
        ({"html": HTML + "x" * CLIPPED_BYTES}, "clipped"),
        ({"html": "<p>no link</p>"}, "no_unsubscribe_link"),
        ({"text": "no link"}, "no_unsubscribe_link"),
        ({"text": ""}, "no_text"),
        ({"has_preheader": False}, "no_preheader"),
        ({"inspection": Inspection(links=(("", "go"),), words=40)}, "broken_link"),
        ({"inspection": Inspection(links=((None, "go"),), words=40)}, "broken_link"),
        ({"inspection": Inspection(links=(("http://x.example/", "go"),), words=40)}, "insecure_link"),
        ({"inspection": Inspection(images=(("https://x.example/a.png", None),), words=40)}, "missing_alt"),
        ({"inspection": Inspection(images=(("a.png", ""),), words=40)}, "broken_image"),
        ({"inspection": Inspection(images=(("http://[", ""),), words=40)}, "broken_image"),
        ({"inspection": Inspection(images=(("cid:a@taskflow", ""),), words=40)}, "broken_image"),
        ({"inspection": Inspection(images=(("data:image/png;base64,x", ""),), words=40)}, "data_image"),
        ({"inspection": Inspection(images=(("https://x.example/a.png", "a"),), words=3)}, "image_only"),
        ({"inspection": Inspection(removed=("form",), words=40)}, "removed_element"),
    ],
)
def test_each_fault_is_found(changes: dict[str, Any], code: str) -> None:
    assert code in found(**changes)


def test_an_image_that_is_attached_is_not_broken() -> None:
    inspection = Inspection(images=(("cid:a@taskflow", "Logo"),), words=40)
    assert found(inspection=inspection, inline_ids=frozenset({"a@taskflow"})) == set()


@pytest.mark.parametrize(
    "address",
    ["", "  ", "#", "javascript:alert(1)", "JAVASCRIPT:x", "/shop", "shop.example", "http://", "https:///x", "http://[",
     "https://x y.example", "ftp://x.example", "file:///etc/passwd", "http://localhost/", "http://10.0.0.1/", "mailto:",
     "https://intranet/", "https://x.example:99999/", "{{ url }}", "https://{{ host }}/", "data:text/html,x",
     "https://printer.local/", "//x.example/"],
)  # fmt: skip
def test_an_address_that_leads_nowhere_has_a_fault(address: str) -> None:
    assert link_fault(address)


@pytest.mark.parametrize(
    "address",
    ["https://x.example/", "http://x.example", "mailto:a@x.example", "tel:+4912345", "#chapter", "sms:+4912345",
     "https://x.example/?q=a%20b#c", "https://münchen.example/", "HTTPS://X.EXAMPLE/"],
)  # fmt: skip
def test_an_address_that_can_be_followed_has_none(address: str) -> None:
    assert link_fault(address) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ("gsm7", 0, 0)),
        ("a" * 160, ("gsm7", 160, 1)),
        ("a" * 161, ("gsm7", 161, 2)),
        ("a" * 306, ("gsm7", 306, 2)),
        ("a" * 307, ("gsm7", 307, 3)),
        ("€" * 80, ("gsm7", 160, 1)),
        ("a" * 152 + "€" + "a" * 152, ("gsm7", 306, 3)),  # the euro is not cut in two
        ("ł" + "a" * 69, ("ucs2", 70, 1)),
        ("ł" + "a" * 70, ("ucs2", 71, 2)),
        ("😀" * 35, ("ucs2", 70, 1)),
        ("a" * 66 + "😀" + "a" * 66, ("ucs2", 134, 3)),
        ("Ä ö ß é Ω\n[]{}", ("gsm7", 18, 1)),
    ],
)
def test_an_sms_is_as_long_as_networks_count(text: str, expected: tuple[str, int, int]) -> None:
    assert sms_length(text)[:3] == expected
