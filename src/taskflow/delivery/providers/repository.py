"""Reads `providers`."""

from uuid import UUID

import asyncpg

from taskflow.audience.channels import Channel
from taskflow.base.errors import NotFoundError
from taskflow.db.pool import Pool
from taskflow.db.queries import load
from taskflow.delivery.providers.models import ProviderRow

sql = load(__file__)


class ProviderNotFoundError(NotFoundError):
    """There is no such provider."""

    code = "provider_not_found"


class ProviderReader:
    """Reading statements over the ordinary pool."""

    def __init__(self, pool: Pool) -> None:
        """Take the pool."""
        self._pool = pool

    async def get(self, provider_id: UUID) -> ProviderRow:
        """Return a provider, or raise ProviderNotFoundError."""
        return ProviderRow.of(found(await self._pool.fetchrow(sql.get_provider, provider_id), provider_id))

    async def all(self, channel: Channel | None = None) -> list[ProviderRow]:
        """Return all providers, in the order in which they are asked."""
        return [ProviderRow.of(row) for row in await self._pool.fetch(sql.list_providers, channel)]


def found(row: asyncpg.Record | None, provider_id: UUID) -> asyncpg.Record:
    """Return the row, or raise ProviderNotFoundError."""
    if row is None:
        raise ProviderNotFoundError(f"There is no provider {provider_id}.", provider_id=str(provider_id))
    return row
