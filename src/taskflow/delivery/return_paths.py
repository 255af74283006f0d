"""Return paths (VERP): each message has an address of its own that bounces come back to, and it names the message.

    b+<ids>-<tag>@bounces.example.org

The ids are those of the campaign and its recipient, or of one message alone; the tag is keyed, so that nobody can
make up a bounce. All of it is base32 in lower case, because some servers change the case of a local part.
"""

import base64
import binascii
import hashlib
import hmac
import re
from typing import NamedTuple
from uuid import UUID

from taskflow.base.signing import InvalidSignatureError, derive_key

_ID_BYTES = 16
_TAG_BYTES = 5  # the most that 64 characters of a local part leave beside two ids
_FORM = re.compile(r"b\+([a-z2-7]{26}|[a-z2-7]{52})-([a-z2-7]{8})")


class Bounced(NamedTuple):
    """Which message an address belongs to. `campaign_id` None: one without a campaign."""

    campaign_id: UUID | None
    message_id: UUID  # of a campaign: the recipient's id


class ReturnPaths:
    """Makes and reads return paths."""

    def __init__(self, secret: bytes, domain: str) -> None:
        """`domain`: whose mail server takes bounces."""
        self._key = derive_key(secret, "return-path")
        self.domain = domain

    def of(self, message_id: UUID, campaign_id: UUID | None = None) -> str:
        """Return the address of one message; the same one at every attempt."""
        ids = (campaign_id.bytes if campaign_id is not None else b"") + message_id.bytes
        return f"b+{_text(ids)}-{_text(self._tag(ids))}@{self.domain}"

    def read(self, address: str) -> Bounced:
        """Return which message an address belongs to; its case does not matter, nor does its domain.

        Raises:
            InvalidSignatureError: we did not make it.
        """
        match = _FORM.fullmatch(address.partition("@")[0].lower())
        if match is None:
            raise InvalidSignatureError("This is no return path.")
        ids, tag = _bytes(match[1]), _bytes(match[2])
        if not hmac.compare_digest(tag, self._tag(ids)):
            raise InvalidSignatureError("This return path is not one that we made.")
        if len(ids) == _ID_BYTES:
            return Bounced(None, UUID(bytes=ids))
        return Bounced(UUID(bytes=ids[:_ID_BYTES]), UUID(bytes=ids[_ID_BYTES:]))

    def _tag(self, ids: bytes) -> bytes:
        return hmac.digest(self._key, ids, hashlib.sha256)[:_TAG_BYTES]


def _text(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=").lower()


def _bytes(text: str) -> bytes:
    try:
        return base64.b32decode(text.upper() + "=" * (-len(text) % 8))
    except binascii.Error as error:
        raise InvalidSignatureError("This is no return path.") from error
