"""Text of other people's on a terminal: shown, never obeyed."""

import unicodedata

_JOINERS = "\u200c\u200d"  # hold emoji and scripts together
_OBEYED = frozenset({"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"})  # controls, text direction, halves, line separators


def printable(text: str, *, keep: str = "") -> str:
    r"""Return `text` with characters that a terminal would obey, or not show, as escapes (`\x1b`), but for `keep`."""
    if text.isprintable():
        return text
    return "".join(ascii(char)[1:-1] if _is_obeyed(char) and char not in keep else char for char in text)


def _is_obeyed(char: str) -> bool:
    return not char.isprintable() and char not in _JOINERS and unicodedata.category(char) in _OBEYED
