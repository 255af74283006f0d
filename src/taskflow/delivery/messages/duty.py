"""Ends the retention of messages: first of what they say, then of the messages themselves."""

import time
from typing import ClassVar
from uuid import UUID

from taskflow.base.ids import uuid7_floor
from taskflow.delivery.messages.service import sql
from taskflow.engine.coordinator.duty import DutyContext
from taskflow.settings import CoordinatorSettings

_INTERVAL = 60.0
_BATCH = 1_000
_DAY = 86_400.0
_NEVER = UUID(int=0)


class MessageRetention:
    """Deletes a batch of words, contents and messages that are kept no longer."""

    name: ClassVar[str] = "messages"

    def interval(self, settings: CoordinatorSettings) -> float:  # noqa: ARG002 - not a setting
        """Return a minute: what is not to be kept goes soon after it was sent."""
        return _INTERVAL

    async def run_once(self, context: DutyContext) -> int:
        """Delete a batch of each; return how many rows."""
        settings = context.settings.message
        before = _before(settings.content_days), _before(settings.days) if settings.days else _NEVER
        # Asked first: whoever leads and is stopped inside of a transaction holds up the next leader.
        if not await context.database.pool.fetchval(sql.is_something_old, *before):
            return 0
        async with context.leading() as connection:
            deleted: int = await connection.fetchval(sql.expire, *before, _BATCH)
        return deleted


def _before(days: int) -> UUID:
    """Return the smallest id of so long ago: ids are times."""
    return uuid7_floor(int((time.time() - days * _DAY) * 1000))
