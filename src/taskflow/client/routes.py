"""Routes: what the router thinks of each provider, and a hand on its breaker."""

from collections.abc import AsyncIterator
from urllib.parse import quote

from taskflow.client.link import Link
from taskflow.delivery.router.schemas import RouteOut


class Routes:
    """Providers as the router sees them, by name. Everybody looks, operators switch."""

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

    async def _switch(self, name: str, state: str) -> RouteOut:
        return await self._link.ask(RouteOut, "POST", f"/routes/{quote(name, safe='')}/breaker", {"state": state})
