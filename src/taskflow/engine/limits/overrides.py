"""Tasks that an operator limits although their definitions do not: they wait in a line of their own from then on."""

from taskflow.db.pool import Connection, Pool
from taskflow.engine.limits.repository import sql


class Overrides:
    """The subjects of those tasks, as this process knows them."""

    def __init__(self) -> None:
        """Start without knowing any."""
        self.subjects: frozenset[str] = frozenset()

    async def refresh(self, where: Pool | Connection) -> None:
        """Read them again: a handful of rows."""
        self.subjects = frozenset(row[0] for row in await where.fetch(sql.overridden_tasks))
