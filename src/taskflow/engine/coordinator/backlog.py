"""The backlog: what PostgreSQL says is live, read in the order in which it is dispatched."""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

from taskflow.broker.redis.dispatch import Entry, Place
from taskflow.db.pool import Database
from taskflow.db.queries import load

sql = load(__file__)

START = Place(11, str(UUID(int=0)))
KEYS = 200
_PAGE = 5000


class Standing(NamedTuple):
    """What a task id is now. `status` is None when there is no such task."""

    task_id: str
    status: str | None
    priority: int | None
    dispatch_key: str | None


async def live_keys(database: Database) -> list[str]:
    """Return the dispatch keys with tasks that have not ended, sorted."""
    return sorted(row[0] for row in await database.hot.fetch(sql.live_dispatch_keys))


def parts(dispatch_keys: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield keys in lots that one statement looks at: there may be ten thousand, with a task or two each."""
    for start in range(0, len(dispatch_keys), KEYS):
        yield dispatch_keys[start : start + KEYS]


async def heads(database: Database, dispatch_keys: Sequence[str], limit: int) -> dict[str, list[Entry]]:
    """Return the first `limit` PENDING tasks of each key, all by one statement."""
    found: dict[str, list[Entry]] = {key: [] for key in dispatch_keys}
    for row in await database.hot.fetch(sql.backlog_heads, dispatch_keys, limit):
        found[row[0]].append(Entry(*row))
    return found


async def page_after(database: Database, dispatch_key: str, place: Place, limit: int) -> list[Entry]:
    """Return the next `limit` PENDING tasks of a key behind a place."""
    rows = await database.hot.fetch(sql.backlog_after, dispatch_key, place.priority, place.task_id, limit)
    return [Entry(dispatch_key, row[1], row[0]) for row in rows]


async def pages_after(
    database: Database, dispatch_key: str, place: Place, limit: int, *, page: int = _PAGE
) -> AsyncIterator[list[Entry]]:
    """Yield up to `limit` PENDING tasks of a key behind a place, by pages; the last one may be short or empty."""
    while limit > 0:
        wanted = min(page, limit)
        entries = await page_after(database, dispatch_key, place, wanted)
        yield entries
        if len(entries) < wanted:
            return
        limit -= len(entries)
        place = entries[-1].place


async def standings(database: Database, task_ids: Sequence[str]) -> list[Standing]:
    """Return what each id is now."""
    return [Standing(*row) for row in await database.hot.fetch(sql.standing, sorted(task_ids))]
