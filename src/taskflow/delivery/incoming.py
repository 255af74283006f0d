"""What our SMTP servers, sandbox and relay, add to aiosmtpd, and what is read out of a message before it is kept."""

import asyncio
import email.errors
import email.header
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aiosmtpd.smtp import SMTP, syntax

from taskflow.base.logging import get_logger
from taskflow.delivery import addresses

log = get_logger(__name__)

MOST_BYTES = 64 * 1024**2  # of a message, whatever the settings say

_END = b".\r\n"
_COMMAND_BYTES = 8 * 1024  # of a stream's buffer while commands are read: strangers send those
_PIECE_BYTES = 256 * 1024  # while a message is read
_PLAIN_PATH = re.compile(r"\s*<([^\s<>\"\\()@]+@[^\s<>\"\\()@]+)>(?: (.*))?")
_NULL_PATH = re.compile(r"\s*<>(?: (.*))?")
_SUBJECT = re.compile(rb"^Subject:(.*)", re.IGNORECASE | re.MULTILINE)
_MESSAGE_ID = re.compile(rb"^Message-ID:\s*(<[^>\s]{1,400}>)", re.IGNORECASE | re.MULTILINE)
_FOLD = re.compile(rb"\r?\n(?=[ \t])")
_MOST_SUBJECT = 998
_MOST_HEADERS = 64 * 1024


class FastSmtp(SMTP):
    """aiosmtpd's server with two shortcuts; without them it takes a third of the mail.

    Plain addresses skip the full address parser, and a message is read up to its final dot at once instead of line by
    line. Only CRLF dot CRLF ends a message, as in aiosmtpd itself, so that nothing can be smuggled past it. Handlers
    get `NULL_PATH` for the empty address: senders may have it, recipients not.
    """

    line_length_limit = _COMMAND_BYTES
    on_lost: Callable[["FastSmtp"], None] | None = None

    def connection_lost(self, error: Exception | None) -> None:
        """Tell the server that this connection is gone."""
        super().connection_lost(error)
        if self.on_lost is not None:
            self.on_lost(self)

    async def handle_exception(self, error: Exception) -> str:
        """Let the client come back when something went wrong in here; what it was, only the log hears."""
        log.error("smtp_command_failed", error=type(error).__name__, exc_info=error)
        return "451 4.3.0 Something is wrong here: try again shortly"

    def _getaddr(self, arg: str) -> Any:
        null = _NULL_PATH.fullmatch(arg)
        if null is not None:
            return addresses.NULL_PATH, null[1] or ""
        match = _PLAIN_PATH.fullmatch(arg)
        if match is not None and arg.isascii():
            return match[1], match[2] or ""
        return super()._getaddr(arg)

    @syntax("DATA")
    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's name
        """Read a message and let the handler answer it."""
        envelope = self.envelope
        if await self.check_helo_needed() or envelope is None:
            return
        if not envelope.rcpt_tos:
            await self.push("503 Error: need RCPT command")
        elif arg:
            await self.push("501 Syntax: DATA")
        else:
            await self.push("354 End data with <CR><LF>.<CR><LF>")
            content = await self._content(self.data_size_limit or MOST_BYTES)
            if content is None:
                status = "552 Error: Too much mail data"
            else:
                envelope.content = envelope.original_content = content
                status = await self._call_handler_hook("DATA")
            self._set_post_data_state()  # type: ignore[no-untyped-call]  # aiosmtpd is half typed
            await self.push(status)

    async def _content(self, most: int) -> bytes | None:
        """Return the message without its final dot and with single dots; None when it has more bytes than `most`."""
        pieces: list[bytes] = []
        size, tail = 0, b"\r\n"
        most_on_wire = most * 4 // 3 + len(_END)  # of lines that are a dot each, every third byte is doubled
        self._buffer_at_most(_PIECE_BYTES)
        while not tail.endswith(b"\r\n" + _END):
            try:
                piece = await self._reader.readuntil(_END)
            except asyncio.LimitOverrunError as error:
                piece = await self._reader.readexactly(error.consumed)
            size += len(piece)
            tail = (tail + piece)[-5:]
            if size <= most_on_wire:
                pieces.append(piece)
            else:
                pieces.clear()
        self._buffer_at_most(_COMMAND_BYTES)
        if size > most_on_wire:
            return None
        text = b"".join((b"\r\n", *pieces)).removesuffix(_END)
        text = text.replace(b"\r\n.", b"\r\n").removeprefix(b"\r\n")
        return text if len(text) <= most else None

    def _buffer_at_most(self, size: int) -> None:
        """Stop reading from the client when so much waits; asyncio can only be told when the stream is made."""
        self._reader._limit = size  # type: ignore[attr-defined]  # noqa: SLF001


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
