"""What the sandbox adds to aiosmtpd for speed, and what it reads out of a message before it is kept."""

import email.errors
import email.header
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aiosmtpd.smtp import SMTP

_PLAIN_PATH = re.compile(r"\s*<([^\s<>\"\\()@]+@[^\s<>\"\\()@]+)>(?: (.*))?")
_SUBJECT = re.compile(rb"^Subject:(.*)", re.IGNORECASE | re.MULTILINE)
_MESSAGE_ID = re.compile(rb"^Message-ID:\s*(<[^>\s]{1,400}>)", re.IGNORECASE | re.MULTILINE)
_FOLD = re.compile(rb"\r?\n(?=[ \t])")
_MOST_SUBJECT = 998
_MOST_HEADERS = 64 * 1024


class FastSmtp(SMTP):
    """aiosmtpd's server with a short way for plain addresses: its full parser takes most of a message's time."""

    on_lost: Callable[["FastSmtp"], None] | None = None

    def connection_lost(self, error: Exception | None) -> None:
        """Tell the server that this connection is gone."""
        super().connection_lost(error)
        if self.on_lost is not None:
            self.on_lost(self)

    def _getaddr(self, arg: str) -> Any:
        match = _PLAIN_PATH.fullmatch(arg)
        if match is not None and arg.isascii():
            return match[1], match[2] or ""
        return super()._getaddr(arg)


def describe(raw: bytes) -> tuple[str | None, str | None]:
    """Return a message's decoded subject and its Message-ID, without parsing the rest."""
    end = 0 if raw.startswith(b"\r\n") else raw.find(b"\r\n\r\n", 0, _MOST_HEADERS)
    head = _FOLD.sub(b"", raw[: end if end >= 0 else _MOST_HEADERS])
    subject, message_id = _SUBJECT.search(head), _MESSAGE_ID.search(head)
    return (
        _decode(subject[1].strip()) if subject else None,
        message_id[1].decode("ascii", "replace") if message_id else None,
    )


def _decode(value: bytes) -> str:
    text = value.decode("utf-8", "replace")
    if "=?" in text:
        with suppress(LookupError, ValueError, email.errors.HeaderParseError):  # else show it as it came
            text = str(email.header.make_header(email.header.decode_header(text)))
    return text[:_MOST_SUBJECT].encode("utf-8", "replace").decode().replace("\0", "\ufffd")
