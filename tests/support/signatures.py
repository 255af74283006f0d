"""DKIM signatures, judged by somebody else's verifier (dkimpy)."""

import re
from collections.abc import Iterable, Mapping

import dkim

from taskflow.delivery.dkim import Algorithm, Signer, SigningKey
from taskflow.delivery.domains.keys import generate, public_of
from taskflow.delivery.domains.models import DkimKey


def signer(domain: str = "example.org", algorithms: Iterable[Algorithm] = Algorithm) -> tuple[Signer, dict[str, str]]:
    """Return a signer with fresh keys, and the records of its zone."""
    keys = tuple(SigningKey(f"s{place}", algorithm, generate(algorithm)) for place, algorithm in enumerate(algorithms))
    zone = {
        f"{key.selector}._domainkey.{domain}": f"v=DKIM1; k={'ed25519' if 'ed' in key.algorithm else 'rsa'};"
        f" p={public_of(key.private)}"
        for key in keys
    }
    return Signer(domain, keys), zone


def zone_of(keys: Iterable[DkimKey]) -> dict[str, str]:
    """Return the records of keys, by name."""
    return {key.name: key.record for key in keys}


def signatures(message: bytes) -> list[str]:
    """Return the selectors of a message's signatures, in order."""
    head = message.split(b"\r\n\r\n", 1)[0]
    fields = re.findall(rb"^DKIM-Signature:([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)", head, re.MULTILINE)
    return [re.search(rb"\bs=([^;\s]+)", field)[1].decode() for field in fields]  # type: ignore[index]


def valid(message: bytes, zone: Mapping[str, str]) -> list[bool]:
    """Return for each signature of a message whether it is good."""

    def ask(name: bytes, timeout: int = 5) -> bytes | None:
        found = zone.get(name.decode().rstrip("."))
        return found.encode() if found is not None else None

    def is_good(place: int) -> bool:
        try:
            return bool(dkim.DKIM(message).verify(idx=place, dnsfunc=ask))
        except dkim.DKIMException:
            return False

    return [is_good(place) for place in range(len(signatures(message)))]
