"""Suppressions: who is not written to."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Literal, Unpack
from uuid import UUID

from taskflow.audience.suppression.schemas import SuppressionCheck, SuppressionImport, SuppressionOut
from taskflow.client.fields import NewSuppressionFields, SuppressionFormFields
from taskflow.client.link import Link
from taskflow.client.wire import File


class Suppressions:
    """Who is not written to, and why."""

    def __init__(self, link: Link) -> None:
        """Speak over `link`."""
        self._link = link

    async def add(self, **suppression: Unpack[NewSuppressionFields]) -> SuppressionOut:
        """Write to an address, a number or a domain no more; one that is there already is returned."""
        return await self._link.ask(SuppressionOut, "POST", "/suppressions", suppression)

    async def check(self, address: str, channel: Literal["email", "sms"] = "email") -> SuppressionCheck:
        """Say what keeps an address or a number from being written to: itself, its domain, an erasure."""
        return await self._link.look(SuppressionCheck, "/suppressions/check", address=address, channel=channel)

    async def get(self, suppression_id: UUID) -> SuppressionOut:
        """Return a suppression."""
        return await self._link.look(SuppressionOut, f"/suppressions/{suppression_id}")

    def find(
        self,
        *,
        channel: Literal["email", "sms"] | None = None,
        list_id: UUID | None = None,
        reason: str | None = None,
        search: str | None = None,
    ) -> AsyncIterator[SuppressionOut]:
        """Iterate over suppressions, newest first; `search` is part of the address."""
        return self._link.pages(
            SuppressionOut, "/suppressions", channel=channel, list_id=list_id, reason=reason, search=search
        )

    async def delete(self, suppression_id: UUID) -> None:
        """Lift a suppression; ConflictError (`suppression_of_erased`) for what an erasure has left."""
        await self._link.tell("DELETE", f"/suppressions/{suppression_id}")

    async def import_file(self, file: File, **how: Unpack[SuppressionFormFields]) -> SuppressionImport:
        """Suppress every address of a file, all or nothing."""
        return await self._link.upload(SuppressionImport, "/suppressions/import", file, how)

    def export(
        self, *, channel: Literal["email", "sms"] | None = None, list_id: UUID | None = None
    ) -> AsyncGenerator[bytes]:
        """Iterate over the bytes of a CSV file with suppressions, oldest first."""
        return self._link.stream("/suppressions/export.csv", channel=channel, list_id=list_id)
