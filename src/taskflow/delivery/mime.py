"""A MIME skeleton: everything that messages of one letter share is made once, then each is a join of bytes.

Building an `EmailMessage` for every recipient costs 2,400 µs; a join costs 30. The skeleton is checked against
Python's own parser by a property test: what goes in comes out.

    skeleton = Skeleton(from_email="news@example.org", from_name="Änne", eight_bit=features.eight_bit)
    body = skeleton.build(to="bob@example.com", subject="Hello Bob", html="<p>…", text="…", message_id="<…@…>", …)
"""

import binascii
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from typing import Literal, NamedTuple

from taskflow.base.errors import InvalidInputError
from taskflow.delivery import headers
from taskflow.delivery.dkim import Signer, Signing, relaxed_lines, without_empty_end
from taskflow.delivery.purposes import Purpose, standing_fields
from taskflow.delivery.smtp.envelope import CanonicalBody

CRLF = b"\r\n"
MAX_LINE_BYTES = 998  # RFC 5322, section 2.1.1, without CRLF

_LINE_END = re.compile(rb"\r\n|\r")
_NOT_COVERED = (b"Precedence:", b"Auto-Submitted:")  # by a signature: lists may set their own
_BASE64_LINE = 76

_Encoding = Literal["7bit", "8bit", "base64"]


class EmptyMessageError(InvalidInputError):
    """A message needs an HTML part, a text part, or both."""

    code = "empty_message"


@dataclass(frozen=True, slots=True)
class File:
    """A file that goes along with every message; with a `content_id` the HTML shows it."""

    filename: str
    content_type: str
    data: bytes
    content_id: str | None = None


class _Part(NamedTuple):
    """The words of a message in one form; a line end follows them."""

    head: bytes
    data: bytes
    encoding: _Encoding

    @property
    def relaxed(self) -> bytes:
        """Return the data as DKIM hashes them; in base64 there is nothing to relax."""
        return self.data if self.encoding == "base64" else relaxed_lines(self.data + CRLF).removesuffix(CRLF)


class Skeleton:
    """What all messages of one letter share. Cheap to use, made once per letter and process."""

    def __init__(
        self,
        *,
        from_email: str,
        from_name: str | None = None,
        reply_to: str | None = None,
        cc: Sequence[tuple[str, str | None]] = (),
        purpose: Purpose = "campaign",
        feedback_id: str | None = None,
        eight_bit: bool = False,
        boundary: str | None = None,
        files: Sequence[File] = (),
        further: Mapping[str, str] | None = None,
        signer: Signer | None = None,
    ) -> None:
        """Encode the shared headers.

        Args:
            from_email: the sender's address.
            from_name: the sender's display name, any Unicode.
            reply_to: an address that answers go to.
            cc: addresses and names of those who are named as readers of a copy.
            purpose: what it is for; decides about Precedence and Auto-Submitted.
            feedback_id: `Feedback-ID` for the complaint statistics of mailbox providers.
            eight_bit: the server offers 8BITMIME (`SmtpPool.features`); else non-ASCII parts become base64.
            boundary: the MIME boundary, for byte-exact tests; by default 128 random bits.
            files: what goes along with each message, encoded once.
            further: text headers that the caller answers for, by name; a Feedback-ID among them is the one.
            signer: signs each message with DKIM; see `sign_with`.

        Raises:
            UnsafeAddressError, HeaderInjectionError: a value that must not stand in a header.
        """
        head = [b"From: " + headers.mailbox("From", from_email, from_name)]
        if reply_to:
            head.append(b"Reply-To: " + headers.mailbox("Reply-To", reply_to))
        if cc:
            head.append(b"Cc: " + headers.mailboxes("Cc", cc))
        if any(name.lower() == "feedback-id" for name in further or ()):
            feedback_id = None
        standing = [b"MIME-Version: 1.0", *standing_fields(purpose, feedback_id)]
        for name, value in (further or {}).items():
            standing.append(name.encode("ascii") + b": " + headers.unstructured(name, value))
        token = headers.check("boundary", boundary or f"=_{secrets.token_hex(16)}").encode("ascii")
        self._head = CRLF.join(head) + CRLF
        self._standing = CRLF + CRLF.join(standing) + CRLF
        self._covered = [field for field in (*head, *standing) if not field.startswith(_NOT_COVERED)]
        self._opens, self._closes = _around(token, files)
        self._relaxed_opens, self._relaxed_closes = map(relaxed_lines, (self._opens, self._closes))
        self._multipart = b'Content-Type: multipart/alternative; boundary="%b"\r\n\r\n' % token
        self._text_opens = b"--%b\r\n" % token
        self._html_opens = b"\r\n--%b\r\n" % token
        self._ends = b"\r\n--%b--\r\n" % token
        self._date_second = 0
        self._date = b""
        self._takes_eight_bit = eight_bit
        self.sign_with(signer)

    def sign_with(self, signer: Signer | None) -> None:
        """Sign from now on with these keys, or with none.

        What is signed stays within ASCII: a server on the way that does not take more would have to encode it anew, and
        break the signature (RFC 6376, section 5.3).
        """
        self._signing: Signing | None = signer.over(self._covered) if signer is not None else None
        self._eight_bit = self._takes_eight_bit and signer is None

    def build(
        self,
        *,
        to: str,
        subject: str,
        message_id: str,
        html: str | bytes | None = None,
        text: str | bytes | None = None,
        to_name: str | None = None,
        unsubscribe_url: str | None = None,
        date: float | None = None,
    ) -> CanonicalBody:
        """Return one message, line ends CRLF, no line over 998 bytes.

        Args:
            to: the recipient's address.
            subject: one line, any Unicode.
            message_id: stable for this recipient, with its angle brackets.
            html: the HTML part, text or UTF-8.
            text: the plain text part, likewise.
            to_name: the recipient's display name.
            unsubscribe_url: makes List-Unsubscribe and List-Unsubscribe-Post (one click, RFC 8058).
            date: Unix seconds; now by default.

        Raises:
            UnsafeAddressError, HeaderInjectionError: a value that must not stand in a header.
            EmptyMessageError: neither HTML nor text.
        """
        at = time.time() if date is None else date
        fields = [
            b"To: " + headers.mailbox("To", to, to_name),
            b"Subject: " + headers.unstructured("Subject", subject),
            b"Date: " + self._date_header(at),
            b"Message-ID: " + headers.message_id(message_id),
        ]
        if unsubscribe_url is not None:
            fields += (
                b"List-Unsubscribe: " + headers.url("List-Unsubscribe", unsubscribe_url),
                b"List-Unsubscribe-Post: List-Unsubscribe=One-Click",
            )
        parts = [
            self._part(subtype, content)
            for subtype, content in ((b"plain", text), (b"html", html))
            if content is not None
        ]
        if not parts:
            raise EmptyMessageError
        content = b"".join((self._opens, *self._between(parts, [part.data for part in parts]), self._closes))
        if self._signing is None:
            return CanonicalBody(b"".join((self._head, CRLF.join(fields), self._standing, content)))
        relaxed = (self._relaxed_opens, *self._between(parts, [part.relaxed for part in parts]), self._relaxed_closes)
        type_, _, body = b"".join(relaxed).partition(CRLF + CRLF)
        covered = [*fields, type_.partition(CRLF)[0]]
        signatures = self._signing.sign(covered, without_empty_end(body), at)
        return CanonicalBody(b"".join((signatures, self._head, CRLF.join(fields), self._standing, content)))

    def _between(self, parts: Sequence[_Part], contents: Sequence[bytes]) -> Sequence[bytes]:
        """Return the pieces of the words, from Content-Type on: the text, the HTML, or one and then the other."""
        if len(parts) == 1:
            return (parts[0].head, contents[0], CRLF)
        text, html = parts
        return (
            self._multipart,
            self._text_opens, text.head, contents[0],
            self._html_opens, html.head, contents[1],
            self._ends,
        )  # fmt: skip

    def _part(self, subtype: bytes, content: str | bytes) -> _Part:
        """Return a part, encoded as plainly as its characters and lines allow."""
        data = content.encode("utf-8", "replace") if isinstance(content, str) else content
        if b"\r" in data:
            data = _LINE_END.sub(b"\n", data)
        data = data.replace(b"\n", b"\r\n")
        encoding = self._encoding(data)
        head = _PART_HEADERS[subtype, encoding]
        return _Part(head, _base64(data) if encoding == "base64" else data, encoding)

    def _encoding(self, data: bytes) -> _Encoding:
        if not _lines_fit(data) or b"\0" in data:
            return "base64"
        if data.isascii():
            return "7bit"
        return "8bit" if self._eight_bit else "base64"

    def _date_header(self, at: float) -> bytes:
        second = int(at)
        if second != self._date_second or not self._date:
            self._date_second = second
            self._date = formatdate(second, usegmt=False).encode("ascii")
        return self._date


