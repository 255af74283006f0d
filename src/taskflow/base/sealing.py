"""Secrets at rest: AES-256-GCM under a key of `TASKFLOW_SECRET_KEY`, bound to the row that the secret stands in.

A purpose gets a key of its own, like links do (`base.signing`); what was sealed for one row does not open in another.
"""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from taskflow.base.errors import TaskFlowError
from taskflow.base.signing import derive_key

_FORM = b"\x01"  # of what is stored, should it ever have to change
_NONCE_BYTES = 12


class SealBrokenError(TaskFlowError):
    """A secret does not open: TASKFLOW_SECRET_KEY is another one than it was sealed with, or the row was changed."""

    code = "seal_broken"
    status = 503


def seal(secret: bytes, purpose: str, row: str, plain: bytes) -> bytes:
    """Return `plain` as it may be stored.

    Args:
        secret: `TASKFLOW_SECRET_KEY`.
        purpose: what kind of secret it is.
        row: names the row that it stands in.
        plain: the secret.
    """
    nonce = os.urandom(_NONCE_BYTES)
    return _FORM + nonce + AESGCM(derive_key(secret, purpose)).encrypt(nonce, plain, row.encode())


def unseal(secret: bytes, purpose: str, row: str, sealed: bytes) -> bytes:
    """Return what `seal` was given.

    Raises:
        SealBrokenError: it was sealed under another key or for another row, or changed since.
    """
    nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    if sealed[:1] != _FORM:
        raise SealBrokenError
    try:
        return AESGCM(derive_key(secret, purpose)).decrypt(nonce, body, row.encode())
    except (InvalidTag, ValueError) as error:
        raise SealBrokenError from error
