"""Who is behind an address, for everything that counts per caller."""

from ipaddress import IPv6Network, ip_address


def subscriber(address: str) -> str:
    """Return the part of an address that its holder cannot change at will: an IPv6 address counts as its /64."""
    found = ip_address(address)
    return str(found if found.version == 4 else IPv6Network((found, 64), strict=False).network_address)
