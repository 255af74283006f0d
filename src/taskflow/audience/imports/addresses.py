"""E-mail addresses: a fast path for plain ones, the email-validator library for the rest."""

import re
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

MAX_ADDRESS = 254
"""Longest address in characters (RFC 5321 4.5.3.1.3, less the angle brackets)."""

# Possessive and atomic: no input makes them try twice.
_LOCAL = re.compile(r"(?!-)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]++(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]++)*+")
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_SUSPICIOUS = re.compile(r"[\x00-\x20\x7f-\xa0<>\u2028\u2029\ud800-\udfff]")
_MAX_LOCAL = 64


class InvalidAddressError(ValueError):
    """The text is not an address; the message says why."""


def normalise(address: str) -> str:
    """Return the address as it is sent to: domain in lower case (and punycode), local part as written.

    Raises:
        InvalidAddressError: it is not an address, or one that no mail server could be handed safely.
    """
    local, _, domain = address.rpartition("@")
    plain_domain = _plain_domain(domain)
    if plain_domain and _LOCAL.fullmatch(local) and len(local) <= _MAX_LOCAL and len(address) <= MAX_ADDRESS:
        return f"{local}@{plain_domain}"
    return _unusual(address)


@lru_cache(maxsize=65_536)
def _plain_domain(domain: str) -> str | None:
    """Return an ordinary domain in lower case, None for anything that needs a closer look. Most rows share a few."""
    lowered = domain.lower()
    if len(lowered) > MAX_ADDRESS or "--" in lowered or not lowered.isascii():
        return None
    return lowered if _DOMAIN.fullmatch(lowered) else None


def _unusual(address: str) -> str:
    if not address:
        raise InvalidAddressError("There is no address.")
    if len(address) > MAX_ADDRESS:
        raise InvalidAddressError(f"The address is longer than {MAX_ADDRESS} characters.")
    if len(address.rpartition("@")[0].encode(errors="replace")) > _MAX_LOCAL:
        raise InvalidAddressError(f"The part before the @ is longer than {_MAX_LOCAL} bytes.")
    if _SUSPICIOUS.search(address) or address.startswith("-"):
        raise InvalidAddressError(
            "The address has a space, a control character or an angle bracket, or starts with '-'."
        )
    try:
        found = validate_email(address, check_deliverability=False, test_environment=True, allow_display_name=False)
    except EmailNotValidError as error:
        raise InvalidAddressError(str(error)) from error
    normalised = f"{found.local_part}@{found.ascii_domain}"
    if len(normalised) > MAX_ADDRESS:
        raise InvalidAddressError(f"The address is longer than {MAX_ADDRESS} characters.")
    return normalised
