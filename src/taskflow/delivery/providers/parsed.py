"""A finished mail taken apart again, for services that want its parts instead of its bytes."""

import base64
import re
from dataclasses import dataclass, field
from email import message_from_bytes
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage, MIMEPart
from email.policy import EmailPolicy
from typing import Any, cast

from taskflow.base.errors import InvalidInputError

_OWN_FIELDS = frozenset(
    {"from", "to", "cc", "bcc", "subject", "reply-to", "date", "mime-version", "return-path", "received", "sender",
     "dkim-signature"}
)  # fmt: skip
_MOST_DEPTH = 20
_FOLD = re.compile(r"\r?\n(?=[ \t])")


class _Utf8Policy(EmailPolicy):
    """Reads headers as UTF-8 (RFC 6532), whatever else they hold: no lone surrogate stands for a byte afterwards."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, value.encode("ascii", "surrogateescape").decode("utf-8", "replace")


_POLICY = cast("EmailPolicy[EmailMessage]", _Utf8Policy(linesep="\r\n", utf8=True))


class UnreadableMailError(InvalidInputError):
    """This mail cannot be told to this provider."""

    code = "unreadable_mail"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file, or an image that the HTML shows by its content id."""

    filename: str
    content_type: str
    content: bytes
    content_id: str | None = None

    @property
    def base64(self) -> str:
        """Return the content as JSON carries it."""
        return base64.b64encode(self.content).decode()


@dataclass(frozen=True, slots=True)
class ParsedMail:
    """The parts of a mail.

    `headers` are those that a service does not make by itself: neither addresses, subject and date, nor the structure,
    nor a DKIM signature, which does not hold for a mail that is built anew.
    """

    sender: Address
    subject: str
    reply_to: list[Address] = field(default_factory=list)
    text: str | None = None
    html: str | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)


def parse(raw: bytes) -> ParsedMail:
    """Take a mail apart.

    Raises:
        UnreadableMailError: it has no sender or no content, or is no mail.
    """
    try:
        message = message_from_bytes(raw, EmailMessage, policy=_POLICY)
        senders = list(message["from"].addresses) if message["from"] is not None else []
        reply_to = list(message["reply-to"].addresses) if message["reply-to"] is not None else []
        subject = str(message["subject"] or "")
        headers = _headers(message)
        text, html, attachments = _contents(message)
    except (MessageError, LookupError, ValueError, AttributeError, TypeError, RecursionError) as error:
        raise UnreadableMailError(f"The mail cannot be read: {type(error).__name__}.") from error
    if len(senders) != 1:
        raise UnreadableMailError("The mail names no sender in From, or several.")
    if text is None and html is None:
        raise UnreadableMailError("The mail has no text and no HTML.")
    return ParsedMail(senders[0], subject, reply_to, text, html, headers, attachments)


def _headers(message: EmailMessage) -> list[tuple[str, str]]:
    found = []
    for name, value in message.raw_items():
        lowered = name.lower()
        if lowered in _OWN_FIELDS or lowered.startswith("content-"):
            continue
        unfolded = _FOLD.sub("", str(value)).strip()
        if "\r" in unfolded or "\n" in unfolded:
            raise UnreadableMailError(f"The header {name} has a bare line end.")
        found.append((name, unfolded))
    return found


def _contents(message: EmailMessage) -> tuple[str | None, str | None, list[Attachment]]:
    """Return the first text, the first HTML, and all else as attachments."""
    text: str | None = None
    html: str | None = None
    attachments: list[Attachment] = []
    for part in _leaves(message):
        kind = part.get_content_type()
        is_shown = not part.is_attachment() and part.get_filename() is None
        if kind == "text/plain" and is_shown and text is None:
            text = _text(part)
        elif kind == "text/html" and is_shown and html is None:
            html = _text(part)
        else:
            attachments.append(_attachment(part, len(attachments) + 1))
    return text, html, attachments


def _leaves(message: MIMEPart, depth: int = 0) -> list[MIMEPart]:
    if message.get_content_maintype() != "multipart":
        return [message]
    if depth == _MOST_DEPTH:
        raise UnreadableMailError(f"Its parts are in each other more than {_MOST_DEPTH} times.")
    found: list[MIMEPart] = []
    for part in message.iter_parts():
        found += _leaves(part, depth + 1)
    return found


def _text(part: MIMEPart) -> str:
    return str(part.get_content()).replace("\r\n", "\n")


def _attachment(part: MIMEPart, number: int) -> Attachment:
    if part.get_content_maintype() == "message":
        inner = part.get_payload()
        content = b"\r\n".join(one.as_bytes() for one in inner if isinstance(one, MIMEPart)) if inner else b""
    else:
        payload: Any = part.get_payload(decode=True)
        content = bytes(payload or b"")
    content_id = part["content-id"]
    return Attachment(
        filename=part.get_filename() or f"part-{number}",
        content_type=part.get_content_type(),
        content=content,
        content_id=str(content_id).strip().strip("<>") if content_id else None,
    )
