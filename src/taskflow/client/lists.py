"""Lists and who is on them."""

from collections.abc import AsyncIterator
from typing import Unpack
from uuid import UUID

from taskflow.audience.lists.schemas import Added, ListOut, MemberOut
from taskflow.client.fields import ListChangeFields, NewListFields
from taskflow.client.link import Link


class Lists:
    """What people subscribe to."""

    def __init__(self, link: Link) -> None:
        """Speak over `link`."""
        self._link = link

    async def add(self, **mailing_list: Unpack[NewListFields]) -> ListOut:
        """Make a list; ConflictError (`list_name_taken`) when there is one of that name."""
        return await self._link.ask(ListOut, "POST", "/lists", mailing_list)

    async def get(self, list_id: UUID) -> ListOut:
        """Return a list and how many are on it."""
        return await self._link.look(ListOut, f"/lists/{list_id}")

    def find(self, *, name: str | None = None, archived: bool | None = None) -> AsyncIterator[ListOut]:
        """Iterate over lists, newest first."""
        return self._link.pages(ListOut, "/lists", name=name, archived=archived)

    async def update(self, list_id: UUID, **changes: Unpack[ListChangeFields]) -> ListOut:
        """Change a list; who is on it stays."""
        return await self._link.ask(ListOut, "PATCH", f"/lists/{list_id}", changes)

    async def delete(self, list_id: UUID) -> None:
        """Delete a list with its subscriptions; to keep who unsubscribed, archive it."""
        await self._link.tell("DELETE", f"/lists/{list_id}")

    def contacts(self, list_id: UUID, status: str | None = None) -> AsyncIterator[MemberOut]:
        """Iterate over the people on a list: CONFIRMED, PENDING, UNSUBSCRIBED, or all."""
        return self._link.pages(MemberOut, f"/lists/{list_id}/contacts", status=status)

    async def subscribe(
        self, list_id: UUID, contact_ids: list[UUID], *, confirmed: bool = False, wording: str | None = None
    ) -> Added:
        """Put at most 1,000 people on a list; a double opt-in asks first unless they have `confirmed`, to `wording`."""
        people = {"contact_ids": contact_ids, "confirmed": confirmed, "wording": wording}
        return await self._link.ask(Added, "POST", f"/lists/{list_id}/contacts", people)
