"""The Message-ID of a campaign's mail: derived, never stored.

The same recipient of the same campaign always gets the same one, also when a policy sends a message twice, so that
receiving servers and people can tell a double. It is an HMAC, so that it tells nothing about our ids.
"""

import base64
import hashlib
import hmac
from uuid import UUID

from taskflow.base.signing import derive_key


class MessageIds:
    """Message-IDs under one secret and sending domain."""

    def __init__(self, secret: bytes, from_email: str) -> None:
        """Derive the key; the part behind the @ is the sender's domain."""
        self._key = derive_key(secret, "message-id")
        self._domain = from_email.rpartition("@")[2]

    def of(self, recipient_id: UUID) -> str:
        """Return the Message-ID of a recipient, with its angle brackets (RFC 5322, section 3.6.4)."""
        tag = hmac.digest(self._key, recipient_id.bytes, hashlib.sha256)[:20]
        return f"<{base64.b32encode(tag).decode().lower()}@{self._domain}>"
