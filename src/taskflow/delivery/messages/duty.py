"""Ends the retention of messages: first of what they say, then of the messages themselves."""

from datetime import UTC, datetime, timedelta
from typing import ClassVar

from taskflow.base.ids import uuid7_floor
from taskflow.delivery.messages.service import sql
from taskflow.engine.coordinator.duty import DutyContext
from taskflow.settings import CoordinatorSettings

_INTERVAL = 60.0
_BATCH = 1_000
_NEVER = datetime.fromtimestamp(0, UTC)


class MessageRetention:
    """Deletes a batch of words, contents and messages that are kept no longer."""

    name: ClassVar[str] = "messages"

    def interval(self, settings: CoordinatorSettings) -> float:  # noqa: ARG002 - not a setting
        """Return a minute: what is not to be kept goes soon after it was sent."""
        return _INTERVAL

    async def run_once(self, context: DutyContext) -> int:
        """Delete a batch of each; return how many rows."""
        settings = context.settings.message
        ends = [_ago(settings.content_days), _ago(settings.days) if settings.days else _NEVER]
        before = *(uuid7_floor(int(end.timestamp() * 1000)) for end in ends), *ends  # ids are times
        # Asked first: whoever leads and is stopped inside of a transaction holds up the next leader.
        if not await context.database.pool.fetchval(sql.is_something_old, *before):
            return 0
        async with context.leading() as connection:
            deleted: int = await connection.fetchval(sql.expire, *before, _BATCH)
        return deleted


def _ago(days: int) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)
