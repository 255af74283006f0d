"""Reads dead letters and their policies."""

from collections.abc import AsyncIterator
from typing import NamedTuple
from uuid import UUID

import asyncpg

from taskflow.base.errors import NotFoundError
from taskflow.base.pagination import decode_cursor
from taskflow.db.pool import Pool
from taskflow.db.queries import load
from taskflow.engine.dead_letters.models import DeadLetterFilter
from taskflow.engine.repository import Rows, before, moment, page
from taskflow.engine.repository import sql as reading

sql = load(__file__)

_SLICE = 1_000


class DeadLetterNotFoundError(NotFoundError):
    """There is no such dead letter."""

    code = "dead_letter_not_found"


class DeadLetterStory(NamedTuple):
    """A letter, what its task is now (None: it is gone), and the task's attempts."""

    letter: asyncpg.Record
    task_status: str | None
    executions: Rows


class DeadLetterReader:
    """Reading statements over the ordinary pool."""

    def __init__(self, pool: Pool) -> None:
        """Take the pool."""
        self._pool = pool

    async def list_dead_letters(
        self, wanted: DeadLetterFilter, cursor: str | None, limit: int
    ) -> tuple[Rows, str | None]:
        """Return a page of dead letters, newest first."""
        rows = await self._pool.fetch(sql.list_dead_letters, *wanted.parameters(), before(cursor), limit + 1)
        return page(rows, limit, "dlq_id")

    async def groups(self, wanted: DeadLetterFilter, cursor: str | None, limit: int) -> tuple[Rows, str | None]:
        """Return a page of groups of letters that one cause broke, the one with the newest letter first."""
        last_at, fingerprint = decode_cursor(cursor, moment, str) if cursor else (None, None)
        rows = await self._pool.fetch(sql.groups, *wanted.parameters(), last_at, fingerprint, limit + 1)
        return page(rows, limit, "last_at", "fingerprint")

    async def slices(self, wanted: DeadLetterFilter) -> AsyncIterator[Rows]:
        """Yield (dlq_id, task_id) of all that match, a thousand at a time."""
        last = None
        while rows := await self._pool.fetch(sql.slice, *wanted.parameters(), last, _SLICE):
            last = rows[-1]["dlq_id"]
            yield rows

    async def dead_letter(self, dlq_id: UUID) -> asyncpg.Record:
        """Return a dead letter's row, or raise DeadLetterNotFoundError."""
        return found(await self._pool.fetchrow(sql.get_dead_letter, dlq_id), dlq_id)

    async def story(self, dlq_id: UUID) -> DeadLetterStory:
        """Return a dead letter with its task's attempts, or raise DeadLetterNotFoundError."""
        letter = await self.dead_letter(dlq_id)
        task = await self._pool.fetchrow(reading.get_task, letter["task_id"])
        executions = await self._pool.fetch(reading.executions, letter["task_id"])
        return DeadLetterStory(letter, task["status"] if task else None, executions)

    async def list_policies(self, cursor: str | None, limit: int) -> tuple[Rows, str | None]:
        """Return a page of retry policies, by task name."""
        [last] = decode_cursor(cursor, str) if cursor else (None,)
        return page(await self._pool.fetch(sql.list_policies, last, limit + 1), limit, "task_name")


def found(row: asyncpg.Record | None, dlq_id: UUID) -> asyncpg.Record:
    """Return the row, or raise DeadLetterNotFoundError."""
    if row is None:
        raise DeadLetterNotFoundError(f"There is no dead letter {dlq_id}.", dlq_id=str(dlq_id))
    return row
