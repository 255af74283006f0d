"""Dead letters: requeued as the policies of their tasks say, and deleted after `dead_letter_days`, a batch at a time.

A policy looks at a letter once and writes down when it is due; a changed policy looks anew. The requeue is the one that
a person would do (`dependencies/steering.py`), in the transaction that marks the letter.
"""

from typing import ClassVar

from taskflow.db.queries import load
from taskflow.engine.coordinator.duty import DutyContext
from taskflow.engine.dependencies.steering import restart_in
from taskflow.settings import CoordinatorSettings

sql = load(__file__, "dead_letters.sql")

BATCH = 5000
RETRIES = 500


class DeadLetters:
    """Carries out retry policies and ends the retention of dead letters."""

    name: ClassVar[str] = "dead_letters"

    def interval(self, settings: CoordinatorSettings) -> float:
        """Return `dead_letters_seconds`."""
        return settings.dead_letters_seconds

    async def run_once(self, context: DutyContext) -> int:
        """Judge, retry and delete up to a batch of letters each; return how many."""
        days = context.settings.coordinator.dead_letter_days
        if not await context.database.pool.fetchval(sql.something_to_do, days):
            return 0
        async with context.leading() as connection:
            judged = _count(await connection.execute(sql.judge, RETRIES))
        retried = await self._retry(context)
        async with context.leading() as connection:
            return judged + retried + _count(await connection.execute(sql.expire_dead_letters, days, BATCH))

    @staticmethod
    async def _retry(context: DutyContext) -> int:
        """Start the tasks of due letters over; return how many letters are dealt with."""
        async with context.leading() as connection:
            due = await connection.fetch(sql.due_for_retry, RETRIES)
            if not due:
                return 0
            restarted = await restart_in(connection, {row["task_id"] for row in due})
            letters = sorted(row["dlq_id"] for row in due)
            await connection.execute(sql.note_retried, letters, restarted.task_ids)
        context.check()
        await restarted.announce(context.broker)
        return len(due)


def _count(tag: str) -> int:
    return int(tag.rpartition(" ")[2])
