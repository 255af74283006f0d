"""Signatures as Standard Webhooks 1.0 describes them (https://www.standardwebhooks.com).

    webhook-id: msg_…              the same for every attempt: a receiver drops what it has seen
    webhook-timestamp: 1764000000  of this attempt; receivers refuse old ones
    webhook-signature: v1,…        HMAC-SHA256 over "{id}.{timestamp}.{body}", base64; one a secret, a space between

A secret is not kept anywhere. It is derived from TASKFLOW_SECRET_KEY, the webhook's id and its version, so that a copy
of the database signs nothing. Another secret key makes all of them new.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from uuid import UUID

from taskflow.base.signing import derive_key

PREFIX = "whsec_"


def secret_of(secret_key: str, webhook_id: UUID, version: int) -> bytes:
    """Return the 32 bytes of a version of a webhook's secret."""
    return derive_key(secret_key.encode(), f"webhook:{webhook_id}:{version}")


def written(secret: bytes) -> str:
    """Return a secret as receivers take it."""
    return PREFIX + base64.b64encode(secret).decode()


def headers(message_id: str, timestamp: int, body: bytes, secrets: Sequence[bytes]) -> dict[str, str]:
    """Return the headers that sign a message."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = (base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode() for secret in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
