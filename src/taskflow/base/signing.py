"""Signed tokens for links that leave the house (unsubscribe, tracking): HMAC-SHA256 over a purpose and a payload.

A purpose gets a key of its own (HKDF from `TASKFLOW_SECRET_KEY`), so that a token of one kind is never valid as
another. The token carries ids only, never an address.
"""

import base64
import binascii
import hashlib
import hmac
from functools import lru_cache

from taskflow.base.errors import TaskFlowError

_TAG_BYTES = 16


class InvalidSignatureError(TaskFlowError):
    """The link is not valid: it was changed or made by someone else."""

    code = "invalid_signature"
    status = 404


@lru_cache(maxsize=64)
def derive_key(secret: bytes, purpose: str) -> bytes:
    """Return the 32-byte key of a purpose (HKDF-Expand of RFC 5869 with one block)."""
    return hmac.digest(secret, purpose.encode() + b"\x01", hashlib.sha256)


def sign(secret: bytes, purpose: str, payload: bytes) -> str:
    """Return `payload` and its tag as one URL-safe token."""
    tag = hmac.digest(derive_key(secret, purpose), payload, hashlib.sha256)[:_TAG_BYTES]
    return base64.urlsafe_b64encode(payload + tag).decode().rstrip("=")


def verify(secret: bytes, purpose: str, token: str) -> bytes:
    """Return the payload of a token made by `sign` with the same purpose.

    Raises:
        InvalidSignatureError: anything else.
    """
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidSignatureError from error
    payload, tag = raw[:-_TAG_BYTES], raw[-_TAG_BYTES:]
    expected = hmac.digest(derive_key(secret, purpose), payload, hashlib.sha256)[:_TAG_BYTES]
    if not hmac.compare_digest(tag, expected):
        raise InvalidSignatureError
    return payload
