"""A contact and its lists in one transaction: what a shop calls when somebody orders."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from taskflow.audience.consent.models import Evidence
from taskflow.audience.consent.service import ConsentService
from taskflow.audience.contacts.service import ContactService, Saved
from taskflow.db.pool import Database
from taskflow.engine.handles import TaskHandle


class Enrolment:
    """Makes contacts that are on lists from the beginning."""

    def __init__(self, database: Database, contacts: ContactService, consents: ConsentService) -> None:
        """Take the services of this process."""
        self._pool = database.pool
        self._contacts = contacts
        self._consents = consents

    async def create(
        self,
        values: Mapping[str, Any],
        attributes: Mapping[str, Any],
        lists: Sequence[UUID],
        evidence: Evidence,
        *,
        confirmed: bool = False,
        region: str | None = None,
        update: bool = False,
        contact_id: UUID | None = None,
    ) -> Saved:
        """Make a contact, or change the one that is there, and put it on lists; all or nothing.

        The arguments and errors are those of `ContactService.create` and `ConsentService.add`.
        """
        handles: list[TaskHandle[None]] = []
        async with self._pool.acquire() as connection, connection.transaction():
            saved = await self._contacts.create_in(
                connection, values, attributes, region=region, update=update, contact_id=contact_id
            )
            for list_id in sorted(set(lists)):
                _, asked = await self._consents.add_in(
                    connection, list_id, [saved.row["contact_id"]], evidence, confirmed=confirmed
                )
                handles += asked
        await self._consents.dispatch(handles)
        return saved
