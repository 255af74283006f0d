"""How long an SMS is: GSM 03.38 says what fits into 7 bits, everything else makes the whole message 16 bits wide.

https://www.3gpp.org/dynareport/23038.htm
"""

from typing import Literal, NamedTuple

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")
_SIZES = {"gsm7": (160, 153), "ucs2": (70, 67)}


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
    single, part = _SIZES[encoding]
    units = sum(costs)
    if units <= single:
        return SmsLength(encoding, units, 1 if units else 0, wide)
    segments, room = 1, part
    for cost in costs:  # a character is never cut in two
        if cost > room:
            segments, room = segments + 1, part
        room -= cost
    return SmsLength(encoding, units, segments, wide)
