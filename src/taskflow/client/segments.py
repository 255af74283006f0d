"""Segments: contacts by conditions."""

from collections.abc import AsyncIterator
from uuid import UUID

from taskflow.audience.contacts.schemas import ContactOut
from taskflow.audience.segments.schemas import CountOut, SegmentOut, Vocabulary
from taskflow.client import wire
from taskflow.client.link import Link
from taskflow.client.wire import Conditions


class Segments:
    """Contacts by conditions: JSON, or the models of `taskflow.audience.segments.conditions`."""

    def __init__(self, link: Link) -> None:
        """Speak over `link`."""
        self._link = link

    async def count(self, what: UUID | Conditions, *, time_zone: str = "UTC") -> CountOut:
        """Count the contacts of a segment, or of conditions which are kept nowhere; days begin in `time_zone`.

        Raises:
            InvalidInputError: there are no such conditions, or they cannot be meant so (`invalid_segment`).
        """
        if isinstance(what, UUID):
            return await self._link.ask(CountOut, "POST", f"/segments/{what}/count")
        return await self._link.ask(CountOut, "POST", "/segments/count", wire.definition(what, time_zone))

    async def save(
        self, name: str, conditions: Conditions, *, time_zone: str = "UTC", description: str | None = None
    ) -> SegmentOut:
        """Keep conditions under a name; raises as `count` does, and ConflictError when the name is taken."""
        body = {"name": name, "description": description, "definition": wire.definition(conditions, time_zone)}
        return await self._link.ask(SegmentOut, "POST", "/segments", body)

    async def get(self, segment_id: UUID) -> SegmentOut:
        """Return a segment."""
        return await self._link.look(SegmentOut, f"/segments/{segment_id}")

    def find(self, search: str | None = None) -> AsyncIterator[SegmentOut]:
        """Iterate over segments, newest first; `search` is part of the name."""
        return self._link.pages(SegmentOut, "/segments", search=search)

    async def update(
        self,
        segment_id: UUID,
        *,
        name: str | None = None,
        description: str | None = None,
        conditions: Conditions | None = None,
        time_zone: str = "UTC",
    ) -> SegmentOut:
        """Change a segment; what is left out stays, but for the time zone of new conditions."""
        definition = None if conditions is None else wire.definition(conditions, time_zone)
        changes = wire.given(name=name, description=description, definition=definition)
        return await self._link.ask(SegmentOut, "PATCH", f"/segments/{segment_id}", changes)

    async def delete(self, segment_id: UUID) -> None:
        """Delete a segment; its contacts stay."""
        await self._link.tell("DELETE", f"/segments/{segment_id}")

    def contacts(self, segment_id: UUID) -> AsyncIterator[ContactOut]:
        """Iterate over the contacts that are in a segment now, oldest first."""
        return self._link.pages(ContactOut, f"/segments/{segment_id}/contacts")

    async def vocabulary(self) -> Vocabulary:
        """Return what conditions can be made of: fields with their operators, events."""
        return await self._link.look(Vocabulary, "/segments/vocabulary")
