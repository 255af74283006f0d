"""Words that mean something when they are all that somebody writes: STOP, START, HELP, in the languages of the table.

A text is compared whole: "Stop." stops, "Please do not stop" does not. What makes no other word of it (case, width,
spaces, punctuation, emoji, direction marks) does not count, so that nobody is written to on because of a full stop.
"""

import unicodedata
from enum import StrEnum
from typing import Final, NamedTuple

MOST_CHARS: Final = 40  # of a keyword in its form
_LONGEST_TEXT: Final = 100
_COUNTED: Final = "LMN"  # letters, their marks, digits
_VARIATION = range(0xFE00, 0xFE10)  # selectors of emoji are marks, too


class Action(StrEnum):
    """What a keyword asks for."""

    STOP = "stop"
    START = "start"
    HELP = "help"


class Keyword(NamedTuple):
    """A keyword in the form in which it is compared."""

    keyword: str
    action: Action
    language: str


def normalise(text: str) -> str:
    """Return the form in which texts and keywords are compared; empty for what is too long to be one."""
    if len(text) > _LONGEST_TEXT:
        return ""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    counted = (char for char in folded if unicodedata.category(char)[0] in _COUNTED and ord(char) not in _VARIATION)
    return unicodedata.normalize("NFC", "".join(counted))
