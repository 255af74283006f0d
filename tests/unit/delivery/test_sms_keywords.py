# ruff: noqa: RUF001 - characters that look like others are what this is about
"""STOP is heard however it is written, and nothing else is taken for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskflow.delivery.sms.inbound.keywords import normalise


@pytest.mark.parametrize(
    "text",
    [
        "STOP", "stop", "Stop.", " stop\n", '"STOP"', "'stop'", "STOP!!!", "S T O P", "s-t-o-p",
        "ＳＴＯＰ", "ⓢⓣⓞⓟ",
        "𝐒𝐓𝐎𝐏", "st\u200bop", "\u202estop", "\ufeffstop", "stop\u00a0", "STOP 🛑", "🛑stop🛑\ufe0f", "st\u00adop",
        "*stop*",
        "stop\x00", "\r\nSTOP\r\n", "„Stop“", "<stop>",
    ],
)  # fmt: skip
def test_stop_is_stop(text: str) -> None:
    assert normalise(text) == "stop"


@pytest.mark.parametrize(
    "text",
    [
        "please do not stop", "stop it", "stopped", "STOP1", "non-stop", "don't stop", "bus stop 12", "", " ", "🛑",
        "...",
        "ЅТОР", "st\u0336op", "stop" * 50, "stop " + " " * 200, "s\ntop sign", "%73top", "&#115;top",
        "stop'; DROP TABLE x",
        "\u0000", "' OR 1=1 --",
    ],
)  # fmt: skip
def test_what_only_looks_like_stop_is_not(text: str) -> None:
    assert normalise(text) != "stop"


@pytest.mark.parametrize(
    ("text", "keyword"), [("ARRÊT", "arrêt"), ("arre\u0302t", "arrêt"), ("बंद।", "बंद"), ("Opt out", "optout")]
)
def test_keywords_have_one_form_in_every_language(text: str, keyword: str) -> None:
    assert normalise(text) == normalise(keyword) == keyword


@given(st.text(max_size=150))
def test_the_form_is_final_and_short(text: str) -> None:
    once = normalise(text)
    assert normalise(once) in (once, "")
    assert "\x00" not in once
