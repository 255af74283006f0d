"""Events of messages without a campaign, for live views: `message.status`, told after the commit.

No sender waits for it: what comes up while Redis is being told goes in the next call. What Redis does not take is lost
to live views only; the rows have it.
"""

import asyncio
from collections.abc import Mapping
from typing import Self
from uuid import UUID

from redis.exceptions import RedisError

from taskflow.base.logging import get_logger
from taskflow.broker.redis.events import Event, EventStream

log = get_logger(__name__)


class MessageNotices:
    """Tells of the messages of one process."""

    def __init__(self, events: EventStream) -> None:
        """Tell nothing yet."""
        self._events = events
        self._untold: list[tuple[UUID, str]] = []
        self._telling: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Tell what has not been told."""
        if self._telling is not None:
            await self._telling

    def tell(self, statuses: Mapping[UUID, str]) -> None:
        """Tell soon that messages have these statuses now."""
        self._untold.extend(statuses.items())
        if self._untold and (self._telling is None or self._telling.done()):
            self._telling = asyncio.create_task(self._tell_all(), name="message-notices")

    async def _tell_all(self) -> None:
        while self._untold:
            told, self._untold = self._untold, []
            try:
                await self._events.publish(_event(message_id, status) for message_id, status in told)
            except (RedisError, OSError) as error:
                log.warning("notices_lost", messages=len(told), error=str(error) or type(error).__name__)


def _event(message_id: UUID, status: str) -> Event:
    return Event(f"message:{message_id}", "message.status", {"message_id": str(message_id), "status": status})
