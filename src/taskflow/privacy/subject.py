"""Whom an export or an erasure is about, and how their address may be written where it stands among other text."""

import re
from dataclasses import dataclass
from urllib.parse import quote
from uuid import UUID

from taskflow.base.errors import InvalidInputError, NotFoundError

ERASED = "[erased]"


class UnknownPersonError(NotFoundError):
    """Nothing is stored under this contact, address or phone number."""

    code = "unknown_person"


class TwoPeopleError(InvalidInputError):
    """The contact, the address and the number that you name belong to two contacts: name one of them."""

    code = "two_people"


class NobodyNamedError(InvalidInputError):
    """Say who: a contact_id, an email or a phone number."""

    code = "nobody_named"


_BEFORE = r"(?:(?<=%[0-9a-f]{2})|(?<=\\[nrtbf])|(?<![0-9a-z._%+-]))"
"""No address goes on to the left: what stands there is no part of one, or the escape of a URL or of JSON."""
_BEHIND = r"(?![0-9a-z_-]|\.[0-9a-z])"
_SIGN = re.compile(r"([!-/:-@\[-^`{-~])")
_LIKE_SIGN = re.compile(r"([%_\\])")


@dataclass(frozen=True, slots=True)
class Subject:
    """A person: their contact if there is one, their address in lower case, their phone number in E.164."""

    contact_id: UUID | None
    email: str | None
    phone: str | None

    @property
    def spellings(self) -> list[str]:
        """Return every text that names the person, in lower case; addresses also as they stand in a URL."""
        named = [self.phone] if self.phone else []
        if self.email is not None:
            named += [self.email, quote(self.email, safe="").lower()]
        return named

    @property
    def needles(self) -> list[str]:
        """Return the spellings as patterns for ILIKE, which finds every place quickly, and a few too many."""
        return ["%" + _LIKE_SIGN.sub(r"\\\1", spelling) + "%" for spelling in self.spellings]

    @property
    def pattern(self) -> str:
        """Return a regular expression of PostgreSQL, for any case, that leaves longer addresses alone.

        `ann@example.com` is not in `joann@example.com`, nor in `ann@example.com.au`.
        """
        either = "|".join(_SIGN.sub(r"\\\1", spelling) for spelling in self.spellings)
        return f"{_BEFORE}(?:{either}){_BEHIND}"
