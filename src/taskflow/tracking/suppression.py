"""Suppression: who must not be written to, decided by the person behind a signed link.

A mail that a list has brought is left with that list, and with every other list of its campaign that the person is on:
the next campaign to them would bring the same mail again. What no list has brought (a segment, a file of recipients) is
left with everything, and so is a promotional message. Whoever wants no mail at all says so on the page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import asyncpg

from taskflow.audience.consent.models import Evidence
from taskflow.audience.consent.suppressing import withdraw
from taskflow.base.errors import NotFoundError
from taskflow.db.pool import Connection, Pool
from taskflow.db.queries import load

sql = load(__file__)


class UnknownRecipientError(NotFoundError):
    """The message that this link belongs to is no longer known."""

    code = "unknown_recipient"


class LeavableList(NamedTuple):
    """A list that a person may leave."""

    list_id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class Subscription:
    """An address, who wrote to it, whether it is suppressed everywhere, and which lists there are to leave.

    `of_list`: a list has brought the mail.
    """

    email: str
    sender: str
    is_suppressed: bool
    of_list: bool
    lists: tuple[LeavableList, ...]

    @property
    def is_left(self) -> bool:
        """Whether one click has nothing more to do."""
        return self.is_suppressed or (self.of_list and not self.lists)

    @property
    def masked(self) -> str:
        """The address as a page may show it."""
        return masked(self.email)


def masked(email: str) -> str:
    """Return an address as a page may show it: enough for its owner, too little for a stranger."""
    local, _, domain = email.rpartition("@")
    return f"{local[:1]}•••@{domain}"


class Suppression:
    """Reads and ends subscriptions."""

    def __init__(self, pool: Pool) -> None:
        """Use the ordinary pool."""
        self._pool = pool

    async def find(self, call_id: UUID, recipient_id: UUID) -> Subscription:
        """Return the subscription behind a link's two ids.

        Raises:
            UnknownRecipientError: its campaign has been deleted, or its message is not kept any more.
        """
        async with self._pool.acquire() as connection:
            _, subscription = await _found(connection, call_id, recipient_id)
        return subscription

    async def unsubscribe(
        self,
        call_id: UUID,
        recipient_id: UUID,
        source: str,
        address: str | None = None,
        *,
        everything: bool = False,
    ) -> Subscription:
        """Write to this person no more of the mail's lists, or nothing more; return how it was before.

        It holds from the next window on, also in a campaign that runs. `source`: how it was asked for; `address`: from
        which IP address.

        Raises:
            UnknownRecipientError: its campaign has been deleted, or its message is not kept any more.
        """
        evidence = Evidence(source, address=address)
        async with self._pool.acquire() as connection, connection.transaction():
            row, subscription = await _found(connection, call_id, recipient_id)
            contact_id, campaign_id = row["contact_id"], row["campaign_id"]
            if contact_id is not None:
                await connection.execute(sql.lock_contact, contact_id)
            everything = everything or not subscription.of_list
            ends: Sequence[UUID | None] = [None] if everything else sorted(one.list_id for one in subscription.lists)
            for list_id in ends:
                await connection.execute(sql.suppress, row["email"], source, campaign_id, list_id)
                if contact_id is not None:
                    await withdraw(connection, contact_id, list_id, evidence)
            if not (subscription.is_suppressed if everything else subscription.is_left):
                await connection.execute(sql.note_event, campaign_id, recipient_id, contact_id)
        return subscription


async def _found(connection: Connection, call_id: UUID, recipient_id: UUID) -> tuple[asyncpg.Record, Subscription]:
    row = await connection.fetchrow(sql.recipient, call_id, recipient_id)
    if row is None:
        raise UnknownRecipientError
    brought_by: UUID | None = row["list_id"]
    lists: list[asyncpg.Record] = []
    if brought_by is not None:
        candidates = [brought_by, *map(UUID, row["lists"] or ())]
        lists = await connection.fetch(sql.lists_of, candidates, brought_by, row["contact_id"], row["email"])
    subscription = Subscription(
        row["email"],
        row["sender"],
        row["suppressed"],
        brought_by is not None,
        tuple(LeavableList(*found) for found in lists),
    )
    return row, subscription
