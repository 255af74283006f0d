"""Makes, changes and deletes contacts. Each call is one transaction."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from taskflow.audience.contacts.columns import checked, columns_of, merged
from taskflow.audience.contacts.models import ContactExistsError, ContactStatus, InvalidContactError
from taskflow.audience.contacts.phones import check_region
from taskflow.audience.contacts.repository import found, load_fields, sql
from taskflow.base.ids import uuid7
from taskflow.db.pool import Connection, Database
from taskflow.settings import AudienceSettings

_COLUMNS = ("email", "phone", "status", "locale", "time_zone", "attributes", "tags")
"""The order in which `insert_contact` and `update_contact` take them."""


class Saved(NamedTuple):
    """A contact's row, and whether it is new."""

    row: asyncpg.Record
    is_new: bool


class ContactService:
    """Contacts for code that shares the database."""

    def __init__(self, database: Database, settings: AudienceSettings) -> None:
        """Use the ordinary pool."""
        self._pool = database.pool
        self._region = settings.phone_region

    async def create(
        self,
        values: Mapping[str, Any],
        attributes: Mapping[str, Any],
        *,
        region: str | None = None,
        update: bool = False,
        contact_id: UUID | None = None,
    ) -> Saved:
        """Make a contact of email, phone, status, locale, time_zone and tags, as people write them.

        Arguments:
            values: what is None or left out is not known.
            attributes: by their names.
            region: the country of a phone without a country code.
            update: change the contact that has the address already, or the phone where no address is given.
            contact_id: given by a caller that may repeat itself.

        Raises:
            InvalidContactError: a value does not fit.
            ContactExistsError: the address or the phone is somebody else's.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            return await self.create_in(
                connection, values, attributes, region=region, update=update, contact_id=contact_id
            )

    async def create_in(
        self,
        connection: Connection,
        values: Mapping[str, Any],
        attributes: Mapping[str, Any],
        *,
        region: str | None = None,
        update: bool = False,
        contact_id: UUID | None = None,
    ) -> Saved:
        """Do the same in the caller's transaction."""
        fields = await load_fields(connection)
        new = columns_of(values, self._checked(region))
        columns = {"tags": []} | new | {"attributes": merged({}, attributes, fields)}
        if columns.get("email") is None and columns.get("phone") is None:
            raise InvalidContactError("A contact has an email, a phone, or both.", field="email")
        contact_id = contact_id or uuid7()
        row = await connection.fetchrow(sql.insert_contact, contact_id, *(columns.get(name) for name in _COLUMNS))
        if row is not None:
            return Saved(row, is_new=True)
        if (row := await connection.fetchrow(sql.get_contact, contact_id)) is not None:
            return Saved(row, is_new=True)  # made by the first try of this request
        holder = await self._holder(connection, columns)
        if not update:
            raise _taken(holder)
        row = found(await connection.fetchrow(sql.lock_contact, holder), holder)
        if columns.get("email") and row["email"] and row["email"].lower() != columns["email"].lower():
            raise _taken(holder)  # the phone is that of somebody else
        given = {name: value for name, value in new.items() if value is not None}
        if row["status"] == ContactStatus.PENDING:  # somebody we know ourselves is more than an address in a form
            given.setdefault("status", ContactStatus.ACTIVE)
        return Saved(await self._save(connection, row, given, attributes), is_new=False)

    async def update(
        self, contact_id: UUID, values: Mapping[str, Any], attributes: Mapping[str, Any], *, region: str | None = None
    ) -> asyncpg.Record:
        """Change what is given; None takes a value away.

        Raises:
            ContactNotFoundError: there is none.
            InvalidContactError, ContactExistsError: as in `create`.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            row = found(await connection.fetchrow(sql.lock_contact, contact_id), contact_id)
            return await self._save(connection, row, columns_of(values, self._checked(region)), attributes)

    async def delete(self, contact_id: UUID) -> None:
        """Delete a contact with its subscriptions and consents.

        Raises:
            ContactNotFoundError: there is none.
        """
        found(await self._pool.fetchrow(sql.delete_contact, contact_id), contact_id)

    async def note_event(
        self, contact_id: UUID, kind: str, occurred_at: datetime | None, source: str, event_id: UUID | None = None
    ) -> asyncpg.Record:
        """Write down what a person did, as another system saw it; return the event.

        Arguments:
            kind: opened or clicked; what has consequences, such as a complaint, comes by suppressions and consents.
            occurred_at: now where it is left out; not after now.
            source: who saw it.
            event_id: given by a caller that may repeat itself.

        Raises:
            ContactNotFoundError: there is no such contact.
        """
        row = await self._pool.fetchrow(sql.note_event, event_id or uuid7(), kind, contact_id, source, occurred_at)
        return found(row, contact_id)

    async def _save(
        self, connection: Connection, row: asyncpg.Record, given: Mapping[str, Any], attributes: Mapping[str, Any]
    ) -> asyncpg.Record:
        columns = {name: row[name] for name in _COLUMNS} | dict(given)
        columns["attributes"] = merged(row["attributes"], attributes, await load_fields(connection))
        if columns["email"] is None and columns["phone"] is None:
            raise InvalidContactError("A contact keeps an email, a phone, or both.", field="email")
        if all(columns[name] == row[name] for name in _COLUMNS):
            return row
        try:
            async with connection.transaction():
                values = (columns[name] for name in _COLUMNS)
                return found(
                    await connection.fetchrow(sql.update_contact, row["contact_id"], *values), row["contact_id"]
                )
        except asyncpg.UniqueViolationError as error:
            raise _taken(await self._holder(connection, columns, other_than=row["contact_id"])) from error

    async def _holder(self, connection: Connection, columns: Mapping[str, Any], other_than: UUID | None = None) -> UUID:
        """Return who has the address, or else the phone."""
        for name, statement in (("email", sql.find_by_email), ("phone", sql.find_by_phone)):
            if columns.get(name) is not None:
                holder: UUID | None = await connection.fetchval(statement, columns[name])
                if holder is not None and holder != other_than:
                    return holder
        raise ContactExistsError("Another contact had this address or phone a moment ago: try again.")

    def _checked(self, region: str | None) -> str | None:
        region = region or self._region
        return checked("phone_region", check_region, region) if region else None


def _taken(holder: UUID) -> ContactExistsError:
    return ContactExistsError(f"The contact {holder} has this address or phone.", contact_id=str(holder))
