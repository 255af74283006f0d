"""The duty that forgets who was typed into a form and never confirmed."""

from uuid import UUID

from support.duties import lead
from taskflow.audience.consent.duty import Unconfirmed
from taskflow.base.ids import uuid7
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.settings import Settings

LIST = UUID(int=1)


async def add(
    database: Database, name: str, status: str, *, days: int, asked: int, source: str = "form", granted: bool = False
) -> None:
    """Make a contact so many days old, who was asked so many days ago."""
    contact_id = uuid7()
    await database.pool.execute(
        "INSERT INTO subscribers (contact_id, email, status, created_at)"
        " VALUES ($1, $2, $3, now() - make_interval(days => $4))",
        contact_id, f"{name}@example.com", status, days,
    )  # fmt: skip
    for action in ("requested", "granted") if granted else ("requested",):
        await database.pool.execute(
            "INSERT INTO consents (consent_id, contact_id, list_id, channel, action, source, created_at)"
            " VALUES ($1, $2, $3, 'email', $4, $5, now() - make_interval(days => $6))",
            uuid7(), contact_id, LIST, action, source, asked,
        )  # fmt: skip


async def test_only_who_never_confirmed_and_can_no_longer_do_so_is_forgotten(
    database: Database, broker: RedisBroker, settings: Settings
) -> None:
    await database.pool.execute("INSERT INTO mailing_lists (list_id, name) VALUES ($1, 'News')", LIST)
    await add(database, "forgotten", "PENDING", days=8, asked=8)
    await add(database, "asked-again", "PENDING", days=8, asked=6)
    await add(database, "new", "PENDING", days=6, asked=6)
    await add(database, "known", "ACTIVE", days=80, asked=80)
    await add(database, "agreed", "PENDING", days=80, asked=80, granted=True)
    await add(database, "by-hand", "PENDING", days=80, asked=80, source="api")
    context = await lead(database, broker, settings)
    assert await Unconfirmed().run_once(context) == 1
    assert await Unconfirmed().run_once(context) == 0
    left = await database.pool.fetch("SELECT split_part(email, '@', 1) AS name FROM subscribers ORDER BY 1")
    assert [row["name"] for row in left] == ["agreed", "asked-again", "by-hand", "known", "new"]
    assert await database.pool.fetchval("SELECT count(*) FROM consents") == 6
