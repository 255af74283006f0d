"""DKIM key pairs: made, sealed for their row, and opened again."""

import asyncio
import base64
import secrets
from datetime import UTC, datetime
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from taskflow.base.envelope import SealBrokenError, Sealed, Vault
from taskflow.delivery.dkim import Algorithm, SigningKey

RSA_BITS = 2048  # what mailbox providers recommend; longer ones do not fit one UDP answer


class NewKey(NamedTuple):
    """A pair as it is stored."""

    selector: str
    algorithm: str
    private_key: Sealed
    public_key: str


async def make(vault: Vault, domain: str, algorithm: Algorithm) -> NewKey:
    """Make a pair under a selector that was never used: its day, its algorithm, and a bit of chance."""
    private = await asyncio.to_thread(generate, algorithm)
    day = datetime.now(UTC).strftime("%Y%m%d")
    selector = f"tf{day}{algorithm[0]}{secrets.token_hex(2)}"
    plain = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return NewKey(selector, algorithm.value, vault.seal(plain, bound_to(domain, selector)), public_of(private))


def public_of(private: RSAPrivateKey | Ed25519PrivateKey) -> str:
    """Return the public half as it stands in the zone: Ed25519 bare (RFC 8463), RSA as SubjectPublicKeyInfo."""
    if isinstance(private, Ed25519PrivateKey):
        raw = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    else:
        raw = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(raw).decode()


def open_key(vault: Vault, domain: str, selector: str, algorithm: str, sealed: Sealed) -> SigningKey:
    """Return a key that can sign.

    Raises:
        SealBrokenError: it was sealed under a TASKFLOW_SECRET_KEY that is not here, or for another row.
    """
    private = load_der_private_key(vault.open(sealed, bound_to(domain, selector)), None)
    if not isinstance(private, RSAPrivateKey | Ed25519PrivateKey):
        raise SealBrokenError(f"The DKIM key {selector} of {domain} is of a kind that does not sign mail.")
    return SigningKey(selector, Algorithm(algorithm), private)


def generate(algorithm: Algorithm) -> RSAPrivateKey | Ed25519PrivateKey:
    """Return a fresh private key; RSA takes a tenth of a second."""
    if algorithm is Algorithm.ED25519:
        return Ed25519PrivateKey.generate()
    return generate_private_key(public_exponent=65537, key_size=RSA_BITS)


def bound_to(domain: str, selector: str) -> str:
    """Return the name that a key's seal is bound to."""
    return f"the DKIM key {selector} of {domain}"
