"""Sending domains and their keys as rows, and which domain a domain belongs to."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any
from uuid import UUID

from publicsuffixlist import PublicSuffixList

from taskflow.base.errors import ConflictError, InvalidInputError, NotFoundError
from taskflow.delivery import addresses
from taskflow.delivery.dkim import Algorithm

_SUFFIXES = PublicSuffixList()  # ships with the library: nothing is downloaded


class DomainNotFoundError(NotFoundError):
    """There is no such sending domain."""

    code = "domain_not_found"


class DomainExistsError(ConflictError):
    """This sending domain is there already."""

    code = "domain_exists"


class InvalidDomainError(InvalidInputError):
    """This is no domain that mail can be sent from."""

    code = "invalid_domain"


class NotPublishedError(ConflictError):
    """DNS does not show the next key yet."""

    code = "dkim_not_published"


class KeyState(StrEnum):
    """`next` waits for its record in the zone, `active` signs, `retired` only has to stay in the zone for a while.

    A key goes from `next` to `active` to `retired`, never back; one of each algorithm is `next` or `active` at a time.
    """

    NEXT = "next"
    ACTIVE = "active"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class DkimKey:
    """A key, without its private half."""

    domain: str
    selector: str
    algorithm: Algorithm
    public_key: str  # base64, as in the zone
    state: KeyState
    created_at: datetime
    activated_at: datetime | None
    retired_at: datetime | None

    @property
    def name(self) -> str:
        """Where its record stands."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def record(self) -> str:
        """What its TXT record says (RFC 6376, section 3.6.1)."""
        kind = "ed25519" if self.algorithm is Algorithm.ED25519 else "rsa"
        return f"v=DKIM1; k={kind}; p={self.public_key}"


@dataclass(frozen=True, slots=True)
class SendingDomain:
    """A row of `sending_domains` with its keys, the newest first."""

    domain: str
    return_path_domain: str | None
    created_at: datetime
    created_by: UUID | None
    checked_at: datetime | None
    report: list[dict[str, Any]] | None
    keys: tuple[DkimKey, ...]

    @property
    def envelope_domain(self) -> str:
        """The domain of the return path: the one whose SPF record counts."""
        return self.return_path_domain or self.domain

    def keys_in(self, *states: KeyState) -> list[DkimKey]:
        """Return the keys in these states."""
        return [key for key in self.keys if key.state in states]


def domain_name(text: str) -> str:
    """Return a domain in its one spelling: lower case, an internationalised one in ASCII.

    Raises:
        InvalidDomainError: it is none, or one under which everybody can register names.
    """
    try:
        domain = addresses.parse(f"postmaster@{text.strip().rstrip('.')}").domain.lower()
    except addresses.UnsafeAddressError as error:
        raise InvalidDomainError(f"{text[:80]!r} is no domain.") from error
    if primary_domain(domain) is None:
        raise InvalidDomainError(f"{domain!r} belongs to nobody: name a domain of yours, such as example.org.")
    return domain


@lru_cache(maxsize=4096)
def primary_domain(domain: str) -> str | None:
    """Return the domain that somebody registered (`mail.example.co.uk` → `example.co.uk`), by public suffix."""
    return _SUFFIXES.privatesuffix(domain.lower())


def lineage(domain: str) -> list[str]:
    """Return a domain and its parents, down to the one that somebody registered."""
    domain = domain.lower()
    primary = primary_domain(domain)
    if primary is None:
        return []
    labels = domain.split(".")
    return [".".join(labels[place:]) for place in range(len(labels) - primary.count("."))]
