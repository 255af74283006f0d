"""Unconfirmed: forgets who came by a public form and never confirmed.

Anybody can type anybody's address into a form. Once the link is too old, there is no reason left to keep it.
"""

from typing import ClassVar

from taskflow.audience.consent.repository import sql
from taskflow.engine.coordinator.duty import DutyContext
from taskflow.settings import CoordinatorSettings

_INTERVAL = 3_600.0
_BATCH = 1_000


class Unconfirmed:
    """Deletes contacts whose confirmation nobody waits for any more."""

    name: ClassVar[str] = "unconfirmed"

    def interval(self, settings: CoordinatorSettings) -> float:  # noqa: ARG002 - not a setting
        """Return an hour."""
        return _INTERVAL

    async def run_once(self, context: DutyContext) -> int:
        """Delete a batch; return how many."""
        async with context.leading() as connection:
            tag = await connection.execute(sql.forget_unconfirmed, context.settings.audience.confirm_days, _BATCH)
        return int(tag.rpartition(" ")[2])
