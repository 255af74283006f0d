"""Contacts, their tags, subscriptions and consents."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Unpack
from uuid import UUID

from taskflow.audience.consent.schemas import ConsentOut, SubscriptionOut, SubscriptionsOut
from taskflow.audience.contacts.schemas import BulkOut, ContactOut, EventOut
from taskflow.audience.lists.schemas import Added
from taskflow.client import wire
from taskflow.client.fields import (
    BulkChangeFields,
    ContactChangeFields,
    NewConsentFields,
    NewContactFields,
    NewEventFields,
    SelectionFields,
)
from taskflow.client.link import Link


class Contacts:
    """Whom one may write to."""

    def __init__(self, link: Link) -> None:
        """Speak over `link`."""
        self._link = link

    async def add(self, **contact: Unpack[NewContactFields]) -> ContactOut:
        """Add a contact, on lists if you like.

        Raises:
            ConflictError: somebody has the address already (`contact_exists`).
            InvalidInputError: it cannot be stored so.
        """
        return await self._link.ask(ContactOut, "POST", "/contacts", contact)

    async def upsert(self, **contact: Unpack[NewContactFields]) -> ContactOut:
        """Add a contact, or change the one that has the address already, or the phone without one."""
        return await self._link.ask(ContactOut, "POST", "/contacts", {**contact, "if_exists": "update"})

    async def get(self, contact_id: UUID) -> ContactOut:
        """Return a contact; NotFoundError when there is none."""
        return await self._link.look(ContactOut, f"/contacts/{contact_id}")

    def find(self, **wanted: Unpack[SelectionFields]) -> AsyncIterator[ContactOut]:
        """Iterate over contacts, newest first; all that is given must hold."""
        return self._link.pages(ContactOut, "/contacts", **wire.selection(wanted))

    async def update(self, contact_id: UUID, **changes: Unpack[ContactChangeFields]) -> ContactOut:
        """Change a contact; what is left out stays, None empties."""
        return await self._link.ask(ContactOut, "PATCH", f"/contacts/{contact_id}", changes)

    async def delete(self, contact_id: UUID) -> None:
        """Delete a contact; `privacy.erase` takes all else of a person away, too."""
        await self._link.tell("DELETE", f"/contacts/{contact_id}")

    async def change_many(self, **change: Unpack[BulkChangeFields]) -> BulkOut:
        """Do one thing to many: at once to those named by id, by a task to those that a filter means."""
        return await self._link.ask(BulkOut, "POST", "/contacts/bulk", change)

    async def tag(self, contact_ids: list[UUID], *tags: str) -> int:
        """Give tags to at most 1,000 contacts; return how many lacked one."""
        return (await self.change_many(action="add_tags", ids=contact_ids, tags=list(tags))).changed or 0

    async def untag(self, contact_ids: list[UUID], *tags: str) -> int:
        """Take tags from at most 1,000 contacts; return how many had one."""
        return (await self.change_many(action="remove_tags", ids=contact_ids, tags=list(tags))).changed or 0

    async def subscribe(
        self, contact_id: UUID, list_id: UUID, *, confirmed: bool = False, wording: str | None = None
    ) -> Added:
        """Put a contact on a list; a double opt-in asks first unless they have `confirmed`, to `wording`."""
        people = {"contact_ids": [contact_id], "confirmed": confirmed, "wording": wording}
        return await self._link.ask(Added, "POST", f"/lists/{list_id}/contacts", people)

    async def unsubscribe(self, contact_id: UUID, list_id: UUID) -> None:
        """Take a contact off a list."""
        await self._link.tell("DELETE", f"/lists/{list_id}/contacts/{contact_id}")

    async def subscriptions(self, contact_id: UUID) -> list[SubscriptionOut]:
        """Return the lists that a contact is on, waits for, or has left, by name."""
        return (await self._link.look(SubscriptionsOut, f"/contacts/{contact_id}/subscriptions")).items

    def consents(self, contact_id: UUID) -> AsyncIterator[ConsentOut]:
        """Iterate over what a contact agreed to and took back, newest first."""
        return self._link.pages(ConsentOut, f"/contacts/{contact_id}/consents")

    async def record_consent(self, contact_id: UUID, **consent: Unpack[NewConsentFields]) -> ConsentOut:
        """Write down what a person said to you; what they took back is heeded at once."""
        return await self._link.ask(ConsentOut, "POST", f"/contacts/{contact_id}/consents", consent)

    async def note_event(self, contact_id: UUID, **event: Unpack[NewEventFields]) -> EventOut:
        """Write down that a contact opened or clicked something of another system: segments ask for it."""
        return await self._link.ask(EventOut, "POST", f"/contacts/{contact_id}/events", event)

    def export(self, **wanted: Unpack[SelectionFields]) -> AsyncGenerator[bytes]:
        """Iterate over the bytes of a CSV file with contacts, safe to open in a spreadsheet."""
        return self._link.stream("/contacts/export.csv", **wire.selection(wanted))
