"""SMTP replies (RFC 5321, section 4.2): three digits, text, perhaps many lines; read with every bound a hostile
server could try: line length, lines, and bytes of a reply.
"""

import re
from collections import deque
from functools import lru_cache
from typing import NamedTuple

from taskflow.base.errors import TaskFlowError

MAX_LINE_BYTES = 4096  # RFC 5321 says 512; real servers put URLs into refusals
MAX_REPLY_LINES = 128
MAX_REPLY_TEXT = 500  # characters kept of what a server said

_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class MalformedReplyError(TaskFlowError):
    """The mail server answered something that is not SMTP."""

    code = "malformed_reply"


class Reply(NamedTuple):
    """One complete reply: its code and its lines of text as they came."""

    code: int
    lines: tuple[bytes, ...]

    @property
    def ok(self) -> bool:
        """Tell whether the command succeeded (2yz)."""
        return self.code < 300

    @property
    def text(self) -> str:
        """Return the text on one line, safe for a log and for PostgreSQL, at most 500 characters."""
        text = b" ".join(self.lines[:16]).decode("utf-8", "replace")
        if not text.isprintable():
            text = _CONTROL.sub(" ", text)
        return text[:MAX_REPLY_TEXT]

    def __str__(self) -> str:
        """Return `250 2.0.0 queued`."""
        return f"{self.code} {self.text}"


class ReplyParser:
    """Cuts a byte stream into replies."""

    def __init__(self) -> None:
        """Start with an empty stream."""
        self._partial = b""
        self._code = 0
        self._lines: list[bytes] = []

    @property
    def mid_reply(self) -> bool:
        """Tell whether part of a reply has been read."""
        return bool(self._partial or self._lines)

    def feed(self, data: bytes, replies: "deque[Reply]") -> None:
        """Append the replies that `data` completes to `replies`.

        Raises:
            MalformedReplyError: the stream is no SMTP from here on; what came before it has been appended.
        """
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            self._line(line.removesuffix(b"\r"), replies)
        if len(self._partial) > MAX_LINE_BYTES:
            raise MalformedReplyError(f"A reply line of more than {MAX_LINE_BYTES} bytes.")

    def _line(self, line: bytes, replies: "deque[Reply]") -> None:
        parts = _parse_line(line) if len(line) <= MAX_LINE_BYTES else None
        if parts is None:
            raise MalformedReplyError(f"Not a reply line: {line[:80]!r}.")
        code, last, text = parts
        if last and not self._lines:
            replies.append(Reply(code, (text,)))
            return
        if self._lines and code != self._code:
            raise MalformedReplyError(f"A reply of two codes: {self._code} and {code}.")
        if len(self._lines) >= MAX_REPLY_LINES:
            raise MalformedReplyError(f"A reply of more than {MAX_REPLY_LINES} lines.")
        self._code = code
        self._lines.append(text)
        if last:
            replies.append(Reply(code, tuple(self._lines)))
            self._lines = []


@lru_cache(maxsize=128)  # a server says the same few lines all day
def _parse_line(line: bytes) -> tuple[int, bool, bytes] | None:
    """Return the code, whether it is the last line, and the text."""
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    digits, separator, text = match.groups(b"")
    return int(digits), separator != b"-", text
