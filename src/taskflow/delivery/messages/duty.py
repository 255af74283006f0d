"""Ends the retention of messages: first of what they say, then of the messages themselves."""

import time
from typing import Any, ClassVar
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
        content = _before(settings.content_days)
        work: list[tuple[str, tuple[Any, ...]]] = [
            (sql.expire_unkept, (_BATCH,)),
            (sql.expire_submissions, (content, _BATCH)),
            (sql.expire_contents, (content, _BATCH)),
        ]
        if settings.days:
            work.append((sql.expire_messages, (_before(settings.days), _BATCH)))
        deleted = 0
        for statement, arguments in work:
            async with context.leading() as connection:
                tag = await connection.execute(statement, *arguments)
            deleted += int(tag.rpartition(" ")[2])
        return deleted


def _before(days: int) -> UUID:
    """Return the smallest id of so long ago: ids are times."""
    return uuid7_floor(int((time.time() - days * _DAY) * 1000))