_PART_HEADERS: dict[tuple[bytes, _Encoding], bytes] = {
    (subtype, encoding): b"Content-Type: text/%b; charset=%b\r\nContent-Transfer-Encoding: %b\r\n\r\n"
    % (subtype, b"us-ascii" if encoding == "7bit" else b"utf-8", encoding.encode())
    for subtype in (b"plain", b"html")
    for encoding in ("7bit", "8bit", "base64")
}


def _around(token: bytes, files: Sequence[File]) -> tuple[bytes, bytes]:
    """Return what stands before and after the words of a message: pictures belong to them, other files follow them."""
    opens = closes = b""
    shown = [file for file in files if file.content_id is not None]
    carried = [file for file in files if file.content_id is None]
    # The innermost comes last in `opens` and first in `closes`.
    for kind, letter, members in ((b"mixed", b"m", carried), (b"related", b"r", shown)):
        if members:
            boundary = letter + token
            opens += b'Content-Type: multipart/%b; boundary="%b"\r\n\r\n--%b\r\n' % (kind, boundary, boundary)
            parts = b"".join(b"--%b\r\n%b\r\n" % (boundary, _file(file)) for file in members)
            closes = b"%b--%b--\r\n" % (parts, boundary) + closes
    return opens, closes


def _file(file: File) -> bytes:
    head = [b"Content-Type: " + headers.check("Content-Type", file.content_type).encode("ascii")]
    head.append(b"Content-Transfer-Encoding: base64")
    kind = "attachment" if file.content_id is None else "inline"
    head.append(b"Content-Disposition: " + headers.disposition(kind, file.filename))
    if file.content_id is not None:
        head.append(b"Content-ID: " + headers.content_id(file.content_id))
    return CRLF.join(head) + CRLF + CRLF + _base64(file.data)


def _lines_fit(data: bytes) -> bool:
    """Tell whether no line is longer than 998 bytes, looking only where a line end must be."""
    position = 0
    while len(data) - position > MAX_LINE_BYTES:
        end = data.rfind(b"\n", position, position + MAX_LINE_BYTES + 2)
        if end < 0:
            return False
        position = end + 1
    return True


def _base64(data: bytes) -> bytes:
    encoded = binascii.b2a_base64(data, newline=False)
    return CRLF.join([encoded[at : at + _BASE64_LINE] for at in range(0, len(encoded), _BASE64_LINE)])
