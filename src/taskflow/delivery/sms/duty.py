"""Sms retention: forgets replies and delivery reports that are old."""

from typing import ClassVar

from taskflow.delivery.sms.inbound.repository import sql
from taskflow.engine.coordinator.duty import DutyContext
from taskflow.settings import CoordinatorSettings

_INTERVAL = 3_600.0
_BATCH = 5_000


class SmsRetention:
    """Deletes what `TASKFLOW_SMS_KEEP_REPLIES_DAYS` says."""

    name: ClassVar[str] = "sms_retention"

    def interval(self, settings: CoordinatorSettings) -> float:  # noqa: ARG002 - not a setting
        """Return an hour."""
        return _INTERVAL

    async def run_once(self, context: DutyContext) -> int:
        """Delete a batch of each; return how many."""
        deleted = 0
        for statement in (sql.expire_replies, sql.expire_reports):
            async with context.leading() as connection:
                tag = await connection.execute(statement, context.settings.sms.keep_replies_days, _BATCH)
            deleted += int(tag.rpartition(" ")[2])
        return deleted
