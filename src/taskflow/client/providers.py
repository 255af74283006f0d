"""Providers: who carries messages."""

from collections.abc import AsyncIterator
from typing import Literal, Unpack
from uuid import UUID

from taskflow.client.fields import NewProviderFields, ProviderChangeFields
from taskflow.client.link import Link
from taskflow.delivery.providers.schemas import FoundOut, KindsOut, ProviderOut, RotatedOut


class Providers:
    """Who carries messages. Operators look and test, administrators change; secrets go in and never come out."""

    def __init__(self, link: Link) -> None:
        """Speak over `link`."""
        self._link = link

    async def kinds(self) -> KindsOut:
        """Return the kinds of providers with their fields, and the plugins that could not be loaded."""
        return await self._link.look(KindsOut, "/provider-kinds")

    async def add(self, **provider: Unpack[NewProviderFields]) -> ProviderOut:
        """Add a provider; ConflictError (`provider_name_taken`) when there is one of this name."""
        return await self._link.ask(ProviderOut, "POST", "/providers", provider, repeatable=False)

    async def get(self, provider_id: UUID) -> ProviderOut:
        """Return a provider."""
        return await self._link.look(ProviderOut, f"/providers/{provider_id}")

    def find(self, *, channel: Literal["email", "sms"] | None = None) -> AsyncIterator[ProviderOut]:
        """Iterate over providers, in the order in which they are asked."""
        return self._link.pages(ProviderOut, "/providers", channel=channel)

    async def change(self, provider_id: UUID, **changes: Unpack[ProviderChangeFields]) -> ProviderOut:
        """Change a provider; `settings` and `secrets` are merged, None in them goes back to the default."""
        return await self._link.ask(ProviderOut, "PATCH", f"/providers/{provider_id}", changes)

    async def test(self, provider_id: UUID) -> FoundOut:
        """Sign in at a provider, send nothing, and return what was found."""
        return await self._link.ask(FoundOut, "POST", f"/providers/{provider_id}/test")

    async def delete(self, provider_id: UUID, *, last: bool = False) -> None:
        """Delete a provider; ledgers keep its name. `last`: also the last one, before mail goes to the sandbox."""
        await self._link.tell("DELETE", f"/providers/{provider_id}", last=last)

    async def rotate_secrets(self) -> RotatedOut:
        """Wrap all secrets with the present secret key, after it was changed."""
        return await self._link.ask(RotatedOut, "POST", "/providers/rotate-secrets")
