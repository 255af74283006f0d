"""DMARC (RFC 7489): the policy of a From domain, and which domains are aligned with it."""

from dataclasses import dataclass

from taskflow.delivery.domains.models import primary_domain
from taskflow.delivery.domains.resolver import Resolver


@dataclass(frozen=True, slots=True)
class Dmarc:
    """A policy as published: where it stands, its tags, and what is wrong with it."""

    where: str
    tags: dict[str, str]
    problem: str | None = None

    @property
    def policy(self) -> str:
        """What receivers do with mail that fails: none, quarantine, reject."""
        return self.tags.get("p", "none").lower()

    def aligned(self, domain: str, from_domain: str, tag: str) -> bool:
        """Tell whether a domain stands for the From domain. `tag`: `adkim` for `d=`, `aspf` for the return path."""
        if self.tags.get(tag, "r").lower() == "s":
            return domain == from_domain
        return primary_domain(domain) == primary_domain(from_domain) or domain == from_domain


async def published(resolver: Resolver, domain: str) -> Dmarc | None:
    """Return the policy of a domain, or of the domain that it belongs to; None when there is none.

    Raises:
        LookupFailedError: nobody could tell.
    """
    for one in dict.fromkeys((domain, primary_domain(domain) or domain)):
        where = f"_dmarc.{one}"
        found = [text for text in await resolver.txt(where) if text.lstrip().lower().startswith("v=dmarc1")]
        if len(found) > 1:
            return Dmarc(where, {}, "there are several records, so receivers use none")
        if found:
            return _parse(where, found[0])
    return None


def _parse(where: str, text: str) -> Dmarc:
    tags: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if part.strip() and not equals:
            return Dmarc(where, tags, f"{part.strip()[:60]!r} is no tag")
        if equals:
            tags.setdefault(name.strip().lower(), value.strip())
    if tags.get("p", "").lower() not in ("none", "quarantine", "reject"):
        return Dmarc(where, tags, "`p=` says none of none, quarantine and reject")
    return Dmarc(where, tags)
