"""The summary of opens and clicks keeps the ten newest of each contact, in whatever order they come to be known."""

from datetime import UTC, datetime, timedelta

from taskflow.base.ids import uuid7
from taskflow.db.pool import Database

_NOTE = """
INSERT INTO campaign_events (event_id, event_type, contact_id, is_machine, occurred_at)
SELECT taskflow_uuid7(), kind, $1, is_machine, at
FROM unnest($2::text[], $3::bool[], $4::timestamptz[]) AS e (kind, is_machine, at)
"""


async def test_the_ten_newest_are_kept_newest_first(database: Database) -> None:
    contact_id, start = uuid7(), datetime(2026, 1, 1, tzinfo=UTC)
    await database.pool.execute(
        "INSERT INTO subscribers (contact_id, email) VALUES ($1, 'ada@example.com')", contact_id
    )
    opened = [start + timedelta(hours=hour) for hour in range(25)]
    events = [("opened", False, at) for at in opened]
    events += [("opened", True, start + timedelta(days=30)), ("bounced", False, start), ("clicked", False, start)]
    events = events[::3] + events[2::3] + events[1::3]
    for piece in (events[:1], events[1:4], events[4:20], events[20:]):
        await database.pool.execute(_NOTE, contact_id, *map(list, zip(*piece, strict=True)))
    row = await database.pool.fetchrow("SELECT opened, clicked FROM contact_latest WHERE contact_id = $1", contact_id)
    assert row is not None
    assert (row["opened"], row["clicked"]) == (opened[:-11:-1], [start])
