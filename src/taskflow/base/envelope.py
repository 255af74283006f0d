"""Envelope encryption of what is kept: each seal has a random key of its own, which a key of this installation wraps.

    vault = Vault(secret_key, previous)
    sealed = vault.seal(b"...", f"provider {provider_id}")
    vault.open(sealed, f"provider {provider_id}")

AES-256-GCM, twice. Both layers are bound to a name, so that a seal that was copied to another row does not open there.
The wrapping key is derived from the installation's secret key (HKDF, RFC 5869) and has an id that tells nothing of it.
To change the secret key, keep the old one beside the new: both open, the new one seals, and `rewrap` moves a seal from
one to the other without touching what is inside.
"""

import os
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from taskflow.base.errors import TaskFlowError

_FORMAT = b"\x01"
_NONCE = 12
_KEY = 32
_WRAPPED = _NONCE + _KEY + 16


class SealBrokenError(TaskFlowError):
    """A sealed secret cannot be opened here."""

    code = "seal_broken"
    status = 409


class Sealed(NamedTuple):
    """What is stored: which key wraps it, and the bytes."""

    key_id: str
    data: bytes


class Vault:
    """Seals with one key, opens with that and the previous ones."""

    def __init__(self, secret: bytes, *previous: bytes) -> None:
        """Derive the wrapping keys from secret keys, the present one first."""
        self._keys: dict[str, AESGCM] = {}
        for one in (secret, *previous):
            self._keys.setdefault(_derive(one, b"taskflow envelope key id", 8).hex(), _wrapping(one))
        self.key_id = next(iter(self._keys))

    def __repr__(self) -> str:
        """Tell the id of the key, nothing else."""
        return f"Vault({self.key_id})"

    def seal(self, plain: bytes, name: str) -> Sealed:
        """Seal `plain` for the thing of this name."""
        key = os.urandom(_KEY)
        nonce = os.urandom(_NONCE)
        content = nonce + AESGCM(key).encrypt(nonce, plain, _bound("content", name))
        return Sealed(self.key_id, _FORMAT + self._wrap(key, name) + content)

    def open(self, sealed: Sealed, name: str) -> bytes:
        """Return what was sealed for the thing of this name.

        Raises:
            SealBrokenError: its key is not here, it was changed, or it was sealed for something else.
        """
        key = self._unwrap(sealed, name)
        content = sealed.data[1 + _WRAPPED :]
        try:
            return AESGCM(key).decrypt(content[:_NONCE], content[_NONCE:], _bound("content", name))
        except (InvalidTag, ValueError) as error:
            raise SealBrokenError(_changed(name)) from error

    def rewrap(self, sealed: Sealed, name: str) -> Sealed:
        """Return the same seal under the present key.

        Raises:
            SealBrokenError: as `open`.
        """
        if sealed.key_id == self.key_id:
            return sealed
        key = self._unwrap(sealed, name)
        return Sealed(self.key_id, _FORMAT + self._wrap(key, name) + sealed.data[1 + _WRAPPED :])

    def _wrap(self, key: bytes, name: str) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + self._keys[self.key_id].encrypt(nonce, key, _bound("key", name))

    def _unwrap(self, sealed: Sealed, name: str) -> bytes:
        wrapping = self._keys.get(sealed.key_id)
        if wrapping is None:
            raise SealBrokenError(
                f"The secret of {name} is sealed with the key {sealed.key_id}, which is not here: set"
                " TASKFLOW_SECRET_KEY_PREVIOUS to the secret key of that time, or replace the secret."
            )
        wrapped = sealed.data[1 : 1 + _WRAPPED]
        if sealed.data[:1] != _FORMAT:
            raise SealBrokenError(_changed(name))
        try:
            return wrapping.decrypt(wrapped[:_NONCE], wrapped[_NONCE:], _bound("key", name))
        except (InvalidTag, ValueError) as error:
            raise SealBrokenError(_changed(name)) from error


def _derive(secret: bytes, purpose: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=purpose).derive(secret)


def _wrapping(secret: bytes) -> AESGCM:
    return AESGCM(_derive(secret, b"taskflow envelope", _KEY))


def _bound(layer: str, name: str) -> bytes:
    return f"taskflow envelope {layer} {name}".encode()


def _changed(name: str) -> str:
    return f"The secret of {name} was changed, or sealed for something else: replace it."
