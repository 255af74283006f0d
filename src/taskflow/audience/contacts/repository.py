"""Reads contacts and what their attributes mean."""

from uuid import UUID

import asyncpg

from taskflow.audience.contacts.filters import ContactFilter
from taskflow.audience.contacts.models import SearchTooSlowError, unknown
from taskflow.audience.contacts.values import ContactField, FieldType
from taskflow.db.pool import Connection, Pool
from taskflow.db.queries import load
from taskflow.engine.repository import Rows, before, page

sql = load(__file__)


async def load_fields(connection: Connection | Pool) -> dict[str, ContactField]:
    """Return the declared attributes by their names."""
    return {
        row["name"]: ContactField(row["name"], FieldType(row["type"]), tuple(row["choices"]))
        for row in await connection.fetch(sql.list_fields)
    }


class ContactReader:
    """Reading statements over the ordinary pool."""

    def __init__(self, pool: Pool) -> None:
        """Take the pool."""
        self._pool = pool

    async def contact(self, contact_id: UUID) -> asyncpg.Record:
        """Return a contact's row.

        Raises:
            ContactNotFoundError: there is none.
        """
        return found(await self._pool.fetchrow(sql.get_contact, contact_id), contact_id)

    async def list_contacts(self, wanted: ContactFilter, cursor: str | None, limit: int) -> tuple[Rows, str | None]:
        """Return a page of contacts, newest first.

        Raises:
            SearchTooSlowError: it would read too much.
        """
        where, binds = wanted.where(before=before(cursor))
        statement = f"{sql.select_contacts} WHERE {where} ORDER BY c.contact_id DESC LIMIT ${len(binds) + 1}"
        try:
            async with self._pool.acquire() as connection, connection.transaction(readonly=True):
                await connection.execute(sql.plan_for_these_values)
                rows = await connection.fetch(statement, *binds, limit + 1)
        except asyncpg.QueryCanceledError as error:
            raise SearchTooSlowError from error
        return page(rows, limit, "contact_id")


def found(row: asyncpg.Record | None, contact_id: UUID) -> asyncpg.Record:
    """Return the row, or raise ContactNotFoundError."""
    if row is None:
        raise unknown(contact_id)
    return row
