"""Where a URL that somebody else gave may lead: the guard against requests into the house (SSRF).

A name is looked up once. Every address it has must be global, or in a network that the operator allows; then the
connection goes to one of these addresses (`base.guarded_http`), so that a second lookup cannot lead elsewhere. Plain
http goes only to allowed networks. Addresses that carry another one (IPv4 in IPv6, NAT64, 6to4) are judged by that.

What is global says `ipaddress`, whose tables differ between releases of Python: what IANA's registries of special
addresses list besides is named here.
"""

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAX_URL_CHARS = 2_000
_NAT64 = IPv6Network("64:ff9b::/96")
_SPECIAL: tuple[Network, ...] = (
    IPv4Network("192.0.0.0/24"),  # protocol assignments
    IPv4Network("192.88.99.0/24"),  # 6to4 relays, withdrawn
    IPv6Network("64:ff9b:1::/48"),  # NAT64 of a house: which bits are the IPv4 address is its own affair
    IPv6Network("3fff::/20"),  # documentation
    IPv6Network("5f00::/16"),  # segment routing
    IPv6Network("fec0::/10"),  # site-local, withdrawn
)
_PORTS = {"http": 80, "https": 443}


class RefusedUrlError(ValueError):
    """A URL cannot be asked, and the sentence says why; whoever was given it makes a domain error of that."""


class Target:
    """A URL taken apart and checked: scheme, host, port, and the path with its query."""

    __slots__ = ("host", "path", "port", "scheme", "url")

    def __init__(self, url: str) -> None:
        """Take `url` apart.

        Raises:
            RefusedUrlError: it is no http address, names a user, or is too long.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise RefusedUrlError(f"This is no address: {error}.") from error
        if parts.scheme not in _PORTS or not host:
            raise RefusedUrlError("The address begins with https:// and a host.")
        if "@" in parts.netloc:
            raise RefusedUrlError("The address names no user and no password.")
        if len(url) > MAX_URL_CHARS or not url.isascii() or any(char <= " " for char in url):
            raise RefusedUrlError(f"The address has at most {MAX_URL_CHARS:,} ASCII characters and no spaces.")
        self.url = url
        self.scheme = parts.scheme
        self.host = host
        self.port = port if port is not None else _PORTS[parts.scheme]
        self.path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    @property
    def host_header(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


class AddressGuard:
    """Looks names up and judges what comes of it."""

    def __init__(self, allowed: Sequence[Network] = (), *, setting: str = "an allowed network") -> None:
        """`allowed`: networks inside that may be reached; `setting`: what an operator calls them."""
        self._allowed = tuple(allowed)
        self._setting = setting

    async def find(self, target: Target) -> list[str]:
        """Return the addresses of a target, every one of which may be reached.

        Raises:
            RefusedUrlError: one may not, or there is none.
        """
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise RefusedUrlError(f"The name {target.host!r} cannot be looked up.") from error
        addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
        for text in addresses:
            if not self.may_reach(ip_address(text), plain=target.scheme == "http"):
                reason = (
                    "http:// goes only to networks in it" if target.scheme == "http" else "it is not a global address"
                )
                where = text if text == target.host else f"{target.host} is {text}, which"
                raise RefusedUrlError(f"{where} is not in {self._setting}, and {reason}.")
        return addresses

    def may_reach(self, address: Address, *, plain: bool) -> bool:
        """Tell whether a connection to an address is allowed; `plain`: without TLS."""
        inner = _inner(address)
        if _lies_in(inner, self._allowed):
            return True
        if plain or _lies_in(inner, _SPECIAL):
            return False
        return inner.is_global and not inner.is_multicast and not inner.is_reserved


def _lies_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _inner(address: Address) -> Address:
    """Return the address that another one stands for."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address
