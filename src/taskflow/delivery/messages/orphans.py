"""Settles messages whose task ended without them: no message waits for ever.

A task may end without its sender: quarantined after crashes, timed out for the last time, failed with an error that the
sender did not expect, cancelled or purged by somebody. The ledger hears of a task's end last, so a row that is still
open behind it is nobody's. One that was on the wire may have been delivered: it ends UNCERTAIN.
"""

from datetime import datetime, timedelta
from typing import ClassVar

from taskflow.base.logging import get_logger
from taskflow.delivery.messages.service import sql
from taskflow.engine.coordinator.duty import DutyContext
from taskflow.settings import CoordinatorSettings

log = get_logger(__name__)

_INTERVAL = 5.0
_BATCH = 5_000
_LOST_AFTER_SECONDS = 60.0  # a SENDING row without a live task cannot be on the wire any more
_LOOK_BACK = timedelta(minutes=5)  # ends that a long transaction commits late, and what is on the wire until it is lost


class MessageOrphans:
    """Looks at tasks that have ended badly since it last looked; once after an election, at all of them."""

    name: ClassVar[str] = "message_orphans"

    def __init__(self) -> None:
        """Begin with the oldest task that is kept."""
        self._since: datetime | None = None

    def interval(self, settings: CoordinatorSettings) -> float:  # noqa: ARG002 - not a setting
        """Return five seconds."""
        return _INTERVAL

    async def run_once(self, context: DutyContext) -> int:
        """Settle a batch; return how many messages."""
        since = self._since
        [(now, found)] = await context.database.pool.fetch(sql.look_for_orphans, since, _LOST_AFTER_SECONDS)
        settled = 0
        if found:
            async with context.leading() as connection:
                settled = await connection.fetchval(sql.settle_orphans, since, _LOST_AFTER_SECONDS, _BATCH)
        if settled:
            log.warning("message_orphans_settled", messages=settled)
        if settled < _BATCH:
            self._since = now - _LOOK_BACK
        return settled
