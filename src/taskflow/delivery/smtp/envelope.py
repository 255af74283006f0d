"""What we say for one message: an envelope checked before the first byte, and a body fit for the wire.

Nothing here trusts the caller: addresses pass `addresses.parse`, line ends become CRLF, dots at the start of a line
are doubled, so that neither an address nor a body can end its part early and smuggle a command
(RFC 5321, sections 2.3.8 and 4.5.2).
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

from taskflow.delivery import addresses
from taskflow.delivery.outcome import Outcome, OutcomeKind, refused_by_us

DOT = b".\r\n"
DATA = b"DATA\r\n"

_LINE_END = re.compile(rb"\r\n|\r|\n")
_LEADING_DOT = re.compile(rb"\n\.")  # three times as fast as `in`, when there is none


class CanonicalBody(bytes):
    """A message whose line ends are all CRLF, the last one included.

    The MIME builder makes them so and says so with this type; any other bytes are brought into this form first.
    """

    __slots__ = ()

    @classmethod
    def of(cls, body: bytes) -> "CanonicalBody":
        """Turn every CR, LF and CRLF into CRLF."""
        if isinstance(body, cls):
            return body
        body = _LINE_END.sub(b"\r\n", body)
        return cls(body if body.endswith(b"\r\n") else body + b"\r\n")


@dataclass(frozen=True, slots=True)
class Features:
    """What the server said it can (EHLO)."""

    pipelining: bool = False  # RFC 2920
    eight_bit: bool = False  # RFC 6152
    utf8: bool = False  # RFC 6531
    starttls: bool = False  # RFC 3207
    size: bool = False  # RFC 1870: takes the SIZE parameter …
    max_size: int = 0  # … and its limit in bytes; 0: none told
    auth: frozenset[str] = frozenset()  # mechanisms, RFC 4954


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message to one recipient."""

    mail_from: str  # an address, or `NULL_PATH`
    rcpt_to: str
    body: bytes  # headers, an empty line, the content; any line ends, or a `CanonicalBody`


class Prepared(NamedTuple):
    """An envelope ready for one server: its two commands and the body with the final dot."""

    mail: bytes
    rcpt: bytes
    body: bytes


def prepare(envelope: Envelope, features: Features) -> Prepared | Outcome:
    """Turn an envelope into bytes, or into the outcome that says why this server cannot be asked."""
    try:
        sender = addresses.parse(envelope.mail_from) if envelope.mail_from != addresses.NULL_PATH else None
        recipient = addresses.parse(envelope.rcpt_to)
    except addresses.UnsafeAddressError as error:
        return refused_by_us(str(error))
    body = CanonicalBody.of(envelope.body)
    if body.find(b"\0") >= 0:
        return refused_by_us("The message holds a NUL byte.")
    ascii_only = body.isascii()
    utf8 = recipient.needs_utf8 or (not ascii_only and not _headers(body).isascii())
    utf8 = utf8 or (sender is not None and sender.needs_utf8)
    if utf8 and not features.utf8:
        return refused_by_us("The address needs SMTPUTF8 (RFC 6531), which the mail server does not offer.")
    if not ascii_only and not features.eight_bit:
        return Outcome(OutcomeKind.DEFERRED, "CHECK", reason="The mail server does not offer 8BITMIME.")
    if 0 < features.max_size < len(body):
        return refused_by_us(f"The message of {len(body)} bytes is larger than the mail server's {features.max_size}.")
    parameters = b" SIZE=%d" % len(body) if features.size else b""
    if not ascii_only:
        parameters += b" BODY=8BITMIME"
    if utf8:
        parameters += b" SMTPUTF8"
    return Prepared(
        mail=b"MAIL FROM:<%b>%b\r\n" % (str(sender or "").encode(), parameters),
        rcpt=b"RCPT TO:<%b>\r\n" % str(recipient).encode(),
        body=wire_body(body),
    )


def wire_body(body: bytes) -> bytes:
    """Return the body with CRLF line ends, doubled dots and the final dot."""
    body = CanonicalBody.of(body)
    if _LEADING_DOT.search(body) is not None:
        body = body.replace(b"\n.", b"\n..")
    if body.startswith(b"."):
        body = b"." + body
    return body + DOT


def _headers(body: bytes) -> bytes:
    return body[: body.find(b"\r\n\r\n")]
