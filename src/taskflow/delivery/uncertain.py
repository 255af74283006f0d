"""How many messages there are of which nobody knows whether they were delivered."""

from taskflow.db.pool import Connection, Pool
from taskflow.db.queries import load

sql = load(__file__, "uncertain.sql")


async def count_uncertain(source: Pool | Connection) -> int:
    """Return how many of both ledgers are UNCERTAIN: somebody, or a search at the provider, has to decide."""
    count: int = await source.fetchval(sql.count)
    return count
