"""Reads subscriptions and the history of consent."""

from uuid import UUID

from taskflow.audience.consent.models import SubscriptionStatus
from taskflow.db.pool import Pool
from taskflow.db.queries import load
from taskflow.engine.repository import Rows, before, page

sql = load(__file__)


class ConsentReader:
    """Reading statements over the ordinary pool."""

    def __init__(self, pool: Pool) -> None:
        """Take the pool."""
        self._pool = pool

    async def history(self, contact_id: UUID, cursor: str | None, limit: int) -> tuple[Rows, str | None]:
        """Return a page of a person's consents, newest first."""
        rows = await self._pool.fetch(sql.consents_of, contact_id, before(cursor), limit + 1)
        return page(rows, limit, "consent_id")

    async def subscriptions(self, contact_id: UUID) -> Rows:
        """Return a person's subscriptions by the names of the lists."""
        return await self._pool.fetch(sql.subscriptions_of, contact_id)

    async def members(
        self, list_id: UUID, status: SubscriptionStatus | None, cursor: str | None, limit: int
    ) -> tuple[Rows, str | None]:
        """Return a page of the people on a list, newest first."""
        rows = await self._pool.fetch(sql.members, list_id, status, before(cursor), limit + 1)
        return page(rows, limit, "contact_id")
