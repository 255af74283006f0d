"""Makes, changes and deletes lists. Each call is one transaction."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import asyncpg

from taskflow.audience.contacts.columns import checked
from taskflow.audience.contacts.values import normalise_email
from taskflow.audience.lists.models import ListNameTakenError, OptIn, SenderRequiredError, Visibility
from taskflow.audience.lists.repository import found, sql
from taskflow.base.ids import uuid7
from taskflow.db.pool import Database

_COLUMNS = ("name", "description", "opt_in", "visibility", "confirm_from", "confirm_wording")
"""The order in which `insert_list` and `update_list` take them."""


class ListService:
    """Lists for code that shares the database."""

    def __init__(self, database: Database) -> None:
        """Use the ordinary pool."""
        self._pool = database.pool

    async def create(
        self, columns: Mapping[str, Any], *, created_by: UUID | None = None, list_id: UUID | None = None
    ) -> asyncpg.Record:
        """Make a list; `list_id`: given by a caller that may repeat itself.

        Raises:
            ListNameTakenError: the name is taken.
            SenderRequiredError, InvalidContactError: there is no sender, or it is no address.
        """
        list_id = list_id or uuid7()
        values = _values(columns)
        try:
            row = await self._pool.fetchrow(sql.insert_list, list_id, *values, created_by)
        except asyncpg.UniqueViolationError as error:
            row = await self._pool.fetchrow(sql.get_list, list_id)
            if row is None:
                raise _taken(columns["name"]) from error
        return found(row, list_id)

    async def update(self, list_id: UUID, changes: Mapping[str, Any]) -> asyncpg.Record:
        """Change a list; `archived` true lets nobody on it any more.

        Raises:
            ListNotFoundError: there is none.
            ListNameTakenError, SenderRequiredError, InvalidContactError: as in `create`.
        """
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                row = found(await connection.fetchrow(sql.lock_list, list_id), list_id)
                values = _values({**row, **changes})
                archived = changes.get("archived", row["archived_at"] is not None)
                return found(await connection.fetchrow(sql.update_list, list_id, *values, archived), list_id)
        except asyncpg.UniqueViolationError as error:
            raise _taken(changes.get("name", "")) from error

    async def delete(self, list_id: UUID) -> str:
        """Delete a list with its subscriptions; return its name. Nobody is deleted with it.

        Raises:
            ListNotFoundError: there is none.
        """
        name: str = found(await self._pool.fetchrow(sql.delete_list, list_id), list_id)["name"]
        return name


def _values(columns: Mapping[str, Any]) -> list[Any]:
    if columns["confirm_from"] is not None:
        columns = {**columns, "confirm_from": checked("confirm_from", normalise_email, columns["confirm_from"])}
    elif columns["opt_in"] == OptIn.DOUBLE or columns["visibility"] == Visibility.PUBLIC:
        raise SenderRequiredError(field="confirm_from")
    return [columns[name] for name in _COLUMNS]


def _taken(name: str) -> ListNameTakenError:
    return ListNameTakenError(f"There is a list called {name!r} already.", name=name)
