# ruff: noqa: RUF001 - characters that look like others are what this is about
"""Parts are those of a phone: counted here as slowly and plainly as the standard says."""

from hypothesis import given
from hypothesis import strategies as st

from taskflow.content.sms import plainer, sms_length

SEVEN_BITS = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
ESCAPED = "\f^{}\\[~]|€"
GSM = st.text(st.sampled_from(SEVEN_BITS + ESCAPED), max_size=700)
ANYTHING = st.text(max_size=300) | st.text(st.sampled_from("a’😀€ж"), max_size=300)


def naive_parts(text: str) -> tuple[str, int]:
    """Cut a text into parts by trying every character."""
    if all(char in SEVEN_BITS + ESCAPED for char in text):
        encoding, single, part = "gsm7", 160, 153
        units = [["esc", char] if char in ESCAPED else [char] for char in text]
    else:
        encoding, single, part = "ucs2", 70, 67
        units = [list(char.encode("utf-16-be")[::2]) for char in text]
    if len([unit for one in units for unit in one]) <= single:
        return encoding, min(1, len(units))
    parts: list[list[object]] = [[]]
    for unit in units:
        if len(parts[-1]) + len(unit) > part:
            parts.append([])
        parts[-1].extend(unit)
    return encoding, len(parts)


@given(GSM | ANYTHING)
def test_parts_are_those_of_plain_counting(text: str) -> None:
    found = sms_length(text)
    assert (found.encoding, found.segments) == naive_parts(text)


@given(ANYTHING)
def test_a_plainer_text_takes_no_new_alphabet_and_stays_plain(text: str) -> None:
    plain = plainer(text)
    assert plainer(plain) == plain
    assert set(sms_length(plain).wide) <= set(sms_length(text).wide)


def test_what_phones_type_by_themselves_is_written_as_a_typewriter_does() -> None:
    text = "It’s “nice”\u00a0– isn‘t it…\u200b"
    assert plainer(text) == "It's \"nice\" - isn't it..."
    assert sms_length(plainer(text)).encoding == "gsm7"
