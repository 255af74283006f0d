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


class MessageRetention:
    """Deletes a batch of words, contents and messages that are kept no longer."""

    name: ClassVar[str] = "messages"

    def interval(self, settings: CoordinatorSettings) -> float:  # noqa: ARG002 - not a setting
        """Return a minute: what is not to be kept goes soon after it was sent."""
        return _INTERVAL

    async def run_once(self, context: DutyContext) -> int:
        """Delete a batch of each; return how many rows."""
        settings = context.settings.message
        content = _before(settings.content_days * _DAY)
        deleted = 0
        async with context.leading() as connection:
            tag = await connection.execute(sql.expire_submissions, content, _before(0.0), _BATCH)
            deleted += _count(tag)
        async with context.leading() as connection:
            deleted += _count(await connection.execute(sql.expire_contents, content, _BATCH))
        if settings.days:
            async with context.leading() as connection:
                tag = await connection.execute(sql.expire_messages, _before(settings.days * _DAY), _BATCH)
                deleted += _count(tag)
        return deleted


def _before(seconds: float) -> UUID:
    """Return the smallest id of so long ago: ids are times."""
    return uuid7_floor(int((time.time() - seconds) * 1000))


def _count(tag: str) -> int:
    return int(tag.rpartition(" ")[2])
