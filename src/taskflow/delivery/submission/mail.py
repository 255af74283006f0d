"""A mail as an SMTP client hands it over, looked at and completed before it is kept.

What a submission server does (RFC 6409, section 8): Date and Message-ID are added where they are missing, Bcc is taken
out. `X-TaskFlow-Tag` names tags for the ledger and is taken out too. Nothing else is touched: what was signed stays
signed. Refused is what receivers would read in two ways: a second From, a header without a name, a line over 998 bytes,
NUL, bytes beyond ASCII in headers without SMTPUTF8; and headers by which a provider takes orders.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.header import decode_header, make_header
from email.utils import formatdate, getaddresses

from taskflow.base.errors import InvalidInputError
from taskflow.delivery import addresses
from taskflow.delivery.messages.further_headers import gives_orders
from taskflow.delivery.mime import MAX_LINE_BYTES
from taskflow.delivery.smtp.envelope import CanonicalBody

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:")
_ONCE = frozenset({"from", "sender", "reply-to", "to", "cc", "subject", "date", "message-id", "mime-version"})
_LEFT_OUT = frozenset({"bcc", "resent-bcc", "return-path", "x-taskflow-tag"})
_MOST_TAGS = 20
_MOST_TAG_CHARS = 100
_HEAD_BYTES = 256 * 1024


class MailRefusedError(InvalidInputError):
    """The mail cannot be sent as it is."""

    code = "mail_refused"


@dataclass(frozen=True, slots=True)
class SubmittedMail:
    """A mail that can be sent to anybody as it is, and the tags that came with it."""

    raw: CanonicalBody
    tags: tuple[str, ...]
    senders: tuple[str, ...]  # whom it is from, mostly one
    sent_by: tuple[str, ...]  # what Sender names, unchecked; mostly nobody
    is_named: bool  # it came with a Message-ID

    @property
    def from_email(self) -> str:
        """Return whom it is from; the first of several."""
        return self.senders[0]


def finish(data: bytes, *, utf8: bool, message_id: Callable[[str], str]) -> SubmittedMail:
    """Look at a mail and complete it.

    Args:
        data: as it came, without the final dot and with single dots.
        utf8: the client has said SMTPUTF8.
        message_id: makes one for a mail that has none, of its sender's address; with its angle brackets.

    Raises:
        MailRefusedError: it cannot be sent; the sentence says why.
    """
    body = CanonicalBody.of(data)
    if body.find(b"\0") >= 0:
        raise MailRefusedError("The mail holds a NUL byte.")
    if any(len(line) > MAX_LINE_BYTES for line in body.split(b"\r\n")):
        raise MailRefusedError(
            f"The mail has a line over {MAX_LINE_BYTES} bytes: encode it (quoted-printable, base64)."
        )
    end = 0 if body.startswith(b"\r\n") else body.find(b"\r\n\r\n") + 2
    if end < 2 or end > _HEAD_BYTES:
        raise MailRefusedError("The mail has no headers, or very many.")
    if not utf8 and not body[:end].isascii():
        raise MailRefusedError("The headers are not ASCII: encode them (RFC 2047), or say SMTPUTF8.")
    fields = list(_fields(body[:end]))
    senders = _check(fields)
    kept = [field for name, field in fields if name not in _LEFT_OUT]
    names = {name for name, _ in fields}
    if "date" not in names:
        kept.append(b"Date: " + formatdate().encode("ascii") + b"\r\n")
    if "message-id" not in names:
        kept.append(b"Message-ID: " + message_id(senders[0]).encode("ascii") + b"\r\n")
    raw = CanonicalBody(b"".join(kept) + body[end:])
    return SubmittedMail(raw, _tags(fields), senders, _named_in("sender", fields), "message-id" in names)


def _fields(head: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield each header field: its name in lower case, and its bytes with all its lines."""
    field = b""
    for line in head.splitlines(keepends=True):
        if line[:1] in (b" ", b"\t"):
            if not field:
                raise MailRefusedError("The mail begins with the second line of a header.")
            field += line
            continue
        if field:
            yield _name(field), field
        field = line
    if field:
        yield _name(field), field


def _name(field: bytes) -> str:
    match = _FIELD.match(field)
    if match is None:
        shown = field[:40].decode("ascii", "replace").strip()
        raise MailRefusedError(f"{shown!r} is no header: an empty line must come before the text.")
    return match[1].decode("ascii").lower()


def _check(fields: list[tuple[str, bytes]]) -> tuple[str, ...]:
    """Demand of fields what RFC 5322, section 3.6, does, and a From that can be answered; return its addresses."""
    for name, count in Counter(name for name, _ in fields).items():
        if count > 1 and name in _ONCE:
            raise MailRefusedError(f"The mail has {count} headers {name.title()}.")
        if gives_orders(name):
            raise MailRefusedError(f"The header {name[:60]} is refused: a provider takes it for an order.")
    if not any(name == "from" for name, _ in fields):
        raise MailRefusedError("The mail has no From.")
    found = _named_in("from", fields)
    if not found:
        raise MailRefusedError("From names nobody.")
    try:
        return tuple(str(addresses.parse(address)) for address in found)
    except addresses.UnsafeAddressError as error:
        raise MailRefusedError(f"From: {error}") from error


def _named_in(header: str, fields: list[tuple[str, bytes]]) -> tuple[str, ...]:
    """Return the addresses in a header, as they stand there."""
    values = [_value(field) for name, field in fields if name == header]
    return tuple(address for _, address in getaddresses(values))


def _tags(fields: list[tuple[str, bytes]]) -> tuple[str, ...]:
    tags: dict[str, None] = {}
    for name, field in fields:
        if name == "x-taskflow-tag":
            try:
                tag = str(make_header(decode_header(_value(field))))
            except (LookupError, ValueError) as error:
                raise MailRefusedError("X-TaskFlow-Tag cannot be read.") from error
            if not 0 < len(tag) <= _MOST_TAG_CHARS or not tag.isprintable():
                raise MailRefusedError(f"X-TaskFlow-Tag is a word of up to {_MOST_TAG_CHARS} characters.")
            tags[tag] = None
    if len(tags) > _MOST_TAGS:
        raise MailRefusedError(f"The mail has more than {_MOST_TAGS} headers X-TaskFlow-Tag.")
    return tuple(tags)


def _value(field: bytes) -> str:
    """Return what a field says, on one line."""
    return field.partition(b":")[2].replace(b"\r\n", b"").decode("utf-8", "replace").strip()
