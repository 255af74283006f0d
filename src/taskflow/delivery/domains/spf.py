"""SPF (RFC 7208): read, followed through includes and redirects, and judged for the addresses that mail leaves from.

Receivers give up after ten terms that ask DNS, and after two that find nothing; so are they counted here. Macros are
not expanded: a term with one counts as a lookup and matches nothing, and is told.
"""

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import TypeVar

from taskflow.delivery.domains.resolver import Address, Resolver

T = TypeVar("T")

MOST_LOOKUPS = 10
MOST_VOID = 2
_GIVE_UP = 40  # lookups that are counted, for the sentence
_MOST_MX = 10
_TERM = re.compile(
    r"(?P<qualifier>[+?~-]?)(?P<name>all|include|a|mx|ptr|ip4|ip6|exists)"
    r"(?::(?P<value>[^/\s]+))?(?P<cidr>(?:/\d{1,3}){0,1}(?://\d{1,3})?)",
    re.IGNORECASE,
)
_IP = re.compile(r"(?P<qualifier>[+?~-]?)(?P<name>ip[46]):(?P<value>[0-9A-Fa-f:.]+(?:/\d{1,3})?)", re.IGNORECASE)
_MODIFIER = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9._-]*)=(?P<value>\S*)")
_RESULTS = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral", "": "pass"}


class SpfError(Exception):
    """The record cannot be used: receivers answer `permerror`."""


@dataclass(frozen=True, slots=True)
class Term:
    """One mechanism."""

    qualifier: str
    name: str
    value: str | None
    cidr4: int = 32
    cidr6: int = 128


@dataclass(frozen=True, slots=True)
class Policy:
    """A record taken apart."""

    text: str
    terms: tuple[Term, ...]
    redirect: str | None = None

    @property
    def allows_everybody(self) -> bool:
        """Whether it ends by letting all mail pass."""
        return any(term.name == "all" and term.qualifier in ("", "+") for term in self.terms)


@dataclass(slots=True)
class Walk:
    """What following a record has cost."""

    lookups: int = 0
    void: int = 0
    macros: list[str] = field(default_factory=list)
    followed: set[str] = field(default_factory=set)  # domains whose records count, in lower case


async def published(resolver: Resolver, domain: str) -> list[str]:
    """Return the SPF records of a domain.

    Raises:
        LookupFailedError: nobody could tell.
    """
    return [text for text in await resolver.txt(domain) if re.match(r"v=spf1(?: |$)", text, re.IGNORECASE)]


def parse(text: str) -> Policy:
    """Take a record apart.

    Raises:
        SpfError: a term is none that SPF knows.
    """
    terms: list[Term] = []
    redirect: str | None = None
    for word in text.split()[1:]:
        modifier = _MODIFIER.fullmatch(word)
        if modifier is not None:
            if modifier["name"].lower() == "redirect":
                if redirect is not None or not modifier["value"]:
                    raise SpfError(f"{word[:80]!r}: redirect stands once, with a domain")
                redirect = modifier["value"]
            continue
        terms.append(_term(word))
    if any(term.name == "all" for term in terms):
        redirect = None
    return Policy(text, tuple(terms), redirect)


async def judge(resolver: Resolver, domain: str, address: Address | None, walk: Walk) -> str:
    """Return what a receiver says about mail from an address: pass, fail, softfail or neutral.

    Without an address every term is followed and none matches: what a receiver does in the worst case.

    Raises:
        SpfError: a receiver would say `permerror`; the text says why.
        LookupFailedError: nobody could tell.
    """
    records = await published(resolver, domain)
    if len(records) != 1:
        raise SpfError(f"{domain[:100]} has {'no SPF record' if not records else f'{len(records)} SPF records'}")
    policy = parse(records[0])
    walk.followed.add(domain.lower().rstrip("."))
    for term in policy.terms:
        if await _matches(resolver, domain, term, address, walk):
            return _RESULTS[term.qualifier]
    if policy.redirect is not None:
        _count(walk)
        if "%" in policy.redirect:
            walk.macros.append(f"redirect={policy.redirect}")
            return "neutral"
        return await judge(resolver, policy.redirect, address, walk)
    return "neutral"


async def _matches(resolver: Resolver, domain: str, term: Term, address: Address | None, walk: Walk) -> bool:
    if term.name == "all":
        return address is not None
    if term.name in ("ip4", "ip6"):
        return address is not None and address in ip_network(term.value or "", strict=False)
    _count(walk)
    target = term.value or domain
    if "%" in target:
        walk.macros.append(f"{term.name}:{target}")
        return False
    match term.name:
        case "include":
            return await judge(resolver, target, address, walk) == "pass"
        case "exists":
            found = _noted(await resolver.addresses(target), walk)
            return address is not None and bool(found)
        case "a":
            return _among(address, _noted(await resolver.addresses(target), walk), term)
        case "mx":
            servers = _noted(await resolver.mx(target), walk)
            if len(servers) > _MOST_MX:
                raise SpfError(f"mx:{target[:80]} names more than {_MOST_MX} servers")
            found = [one for _, server in servers if server for one in await resolver.addresses(server)]
            return _among(address, found, term)
        case _:  # ptr: nobody should use it, and few receivers do
            return False


def _term(word: str) -> Term:
    match = _IP.fullmatch(word) or _TERM.fullmatch(word)
    if match is None:
        raise SpfError(f"{word[:80]!r} is no term of SPF")
    name, value = match["name"].lower(), match["value"]
    if name in ("ip4", "ip6"):
        try:
            network = ip_network(value or "", strict=False)
        except ValueError as error:
            raise SpfError(f"{word[:80]!r} names no network") from error
        if network.version != int(name[2]):
            raise SpfError(f"{word[:80]!r} names a network of the other kind")
        return Term(match["qualifier"], name, value)
    if name in ("include", "exists") and not value:
        raise SpfError(f"{word[:80]!r} names no domain")
    four, _, six = match["cidr"].lstrip("/").partition("//") if match["cidr"] else ("", "", "")
    if match["cidr"].startswith("//"):
        four, six = "", match["cidr"][2:]
    cidr4, cidr6 = int(four or 32), int(six or 128)
    if cidr4 > 32 or cidr6 > 128:
        raise SpfError(f"{word[:80]!r} names no network")
    return Term(match["qualifier"], name, value, cidr4, cidr6)


def _count(walk: Walk) -> None:
    walk.lookups += 1
    if walk.lookups >= _GIVE_UP:
        raise SpfError(f"it takes {_GIVE_UP} lookups or more, perhaps in a circle; receivers stop at {MOST_LOOKUPS}")


def _noted(found: list[T], walk: Walk) -> list[T]:
    walk.void += not found
    return found


def _among(address: Address | None, found: list[Address], term: Term) -> bool:
    if isinstance(address, IPv4Address):
        return any(address in ip_network((one, term.cidr4), strict=False) for one in found if one.version == 4)
    if isinstance(address, IPv6Address):
        return any(address in ip_network((one, term.cidr6), strict=False) for one in found if one.version == 6)
    return False
