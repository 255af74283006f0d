"""Meeting queues: one that a worker serves by name, or got a task of, has a row from then on: it is known when empty.

Queues with tasks that have not ended need nobody for that: whoever lists queues sees them.
"""

from collections.abc import Iterable

from taskflow.db.pool import Database
from taskflow.engine.options import is_queue_name
from taskflow.engine.queues.terms import sql


class QueueMeeter:
    """The queues that one process has come across, and those of them that may have no row yet."""

    def __init__(self, database: Database) -> None:
        """Start without knowing any."""
        self._pool = database.pool
        self._known: set[str] = set()
        self._new: set[str] = set()

    def see(self, dispatch_keys: Iterable[str]) -> None:
        """Take in where tasks came from, or would; a name that no queue can have is left out."""
        names = {key.partition("/")[0] for key in dispatch_keys} - self._known
        self._new |= {name for name in names if is_queue_name(name)}

    async def run_once(self) -> int:
        """Write the rows of new ones; return how many were new to this process."""
        new = self._new
        if not new:
            return 0
        await self._pool.execute(sql.met, sorted(new))
        self._known |= new
        self._new = self._new - new
        return len(new)
