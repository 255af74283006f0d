"""What holds campaigns up, said where a person looks: `campaigns.error_message`.

A provider that cannot be reached, refuses our password or has no room is nobody's attempt; the tasks come back later,
and the campaign says why nothing moves. The message goes with the first window that gets through. Senders only leave
notes here; a task of its own writes them, at most once a second.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self
from uuid import UUID

from taskflow.base.logging import get_logger
from taskflow.campaigns.repository import CampaignRepository

log = get_logger(__name__)

_WRITE_SECONDS = 1.0


class FaultBoard:
    """The faults that this process knows of, by campaign."""

    def __init__(self, repository: CampaignRepository) -> None:
        """Use `FaultBoard.open`."""
        self._repository = repository
        self._said: dict[UUID, str | None] = {}
        self._news: dict[UUID, str | None] = {}
        self._changed = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(cls, repository: CampaignRepository) -> AsyncIterator[Self]:
        """Run the writer as long as the board is used."""
        board = cls(repository)
        writer = asyncio.create_task(board._write())
        try:
            yield board
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    def failed(self, campaign_id: UUID, reason: str, *, waits_for: str = "a provider") -> None:
        """Note why a campaign's messages cannot be sent now."""
        self._note(campaign_id, f"Waiting for {waits_for}: {reason}")

    def succeeded(self, campaign_id: UUID) -> None:
        """Note that they can."""
        if self._said.get(campaign_id, "") is not None:
            self._note(campaign_id, None)

    def _note(self, campaign_id: UUID, message: str | None) -> None:
        self._news[campaign_id] = message
        self._changed.set()

    async def _write(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            news, self._news = self._news, {}
            for campaign_id, message in news.items():
                if self._said.get(campaign_id, "") == message:
                    continue
                try:
                    is_news = await self._repository.set_wait(campaign_id, message)
                except Exception:
                    log.warning("fault_not_written", campaign_id=str(campaign_id), exc_info=True)
                else:
                    self._said[campaign_id] = message
                    if message is not None and not is_news:
                        del self._said[campaign_id]  # it is paused: it may have to be said again when it goes on
            await asyncio.sleep(_WRITE_SECONDS)
