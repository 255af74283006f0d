"""Reads replies, reports and keywords; writes keywords."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from taskflow.base.errors import NotFoundError
from taskflow.db.pool import Pool
from taskflow.db.queries import load
from taskflow.delivery.sms.inbound.keywords import Action, Keyword
from taskflow.engine.repository import Rows, before, page

sql = load(__file__)


class NoReportError(NotFoundError):
    """Nothing was reported of this text."""

    code = "no_sms_report"


class InboundReader:
    """Statements over the ordinary pool."""

    def __init__(self, pool: Pool) -> None:
        """Take the pool."""
        self._pool = pool

    async def replies(
        self, cursor: str | None, limit: int, *, action: str | None = None, sender: str | None = None
    ) -> tuple[Rows, str | None]:
        """Return a page of replies, newest first."""
        rows = await self._pool.fetch(sql.list_replies, before(cursor), action, sender, limit + 1)
        return page(rows, limit, "reply_id")

    async def reports(
        self,
        cursor: str | None,
        limit: int,
        *,
        provider_id: str | None = None,
        message_id: UUID | None = None,
        status: str | None = None,
    ) -> tuple[Rows, str | None]:
        """Return a page of delivery reports, newest first."""
        rows = await self._pool.fetch(sql.list_reports, before(cursor), provider_id, message_id, status, limit + 1)
        return page(rows, limit, "report_id")

    async def standing(self, kind: str, provider_id: str) -> asyncpg.Record:
        """Return how far a text has come, whatever the order of its reports, or raise NoReportError."""
        row = None
        if "\x00" not in kind + provider_id:
            row = await self._pool.fetchrow(sql.standing, provider_id, kind)
        if row is None:
            raise NoReportError(f"{kind} has reported nothing of {provider_id}.")
        return row

    async def keywords(self) -> list[Keyword]:
        """Return every keyword."""
        rows = await self._pool.fetch(sql.keywords)
        return [Keyword(row["keyword"], Action(row["action"]), row["language"]) for row in rows]

    async def replace_keywords(self, keywords: Sequence[Keyword]) -> None:
        """Make these the only ones."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(sql.lock_keywords)
            await connection.execute(sql.forget_keywords)
            await connection.execute(
                sql.put_keywords,
                [one.keyword for one in keywords],
                [one.action for one in keywords],
                [one.language for one in keywords],
            )
