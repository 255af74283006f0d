"""The public form: anybody asks to be on a list, and nobody learns by it who is there already.

Whatever becomes of it, the answer is the same. What a stranger writes never changes a contact that exists, and a mail
that asks for confirmation holds no word of theirs.
"""

from contextlib import suppress
from typing import Any
from uuid import UUID

import asyncpg

from taskflow.audience.consent.models import Evidence, SubscriptionStatus
from taskflow.audience.consent.repository import sql
from taskflow.audience.consent.service import ConsentService
from taskflow.audience.consent.suppressing import OWN_WISH, suppressed
from taskflow.audience.contacts.columns import columns_of, merged
from taskflow.audience.contacts.models import ContactExistsError, ContactStatus, InvalidContactError
from taskflow.audience.contacts.repository import load_fields
from taskflow.audience.contacts.service import ContactService
from taskflow.audience.lists.models import ListArchivedError, ListNotFoundError, OptIn, Visibility
from taskflow.audience.lists.repository import ListReader, found, open_list
from taskflow.audience.suppression.erasure import ErasureKey
from taskflow.db.pool import Connection, Database
from taskflow.engine.handles import TaskHandle

_MAY_COME_BACK = frozenset({ContactStatus.ACTIVE, ContactStatus.PENDING, ContactStatus.UNSUBSCRIBED})


class SubscriptionForm:
    """Takes what the form of a public list is sent."""

    def __init__(
        self, database: Database, contacts: ContactService, consents: ConsentService, erasure: ErasureKey
    ) -> None:
        """Take the services of this process; `erasure` recognises who was erased."""
        self._pool = database.pool
        self._reader = ListReader(database.pool)
        self._contacts = contacts
        self._consents = consents
        self._erasure = erasure

    async def mailing_list(self, list_id: UUID) -> asyncpg.Record:
        """Return a list that has a form.

        Raises:
            ListNotFoundError: there is none, it is private, or archived.
        """
        return _public(await self._reader.mailing_list(list_id))

    async def submit(
        self, list_id: UUID, email: str, names: dict[str, str], locale: str | None, evidence: Evidence
    ) -> None:
        """Let a person ask to be on a list.

        Raises:
            ListNotFoundError: as in `mailing_list`.
            InvalidContactError: the address is none, or a name cannot be stored.
        """
        # All of it is read before anybody is looked up: what is refused is refused of everybody.
        columns = columns_of({"email": email, "locale": locale}, None)
        address = columns["email"]
        if address is None:
            raise InvalidContactError("email: There is no address.", field="email")
        async with self._pool.acquire() as connection, connection.transaction():
            merged({}, names, await load_fields(connection))
            try:
                chosen = _public(await open_list(connection, list_id))
            except ListArchivedError as error:
                raise ListNotFoundError from error
            person = await connection.fetchrow(sql.person_of_form, address, list_id)
            reasons = await suppressed(connection, address, list_id, self._erasure)
            handles: list[TaskHandle[None]] = []
            if reasons - {OWN_WISH}:
                pass  # not their own wish alone: bounced, complained, by hand, their domain, or they were erased
            elif person is not None:
                handles = await self._known(connection, chosen, person, evidence, left=bool(reasons))
            else:
                # Whom somebody else has made at this moment is known.
                with suppress(ContactExistsError):
                    handles = await self._newcomer(connection, chosen, columns, names, evidence, left=bool(reasons))
        await self._consents.dispatch(handles)

    async def _newcomer(
        self,
        connection: Connection,
        chosen: asyncpg.Record,
        columns: dict[str, Any],
        names: dict[str, str],
        evidence: Evidence,
        *,
        left: bool,
    ) -> list[TaskHandle[None]]:
        asks = chosen["opt_in"] == OptIn.DOUBLE or left
        status = ContactStatus.PENDING if asks else ContactStatus.ACTIVE
        saved = await self._contacts.create_in(connection, columns | {"status": status}, names)
        return await self._subscribe(connection, chosen, saved.row["contact_id"], evidence, asks=asks)

    async def _known(
        self, connection: Connection, chosen: asyncpg.Record, person: asyncpg.Record, evidence: Evidence, *, left: bool
    ) -> list[TaskHandle[None]]:
        list_id, contact_id, stands = chosen["list_id"], person["contact_id"], person["subscription_status"]
        if person["status"] not in _MAY_COME_BACK:
            return []
        left = left or person["status"] == ContactStatus.UNSUBSCRIBED
        if stands == SubscriptionStatus.CONFIRMED and not left:
            return []
        asks = chosen["opt_in"] == OptIn.DOUBLE or left or stands == SubscriptionStatus.UNSUBSCRIBED
        if asks and not await self._consents.may_ask(connection, contact_id, list_id):
            return []
        if asks and stands == SubscriptionStatus.PENDING:
            return await self._consents.request_again(connection, contact_id, list_id, evidence)
        return await self._subscribe(connection, chosen, contact_id, evidence, asks=asks)

    async def _subscribe(
        self, connection: Connection, chosen: asyncpg.Record, contact_id: UUID, evidence: Evidence, *, asks: bool
    ) -> list[TaskHandle[None]]:
        status = SubscriptionStatus.PENDING if asks else SubscriptionStatus.CONFIRMED
        rows = await self._consents.subscribe(connection, chosen["list_id"], [contact_id], status, evidence, again=True)
        return await self._consents.ask(connection, [row["consent_id"] for row in rows] if asks else [])


def _public(row: asyncpg.Record) -> asyncpg.Record:
    """Return a list that has a form; one that has none is, to a stranger, none at all."""
    is_public = row["visibility"] == Visibility.PUBLIC and row["archived_at"] is None
    return found(row if is_public else None, row["list_id"])
