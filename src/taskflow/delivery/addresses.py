"""Mail addresses as they may go onto the wire: the last gate before SMTP and before a header.

The importer decides which addresses are worth keeping; this module decides which ones are *safe to send*. It takes
the dot-atom form of RFC 5321 with the internationalised characters of RFC 6531, and nothing that could end a command
early or be read as an option by some program behind the server: no control characters, spaces, quotes, comments,
angle brackets or leading hyphen.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

import idna

from taskflow.base.errors import InvalidInputError

NULL_PATH = "<>"  # the sender of a bounce: nobody is told when it cannot be delivered (RFC 5321, section 4.5.5)
MAX_ADDRESS_BYTES = 254  # RFC 5321, section 4.5.3.1.3, less the two angle brackets
MAX_LOCAL_BYTES = 64
MAX_DOMAIN_BYTES = 253

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_UTF8_ATOM = _ATOM.replace("-]", "\u00a0-\U0010ffff-]")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ASCII_ADDRESS = re.compile(rf"(?!-)({_ATOM}(?:\.{_ATOM})*)@({_LABEL}(?:\.{_LABEL})*)")
_UTF8_LOCAL = re.compile(rf"(?!-){_UTF8_ATOM}(?:\.{_UTF8_ATOM})*")
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_EHLO_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:.]+\]|\[IPv6:[0-9A-Fa-f:.]+\]")


class UnsafeAddressError(InvalidInputError):
    """The mail address cannot be sent to."""

    code = "unsafe_address"


@dataclass(frozen=True, slots=True)
class Address:
    """An address that was checked: `local@domain`, the domain in ASCII (IDNA A-labels)."""

    local: str
    domain: str

    def __str__(self) -> str:
        """Return the address as it goes onto the wire."""
        return f"{self.local}@{self.domain}"

    @property
    def needs_utf8(self) -> bool:
        """Tell whether only a server with SMTPUTF8 (RFC 6531) can take it."""
        return not self.local.isascii()


@lru_cache(maxsize=8192)
def parse(text: str) -> Address:
    """Check an address and turn an internationalised domain into ASCII.

    Raises:
        UnsafeAddressError: it is not a plain `local@domain`, too long, or holds characters that never belong there.
    """
    match = _ASCII_ADDRESS.fullmatch(text)
    if match is not None:
        address = Address(match[1], match[2])
        _check_length(address.local, address.domain)
        return address
    return _parse_international(text)


def is_within(domain: str, parent: str) -> bool:
    """Tell whether a domain is another one or a subdomain of it; both in lower case."""
    return domain == parent or domain.endswith(f".{parent}")


def check_ehlo_name(name: str) -> str:
    """Return the name for EHLO: a host name or an address literal such as `[127.0.0.1]`.

    Raises:
        UnsafeAddressError: anything else.
    """
    if len(name) > MAX_DOMAIN_BYTES or _EHLO_NAME.fullmatch(name) is None:
        raise UnsafeAddressError(f"{name[:80]!r} is no host name for EHLO.")
    return name


def _parse_international(text: str) -> Address:
    local, at, domain = text.rpartition("@")
    if not at or _UTF8_LOCAL.fullmatch(local) is None or not local.isprintable():
        raise UnsafeAddressError(f"{text[:80]!r} is no plain mail address.")
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError) as error:
            raise UnsafeAddressError(f"{text[:80]!r} has no valid domain.") from error
    if _DOMAIN.fullmatch(domain) is None:
        raise UnsafeAddressError(f"{text[:80]!r} has no valid domain.")
    _check_length(local, domain)
    return Address(local, domain)


def _check_length(local: str, domain: str) -> None:
    size = len(local.encode())
    if size > MAX_LOCAL_BYTES or len(domain) > MAX_DOMAIN_BYTES or size + 1 + len(domain) > MAX_ADDRESS_BYTES:
        raise UnsafeAddressError(f"The address is longer than {MAX_LOCAL_BYTES} bytes before the @ or 254 in all.")
