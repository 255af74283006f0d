"""Routes: what providers and recipient domains are doing, and a hand on breakers and limits."""

from collections.abc import AsyncIterator
from urllib.parse import quote

from taskflow.client.link import Link
from taskflow.delivery.router.schemas import RecipientDomainOut, RouteOut


class Routes:
    """How messages find their providers. Everybody looks, operators switch and limit."""

    def __init__(self, link: Link) -> None:
        """Speak over `link`."""
        self._link = link

    def find(self) -> AsyncIterator[RouteOut]:
        """Iterate over providers in the order in which they are asked: breaker, budgets, why one takes nothing."""
        return self._link.pages(RouteOut, "/routes")

    async def stop(self, name: str) -> RouteOut:
        """Give a provider nothing more, until `force` or `auto`."""
        return await self._switch(name, "open")

    async def force(self, name: str) -> RouteOut:
        """Give a provider messages although it fails, until `stop` or `auto`."""
        return await self._switch(name, "closed")

    async def auto(self, name: str) -> RouteOut:
        """Let a provider's breaker decide by itself again."""
        return await self._switch(name, "auto")

    def domains(self, *, throttled: bool = False) -> AsyncIterator[RecipientDomainOut]:
        """Iterate over recipient domains that have a limit or have asked for less; `throttled`: that get less now."""
        return self._link.pages(RecipientDomainOut, "/routes/domains", throttled=throttled)

    async def limit_domain(
        self,
        domain: str,
        *,
        per_second: int | None = None,
        per_minute: int | None = None,
        per_day: int | None = None,
    ) -> None:
        """Limit what goes to a recipient domain, over all providers; None: no limit of that span."""
        limit = {"per_second": per_second, "per_minute": per_minute, "per_day": per_day}
        await self._link.tell("PUT", _path(domain), limit)

    async def unlimit_domain(self, domain: str) -> None:
        """Take the limit of a recipient domain away; NotFoundError (`domain_limit_not_found`) when it has none."""
        await self._link.tell("DELETE", _path(domain))

    async def _switch(self, name: str, state: str) -> RouteOut:
        return await self._link.ask(RouteOut, "POST", f"/routes/{quote(name, safe='')}/breaker", {"state": state})


def _path(domain: str) -> str:
    return f"/routes/domains/{quote(domain, safe='')}"
