"""Contacts, lists and events of a few lines."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from taskflow.base.ids import uuid7
from taskflow.db.pool import Database


async def add_contact(database: Database, email: str | None = None, **columns: Any) -> UUID:
    """Write a contact; attributes, tags, status … as columns."""
    contact_id: UUID = columns.pop("contact_id", None) or uuid7()
    values = {"contact_id": contact_id, "email": email, **columns}
    names = ", ".join(values)
    places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    await database.pool.execute(f"INSERT INTO subscribers ({names}) VALUES ({places})", *values.values())  # noqa: S608 - ours
    return contact_id


async def add_list(database: Database, name: str, members: Iterable[UUID] = (), *, status: str = "CONFIRMED") -> UUID:
    """Write a list and who is on it."""
    list_id = uuid7()
    await database.pool.execute("INSERT INTO mailing_lists (list_id, name) VALUES ($1, $2)", list_id, name)
    await subscribe(database, list_id, *members, status=status)
    return list_id


async def subscribe(database: Database, list_id: UUID, *members: UUID, status: str = "CONFIRMED") -> None:
    """Put contacts on a list."""
    await database.pool.execute(
        "INSERT INTO subscriptions (list_id, contact_id, status, confirmed_at, unsubscribed_at)"
        " SELECT $1, m, $3::text, CASE WHEN $3::text <> 'PENDING' THEN now() END,"
        " CASE WHEN $3::text = 'UNSUBSCRIBED' THEN now() END"
        " FROM unnest($2::uuid[]) AS m",
        list_id,
        list(members),
        status,
    )


async def add_event(
    database: Database,
    contact_id: UUID,
    kind: str,
    *,
    ago: timedelta = timedelta(0),
    campaign_id: UUID | None = None,
    is_machine: bool = False,
) -> None:
    """Write something that a contact did."""
    await database.pool.execute(
        "INSERT INTO campaign_events (event_id, event_type, contact_id, campaign_id, is_machine, occurred_at)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        uuid7(),
        kind,
        contact_id,
        campaign_id,
        is_machine,
        datetime.now(UTC) - ago,
    )
