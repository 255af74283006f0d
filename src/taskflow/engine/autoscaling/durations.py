"""How long tasks of each queue take, measured on their newest attempts.

A sample is bounded, so a quiet queue may have no attempt in it. What was measured of it before is then still known.
"""

import asyncio
import time

from taskflow.db.pool import Database
from taskflow.db.queries import load

sql = load(__file__)

ASSUMED_SECONDS = 1.0  # of a queue that nothing is known of yet
_SAMPLE = 2_000
_FRESH_SECONDS = 5.0
_MOST_QUEUES = 1_000


class DurationMeter:
    """Measures at most every five seconds, and remembers."""

    def __init__(self, database: Database) -> None:
        """Take the pools."""
        self._pool = database.hot
        self._lock = asyncio.Lock()
        self._known: dict[str, float] = {}
        self._fresh_until = 0.0

    async def read(self) -> dict[str, float]:
        """Return the mean seconds of a task by queue, where they are known."""
        async with self._lock:
            if time.monotonic() >= self._fresh_until:
                rows = await self._pool.fetch(sql.task_seconds, _SAMPLE)
                self._known |= {row["queue"]: row["seconds"] for row in rows}
                while len(self._known) > _MOST_QUEUES:
                    del self._known[next(iter(self._known))]
                self._fresh_until = time.monotonic() + _FRESH_SECONDS
            return self._known
