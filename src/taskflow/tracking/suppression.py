"""Suppression: who must not be written to, decided by the person behind a signed link."""

from dataclasses import dataclass
from uuid import UUID

from taskflow.base.errors import NotFoundError
from taskflow.db.pool import Pool
from taskflow.db.queries import load

sql = load(__file__)


class UnknownRecipientError(NotFoundError):
    """The message that this link belongs to is no longer known."""

    code = "unknown_recipient"


@dataclass(frozen=True, slots=True)
class Subscription:
    """An address, who wrote to it, and whether it is suppressed."""

    email: str
    sender: str
    is_suppressed: bool

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

    async def find(self, campaign_id: UUID, recipient_id: UUID) -> Subscription:
        """Return the subscription behind a link.

        Raises:
            UnknownRecipientError: its campaign has been deleted.
        """
        row = await self._pool.fetchrow(sql.recipient, campaign_id, recipient_id)
        if row is None:
            raise UnknownRecipientError
        return Subscription(row["email"], row["from_name"] or row["from_email"], row["suppressed"])

    async def unsubscribe(
        self, campaign_id: UUID, recipient_id: UUID, source: str, address: str | None = None
    ) -> Subscription:
        """Write to this address no more, from the next window on; return how it was before.

        `source`: how it was asked for; `address`: from which IP address.

        Raises:
            UnknownRecipientError: its campaign has been deleted.
        """
        subscription = await self.find(campaign_id, recipient_id)
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(sql.withdraw, subscription.email, source, address)
            await connection.execute(sql.suppress, campaign_id, recipient_id, source)
        return subscription
