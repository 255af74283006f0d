"""How long an SMS is: GSM 03.38 says what fits into 7 bits, everything else makes the whole message 16 bits wide.

https://www.3gpp.org/dynareport/23038.htm
"""

from typing import Final, Literal, NamedTuple

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")
SIZES: Final = {"gsm7": (160, 153), "ucs2": (70, 67)}
"""Units that fit into a message of one part, and into each part of a longer one."""

_PLAINER: Final = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201a\u201b\u2032`\u00b4", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"')
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2022", "-")
    | dict.fromkeys("\t\u00a0\u2002\u2003\u2007\u2009\u200a\u202f", " ")
    | dict.fromkeys("\u200b\u2060\ufeff\u00ad", "")
    | {"\u2026": "...", "\u2039": "<", "\u203a": ">"}
)


class SmsLength(NamedTuple):
    """How a text is sent: `units` of its encoding, in so many segments; `wide` are characters that widen it."""

    encoding: Literal["gsm7", "ucs2"]
    units: int
    segments: int
    wide: str


def sms_length(text: str) -> SmsLength:
    """Return how a text is sent."""
    wide = "".join(dict.fromkeys(character for character in text if character not in _BASIC | _EXTENDED))
    encoding: Literal["gsm7", "ucs2"] = "ucs2" if wide else "gsm7"
    if wide:
        costs = [len(character.encode("utf-16-be")) // 2 for character in text]
    else:
        costs = [1 + (character in _EXTENDED) for character in text]
    single, part = SIZES[encoding]
    units = sum(costs)
    if units <= single:
        return SmsLength(encoding, units, 1 if units else 0, wide)
    segments, room = 1, part
    for cost in costs:  # a character is never cut in two
        if cost > room:
            segments, room = segments + 1, part
        room -= cost
    return SmsLength(encoding, units, segments, wide)


def plainer(text: str) -> str:
    """Return a text whose typographic characters are those of a typewriter: what widens a text without being missed."""
    return text.translate(_PLAINER)
