"""Questions to DNS whose answers nobody trusts: bounded in number, time and size, and never a traceback.

One resolver serves one check: what was asked once is remembered, and a zone whose records send us on and on comes to
the end of a budget. Names that do not exist, or hold no such record, are an empty answer; what could not be found out
is an error with its reason.
"""

import asyncio
import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.nameserver
import dns.resolver
import dns.reversename

from taskflow.base.errors import ConfigurationError, UnavailableError
from taskflow.settings.domain import DomainSettings

Address = IPv4Address | IPv6Address

_MOST_QUESTIONS = 150
_MOST_RECORDS = 50
_MOST_BYTES = 8_192
_AT_ONCE = 8
_PORT = 53
_WITH_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):(\d{1,5})")


class LookupFailedError(UnavailableError):
    """The name servers did not answer."""

    code = "dns_lookup_failed"


class Resolver:
    """Asks, once a question."""

    def __init__(self, settings: DomainSettings) -> None:
        """Ask the resolvers of the settings, or those of this machine.

        Raises:
            ConfigurationError: a name server of the settings is no address.
            LookupFailedError: there are none.
        """
        self._asked: dict[tuple[str, str], asyncio.Task[list[Any]]] = {}
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._timeout = settings.dns_timeout
        try:
            self._resolver = dns.asyncresolver.Resolver(configure=not settings.nameservers)
        except dns.exception.DNSException as error:
            raise LookupFailedError("This machine names no resolver: set TASKFLOW_DOMAIN_NAMESERVERS.") from error
        if settings.nameservers:
            self._resolver.nameservers = [_nameserver(text) for text in settings.nameservers]

    async def txt(self, name: str) -> list[str]:
        """Return the TXT records of a name, the strings of each put together.

        Raises:
            LookupFailedError: nobody could tell.
        """
        return [_text(b"".join(one.strings)) for one in await self._ask(name, "TXT")]

    async def mx(self, name: str) -> list[tuple[int, str]]:
        """Return mail servers by preference; the name `""` says that there is none (RFC 7505); raises like `txt`."""
        found = await self._ask(name, "MX")
        return sorted((one.preference, str(one.exchange).rstrip(".").lower()) for one in found)

    async def addresses(self, name: str) -> list[Address]:
        """Return the addresses of a name, of both kinds; raises like `txt`."""
        both = await asyncio.gather(self._ask(name, "A"), self._ask(name, "AAAA"))
        return [ip_address(one.address) for found in both for one in found]

    async def names(self, address: Address) -> list[str]:
        """Return the names that an address has by PTR; raises like `txt`."""
        found = await self._ask(dns.reversename.from_address(str(address)).to_text(), "PTR")
        return [str(one.target).rstrip(".").lower() for one in found]

    async def _ask(self, name: str, kind: str) -> list[Any]:
        question = name.rstrip(".").lower(), kind
        asking = self._asked.get(question)
        if asking is None:
            if len(self._asked) >= _MOST_QUESTIONS:
                raise LookupFailedError(f"The zone asks for more than {_MOST_QUESTIONS} lookups.")
            asking = asyncio.create_task(self._resolve(*question))
            asking.add_done_callback(lambda task: task.cancelled() or task.exception())  # perhaps nobody waits any more
            self._asked[question] = asking
        return await asyncio.shield(asking)

    async def _resolve(self, name: str, kind: str) -> list[Any]:
        async with self._slots:
            try:
                answer = await self._resolver.resolve(
                    name, kind, search=False, raise_on_no_answer=False, lifetime=self._timeout
                )
            except dns.resolver.NXDOMAIN:
                return []
            except dns.exception.Timeout as error:
                raise LookupFailedError(f"{kind} of {_shown(name)}: no answer in {self._timeout:g} s.") from error
            except (dns.exception.DNSException, OSError, EOFError, ValueError) as error:
                raise LookupFailedError(f"{kind} of {_shown(name)}: {type(error).__name__}.") from error
        return list(answer.rrset or ())[:_MOST_RECORDS]


def _nameserver(text: str) -> dns.nameserver.Nameserver:
    host, port = text, _PORT
    match = _WITH_PORT.fullmatch(text)
    if match is not None:
        host, port = match[1] or match[2], int(match[3])
    try:
        address = str(ip_address(host))
    except ValueError:
        address = ""
    if not address or not 0 < port < 65536:
        raise ConfigurationError(f"TASKFLOW_DOMAIN_NAMESERVERS: {text!r} is no address with a port.")
    return dns.nameserver.Do53Nameserver(address, port)


def _text(data: bytes) -> str:
    """Return a record's text as it may be stored and shown: cut, and without control characters."""
    text = data[:_MOST_BYTES].decode("utf-8", "replace")
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def _shown(name: str) -> str:
    return name[:100].encode("ascii", "backslashreplace").decode()
