"""What is stored about one person: a copy of it, and its erasure."""

from collections.abc import AsyncIterator
from typing import Unpack
from uuid import UUID

from taskflow.client.fields import ErasureFields, PersonFields
from taskflow.client.link import Link
from taskflow.privacy.schemas import ErasureOut, PersonalData


class Privacy:
    """A person's rights; an administrator's key is needed."""

    def __init__(self, link: Link) -> None:
        """Speak over `link`."""
        self._link = link

    async def export(self, **person: Unpack[PersonFields]) -> PersonalData:
        """Return everything that is stored about one person; NotFoundError when that is nothing."""
        return await self._link.ask(PersonalData, "POST", "/privacy/exports", person)

    async def erase(self, **person: Unpack[ErasureFields]) -> ErasureOut:
        """Erase one person everywhere, in the background; from now on nobody writes to them."""
        return await self._link.ask(ErasureOut, "POST", "/privacy/erasures", person)

    async def wait(
        self,
        erasure_id: UUID,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - what callers expect to write
    ) -> ErasureOut:
        """Wait until an erasure is proved: every place was counted again and nothing is left.

        Raises:
            WaitTimeoutError: it has not ended in time; it goes on.
        """
        return await self._link.watch(
            ErasureOut,
            f"/privacy/erasures/{erasure_id}",
            f"task:{erasure_id}",
            lambda erasure: erasure.status == "COMPLETED",
            timeout=timeout,
        )

    async def get(self, erasure_id: UUID) -> ErasureOut:
        """Return an erasure and what it found."""
        return await self._link.look(ErasureOut, f"/privacy/erasures/{erasure_id}")

    def find(self) -> AsyncIterator[ErasureOut]:
        """Iterate over erasures, newest first; none says who it was."""
        return self._link.pages(ErasureOut, "/privacy/erasures")
