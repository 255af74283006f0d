"""Where consent and suppression meet: what keeps an address from a list, and what a withdrawn consent suppresses."""

from typing import Final
from uuid import UUID

from taskflow.audience.channels import Channel
from taskflow.audience.consent.models import Evidence
from taskflow.audience.consent.repository import sql
from taskflow.audience.suppression.erasure import ErasureKey
from taskflow.db.pool import Connection, Pool

OWN_WISH: Final = "unsubscribed"
"""The one reason that a person's own confirmation lifts."""


async def suppressed(target: Connection | Pool, address: str, list_id: UUID, erasure: ErasureKey) -> set[str]:
    """Return why an address is not written to for a list: itself, its domain, or as somebody erased."""
    return set(await target.fetchval(sql.suppressed, address, list_id, erasure.of(address)))


async def withdraw(
    connection: Connection,
    contact_id: UUID,
    list_id: UUID | None,
    evidence: Evidence,
    channel: Channel = Channel.EMAIL,
) -> UUID | None:
    """Heed that a person wants no more of a list (None: of anything); return the consent that says so, if it is news.

    Their subscriptions end, and the address or number is suppressed, so that a campaign under way heeds it too. Runs in
    the caller's transaction, which has locked the contact.
    """
    found: UUID | None = None
    if channel == "email":
        who = (contact_id,) if list_id is None else (list_id, contact_id)
        statement = sql.unsubscribe_from_all if list_id is None else sql.unsubscribe
        found = await connection.fetchval(statement, *who, evidence.source, *evidence.proof)
    await connection.execute(sql.suppress_person, contact_id, evidence.source, channel, list_id)
    return found
