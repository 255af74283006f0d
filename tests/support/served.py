"""What tasks themselves have written down of when they ran: the witness of limits."""

from datetime import datetime

from taskflow.db.pool import Database

TABLE = """
CREATE TABLE served (
  task_id uuid, epoch integer, tenant text, started_at timestamptz, ended_at timestamptz, PRIMARY KEY (task_id, epoch)
)"""

MOST_AT_ONCE = """
WITH steps AS (
  SELECT tenant, started_at AS at, 1 AS step FROM served
  UNION ALL
  SELECT tenant, coalesce(ended_at, $1), -1 FROM served
)
SELECT coalesce(max(running), 0)
FROM (SELECT sum(step) OVER (PARTITION BY tenant ORDER BY at, step) AS running FROM steps) AS counted
"""


async def most_at_once(database: Database, killed_at: datetime | None = None) -> int:
    """Return how many of one tenant ever ran at a time; what has no end ended when its node was killed."""
    most: int = await database.pool.fetchval(MOST_AT_ONCE, killed_at)
    return most
