"""Faults: what broke a task, said so that the same cause always looks the same.

A fault is an error class and a place in the code: the last frame of the traceback that is neither a library's nor the
engine's. Line numbers and messages do not count, for ids in a message and a line added above must not make a new group.
Where no code is known (a batch that reported a sentence), the sentence stands for the place, without its ids.
PostgreSQL hashes task name, class and place into the letter's `fingerprint`.
"""

import os
import re
import sys
import sysconfig
from pathlib import Path
from typing import NamedTuple

TIME_LIMIT = "TimeLimit"
CRASH = "Crash"

_CLASS_CHARS = 255
_PLACE_CHARS = 500
_TRACEBACK = "Traceback (most recent call last):"
_FRAME = re.compile(r'^[ |+-]*File "(?P<file>.+)", line \d+, in (?P<function>.+)$', re.MULTILINE)
_CLASS = re.compile(r"(?P<name>[A-Za-z_][\w.]*)(?:: |$)")
_NOISE = re.compile(
    r"""
    (?P<quoted>'[^']*'|"[^"]*")
    | (?P<address>[\w.+-]+@[\w.-]+)
    | (?P<id>\b(?=[0-9a-f-]*\d)[0-9a-f]{8,}(?:-[0-9a-f]{4,})*\b)
    | (?P<number>\d+(?:[.,:]\d+)*)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_LIBRARIES = tuple(
    os.path.join(path, "")  # noqa: PTH118 - a prefix with its separator
    for path in {
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
        str(Path(__file__).parent.parent),
    }
)
_FOREIGN_PARTS = ("/site-packages/", "/dist-packages/", "<frozen ", "<string>")


class Fault(NamedTuple):
    """What broke a task; both are empty when nothing is known."""

    error_class: str
    place: str


def fault_of(error: str | None, stack: str | None, *, timed_out: bool = False, crashed: bool = False) -> Fault:
    """Return the fault of an attempt that ended with this sentence ("ValueError: no such id 7") and traceback."""
    if crashed:
        return Fault(CRASH, "")
    if timed_out:
        return Fault(TIME_LIMIT, "")
    sentence = error or ""
    found = _CLASS.match(sentence)
    if stack is None:
        if found is None or " " not in sentence:
            return Fault("", without_noise(sentence))
        return Fault(found["name"][:_CLASS_CHARS], without_noise(sentence[found.end() :]))
    return Fault(found["name"][:_CLASS_CHARS] if found else "", _place(stack, sentence))


def without_noise(sentence: str) -> str:
    """Return a sentence with an ellipsis for every number, id, address and quotation in it."""
    return " ".join(_NOISE.sub("…", sentence).split())[:_PLACE_CHARS]


def _place(stack: str, sentence: str) -> str:
    """Return file and function of the last frame that is the user's, or of the last one."""
    text = stack.rstrip().removesuffix(sentence.rstrip())  # a message may quote a traceback
    frames = [(match["file"], match["function"]) for match in _FRAME.finditer(text[max(0, text.rfind(_TRACEBACK)) :])]
    if not frames:
        return ""
    file, function = next((frame for frame in reversed(frames) if _is_ours(frame[0])), frames[-1])
    return f"{_short(file)}:{function}"[-_PLACE_CHARS:]


def _is_ours(file: str) -> bool:
    return not file.startswith(_LIBRARIES) and not any(part in file for part in _FOREIGN_PARTS)


def _short(file: str) -> str:
    """Return a path as its module's importer sees it, so that it is the same on every machine."""
    roots = sorted((os.path.join(root or str(Path.cwd()), "") for root in sys.path), key=len, reverse=True)  # noqa: PTH118
    return next((file[len(root) :] for root in roots if file.startswith(root)), "/".join(Path(file).parts[-2:]))
