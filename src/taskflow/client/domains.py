"""Sending domains: their DKIM keys, what to put in the zone, and what the doctor finds."""

from collections.abc import AsyncIterator
from urllib.parse import quote

from taskflow.client.link import Link
from taskflow.delivery.domains.schemas import DkimKeyOut, DomainDetail, DomainOut, ReturnPathOut

_CHECK_SECONDS = 120.0


class Domains:
    """Domains that mail is sent from. Everybody looks, marketers check, administrators change."""

    def __init__(self, link: Link) -> None:
        """Speak over `link`."""
        self._link = link

    async def add(self, domain: str, *, return_path_domain: str | None = None) -> DomainDetail:
        """Register a domain and make its DKIM keys; ConflictError (`domain_exists`) when it is there.

        `records` of the answer is what to put in the zone; `check` lets the keys sign once DNS shows them.
        """
        body = {"domain": domain, "return_path_domain": return_path_domain}
        return await self._link.ask(DomainDetail, "POST", "/domains", body, repeatable=False)

    async def get(self, domain: str) -> DomainDetail:
        """Return a domain with the last check, and how much of its mail goes to Gmail."""
        return await self._link.look(DomainDetail, _path(domain))

    def find(self) -> AsyncIterator[DomainOut]:
        """Iterate over domains by name."""
        return self._link.pages(DomainOut, "/domains")

    async def keys(self, domain: str) -> list[DkimKeyOut]:
        """Return a domain's DKIM keys: those that wait for DNS, those that sign, those that are retired."""
        return (await self.get(domain)).keys

    async def check(self, domain: str) -> DomainDetail:
        """Ask DNS and mail servers about a domain, half a minute at most; waiting keys that DNS shows begin to sign."""
        return await self._link.ask(DomainDetail, "POST", f"{_path(domain)}/check", seconds=_CHECK_SECONDS)

    async def rotate(self, domain: str, *, force: bool = False) -> DomainDetail:
        """Make the next keys, or let those that DNS shows take over; `force`: also those that it does not show.

        ConflictError (`dkim_not_published`) while DNS shows none of them.
        """
        return await self._link.ask(DomainDetail, "POST", f"{_path(domain)}/rotate", {"force": force}, repeatable=False)

    async def set_return_path(self, domain: str, return_path_domain: str | None) -> DomainDetail:
        """Let bounces go to addresses of another domain; None: to the sender's own."""
        body = {"return_path_domain": return_path_domain}
        return await self._link.ask(DomainDetail, "PATCH", _path(domain), body)

    async def delete(self, domain: str) -> None:
        """Forget a domain and its keys; its mail leaves unsigned from then on."""
        await self._link.tell("DELETE", _path(domain))

    async def whose(self, address: str) -> ReturnPathOut:
        """Return which message a return path belongs to, to which a bounce came."""
        return await self._link.look(ReturnPathOut, f"/return-paths/{quote(address, safe='')}")


def _path(domain: str) -> str:
    return f"/domains/{quote(domain, safe='')}"
