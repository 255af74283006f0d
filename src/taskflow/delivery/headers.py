"""Header fields as bytes: encoded, folded, and impossible to break out of.

RFC 5322 for the form, RFC 2047 for words beyond ASCII, RFC 6532 for the local part of an international address. A
control character in a value is an error, never dropped in silence: it is either an attack or a template that made a
line break, and both deserve to be seen.
"""

import base64
import re
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import quote

from taskflow.base.errors import InvalidInputError
from taskflow.delivery import addresses

_FOLD = b"\r\n "
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_PLAIN_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_MESSAGE_ID = re.compile(r"<[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,200}@[A-Za-z0-9.-]{1,253}>")
_CONTENT_ID = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,200}(@[A-Za-z0-9.-]{1,253})?")
_URL = re.compile(r"https?://[A-Za-z0-9!#$%&'()*+,./:;=?@\[\]_~-]{1,900}")
_SPACES = re.compile(" {2,}")  # in a name, readers see one
_FOLD_AT = 78
_WORD_BYTES = 36  # of UTF-8 in one encoded word: 60 characters with its frame; a line of them must stay below 77


class HeaderInjectionError(InvalidInputError):
    """A header field holds a character that never belongs there."""

    code = "header_injection"


def check(name: str, value: str) -> str:
    """Return `value` when it can stand in one header line.

    Raises:
        HeaderInjectionError: it holds a line break, NUL, another control character or a lone surrogate.
    """
    if not value.isprintable():
        found = _FORBIDDEN.search(value)
        if found is not None:
            raise HeaderInjectionError(f"{name} holds the character U+{ord(found[0]):04X}.")
    return value


def unstructured(name: str, value: str) -> bytes:
    """Return the bytes of a text field such as Subject, without its name and line end."""
    check(name, value)
    if value.isascii() and "=?" not in value and "  " not in value and value == value.strip(" "):
        if len(name) + 2 + len(value) <= _FOLD_AT:
            return value.encode("ascii")
        words = value.split(" ")
        if max(map(len, words)) < _FOLD_AT:
            return _fold([word.encode("ascii") for word in words], len(name) + 2)
    return _FOLD.join(_encoded_words(value))


def mailbox(name: str, address: str, display_name: str | None = None) -> bytes:
    """Return the bytes of one mailbox: `address`, or `"Name" <address>`.

    Raises:
        UnsafeAddressError: the address cannot be sent to or from.
        HeaderInjectionError: the name cannot stand in a header.
    """
    encoded = str(addresses.parse(address)).encode()
    if not display_name or display_name.isspace():
        return encoded
    return _phrase(name, _SPACES.sub(" ", display_name).strip(" ")) + b" <" + encoded + b">"


def mailboxes(name: str, those: Sequence[tuple[str, str | None]]) -> bytes:
    """Return the bytes of several mailboxes, addresses with their names, one on each line; raises as `mailbox`."""
    return (b"," + _FOLD).join(mailbox(name, *one) for one in those)


def message_id(value: str) -> bytes:
    """Return the bytes of a Message-ID, given with its angle brackets."""
    if _MESSAGE_ID.fullmatch(value) is None:
        raise HeaderInjectionError("The Message-ID is not <left@right>.")
    return value.encode("ascii")


def content_id(value: str) -> bytes:
    """Return the bytes of a Content-ID, given without angle brackets.

    RFC 2045 wants left@right. Applications write cid:logo into their HTML, and readers compare the two as they are.
    """
    if _CONTENT_ID.fullmatch(value) is None:
        raise HeaderInjectionError("The Content-ID is not left@right, nor a word.")
    return b"<" + value.encode("ascii") + b">"


def url(name: str, value: str) -> bytes:
    """Return the bytes of an http(s) URL in angle brackets."""
    if _URL.fullmatch(value) is None:
        raise HeaderInjectionError(f"{name} is no plain http or https URL.")
    return b"<" + value.encode("ascii") + b">"


def disposition(kind: str, filename: str) -> bytes:
    """Return the bytes of a Content-Disposition with a file's name (RFC 2183; RFC 2231 for a long or non-ASCII one)."""
    check("Content-Disposition", filename)
    if filename.isascii() and len(filename) < _FOLD_AT - 20 and not set(filename) & {'"', "\\"}:
        return f'{kind}; filename="{filename}"'.encode("ascii")
    words = ["utf-8''"]
    for piece in (quote(character, safe="") for character in filename):
        if len(words[-1]) + len(piece) > _WORD_BYTES:
            words.append("")
        words[-1] += piece
    parts = [f"filename*{place}*={word}".encode("ascii") for place, word in enumerate(words)]
    return (b";" + _FOLD).join([kind.encode("ascii"), *parts])


@lru_cache(maxsize=256)  # a campaign has one sender; recipients' names come from a small world too
def _phrase(name: str, display_name: str) -> bytes:
    check(name, display_name)
    if not display_name.isascii() or "=?" in display_name or len(display_name) > _FOLD_AT - 20:
        return _FOLD.join(_encoded_words(display_name))
    if _PLAIN_PHRASE.fullmatch(display_name) is not None:
        return display_name.encode("ascii")
    return b'"' + display_name.replace("\\", "\\\\").replace('"', '\\"').encode("ascii") + b'"'


def _encoded_words(value: str) -> list[bytes]:
    """Cut text into RFC 2047 words, never inside a character."""
    words: list[bytes] = []
    chunk = b""
    for character in value:
        encoded = character.encode()
        if len(chunk) + len(encoded) > _WORD_BYTES:
            words.append(chunk)
            chunk = b""
        chunk += encoded
    words.append(chunk)
    return [b"=?utf-8?b?" + base64.b64encode(word) + b"?=" for word in words]


def _fold(words: list[bytes], used: int) -> bytes:
    """Join words with spaces, starting a new line before one that would pass column 78."""
    lines: list[bytes] = []
    line = b""
    for word in words:
        if line and used + len(line) + 1 + len(word) > _FOLD_AT:
            lines.append(line)
            line = word
            used = 1
        else:
            line = line + b" " + word if line else word
    lines.append(line)
    return _FOLD.join(lines)
