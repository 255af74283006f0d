"""Dead letters: kept for `dead_letter_days`, then deleted, a batch at a time."""

from typing import ClassVar

from taskflow.db.queries import load
from taskflow.engine.coordinator.duty import DutyContext
from taskflow.settings import CoordinatorSettings

sql = load(__file__)

BATCH = 5000
_INTERVAL = 300.0


class DeadLetters:
    """Ends the retention of dead letters."""

    name: ClassVar[str] = "dead_letters"

    def interval(self, settings: CoordinatorSettings) -> float:  # noqa: ARG002 - not a setting
        """Return five minutes."""
        return _INTERVAL

    async def run_once(self, context: DutyContext) -> int:
        """Delete up to a batch of expired dead letters; return how many."""
        async with context.leading() as connection:
            tag = await connection.execute(
                sql.expire_dead_letters, context.settings.coordinator.dead_letter_days, BATCH
            )
        return int(tag.rpartition(" ")[2])
