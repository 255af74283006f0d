"""The Message-ID of a mail: derived, never stored.

The same message always gets the same one, also when a policy sends a message twice, so that
receiving servers and people can tell a double. It is an HMAC, so that it tells nothing about our ids.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import Self
from uuid import UUID

from taskflow.base.signing import derive_key

_TAG_BYTES = 20
_LEFT = re.compile(r"[a-z2-7]{32}")  # of the @: that many bytes in base32


class MessageIds:
    """Message-IDs under one secret and sending domain."""

    def __init__(self, secret: bytes, from_email: str) -> None:
        """Derive the key; the part behind the @ is the sender's domain."""
        self._key = _key(secret)
        self._domain = from_email.rpartition("@")[2]

    def of(self, recipient_id: UUID) -> str:
        """Return the Message-ID of a recipient, with its angle brackets (RFC 5322, section 3.6.4)."""
        return f"<{base64.b32encode(_tag(self._key, recipient_id)).decode().lower()}@{self._domain}>"


class MessageIdFinder:
    """Finds whose a Message-ID is. It cannot be undone, only made once more for every id that it may be."""

    def __init__(self, key: bytes, tag: bytes) -> None:
        """Use `MessageIdFinder.of`."""
        self._key = key
        self._tag = tag

    @classmethod
    def of(cls, secret: bytes, message_id: str) -> Self | None:
        """Return what finds a Message-ID, with or without its angle brackets; None: it is none of ours."""
        left = message_id.strip("<> ").partition("@")[0].lower()
        return cls(_key(secret), base64.b32decode(left.upper())) if _LEFT.fullmatch(left) else None

    def among(self, recipient_ids: Iterable[UUID]) -> UUID | None:
        """Return the one of `recipient_ids` whose it is; each takes about a microsecond."""
        return next((one for one in recipient_ids if _tag(self._key, one) == self._tag), None)


def _key(secret: bytes) -> bytes:
    return derive_key(secret, "message-id")


def _tag(key: bytes, recipient_id: UUID) -> bytes:
    return hmac.digest(key, recipient_id.bytes, hashlib.sha256)[:_TAG_BYTES]
