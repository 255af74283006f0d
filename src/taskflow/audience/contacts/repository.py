"""Reads contacts and what their attributes mean."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson

from taskflow.audience.contacts.filters import ContactFilter
from taskflow.audience.contacts.models import SearchTooSlowError, unknown
from taskflow.audience.contacts.values import ContactField, FieldType
from taskflow.base.pagination import decode_cursor
from taskflow.db.pool import Connection, Pool
from taskflow.db.queries import load
from taskflow.engine.repository import Rows, before, page

sql = load(__file__)

EXPORT_COLUMNS: Final = (
    "contact_id", "email", "phone", "status", "locale", "time_zone", "tags", "lists", "created_at", "updated_at",
)  # fmt: skip
"""Before the declared attributes; after them come the others together, as JSON."""
_EXPORT_PAGE: Final = 5_000


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

    async def export_columns(self) -> list[str]:
        """Return the declared attributes, each a column of an export."""
        return list(await load_fields(self._pool))

    async def export(self, wanted: ContactFilter, columns: Sequence[str]) -> AsyncIterator[list[object]]:
        """Yield the rows of an export, oldest contact first: what is in memory is one page."""
        after: UUID | None = None
        while True:
            where, binds = wanted.where(after=after)
            statement = f"{sql.select_for_export} WHERE {where} ORDER BY c.contact_id LIMIT {_EXPORT_PAGE}"
            async with self._pool.acquire() as connection, connection.transaction(readonly=True):
                await connection.execute(sql.plan_for_these_values)
                rows = await connection.fetch(statement, *binds)
            for row in rows:
                yield _exported(row, columns)
            if len(rows) < _EXPORT_PAGE:
                return
            after = rows[-1]["contact_id"]

    async def tags(self, cursor: str | None, limit: int) -> tuple[Rows, str | None]:
        """Return a page of the tags in use and how many contacts have each, by name."""
        [after] = decode_cursor(cursor, str) if cursor else (None,)
        return page(await self._pool.fetch(sql.tag_counts, after, limit + 1), limit, "tag")


def _exported(row: asyncpg.Record, columns: Sequence[str]) -> list[object]:
    attributes: dict[str, Any] = row["attributes"]
    values = [attributes.pop(name, None) for name in columns]
    instants = [row[name].isoformat() for name in ("created_at", "updated_at")]
    fixed = [row[name] for name in ("contact_id", "email", "phone", "status", "locale", "time_zone")]
    rest = orjson.dumps(attributes).decode() if attributes else None
    return [*fixed, ",".join(row["tags"]), row["lists"], *instants, *map(_cell, values), rest]


def _cell(value: Any) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else value


def found(row: asyncpg.Record | None, contact_id: UUID) -> asyncpg.Record:
    """Return the row, or raise ContactNotFoundError."""
    if row is None:
        raise unknown(contact_id)
    return row
