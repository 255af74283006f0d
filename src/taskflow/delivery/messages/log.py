"""The log of messages, for code that shares the database: found, looked into, counted, exported."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from taskflow.base.ids import uuid7_floor
from taskflow.db.pool import Pool
from taskflow.delivery.message_ids import MessageIdFinder
from taskflow.delivery.messages import search
from taskflow.delivery.messages.errors import ContentNotKeptError, MessageNotFoundError
from taskflow.delivery.messages.search import Filter
from taskflow.delivery.messages.service import sql
from taskflow.delivery.messages.stats import Span
from taskflow.delivery.states import RecipientStatus
from taskflow.engine.repository import before, page

_NOTED = frozenset(RecipientStatus) - {RecipientStatus.PENDING, RecipientStatus.SENDING, RecipientStatus.SENT}
_EXPORT_PAGE = 5_000
_SLICE = 1_000


class MessageLog:
    """Reads messages."""

    def __init__(self, pool: Pool, secret: bytes) -> None:
        """Take the pool, and the secret that Message-IDs are made of."""
        self._pool = pool
        self._secret = secret

    async def get(self, message_id: UUID) -> asyncpg.Record:
        """Return a message, also one of a campaign by the id of its recipient, or raise MessageNotFoundError."""
        row = await self._pool.fetchrow(sql.get_message, message_id)
        row = row or await self._pool.fetchrow(sql.get_campaign_mail, message_id)
        if row is None:
            raise MessageNotFoundError(f"There is no message {message_id}.")
        return row

    async def get_own(self, message_id: UUID, key_id: UUID | None) -> asyncpg.Record:
        """Return a message as `get` does, of a key that sees no others only one that came with it."""
        row = await self.get(message_id)
        if key_id is not None and row.get("key_id") != key_id:
            raise MessageNotFoundError(f"There is no message {message_id}.")
        return row

    async def attempts(self, message_id: UUID) -> list[asyncpg.Record]:
        """Return the attempts of a message's task, oldest first."""
        return await self._pool.fetch(sql.attempts, message_id)

    async def content(self, message_id: UUID) -> asyncpg.Record:
        """Return a message's content as it went to the provider.

        Raises:
            MessageNotFoundError: there is no such message.
            ContentNotKeptError: it is not kept; that of campaign mail never is.
        """
        row = await self._pool.fetchrow(sql.content, message_id)
        if row is None:
            await self.get(message_id)
        if row is None or row["content"] is None:
            raise ContentNotKeptError
        return row

    async def page(self, wanted: Filter, cursor: str | None, limit: int) -> tuple[list[asyncpg.Record], str | None]:
        """Return a page of messages, newest first."""
        return page(await self._fetch(wanted, before(cursor), limit + 1), limit, "message_id")

    async def export(self, wanted: Filter) -> AsyncIterator[asyncpg.Record]:
        """Yield every message, newest first."""
        async for rows in self._slices(wanted, _EXPORT_PAGE):
            for row in rows:
                yield row

    async def contents(self, wanted: Filter) -> AsyncIterator[asyncpg.Record]:
        """Yield what was sent in all messages whose content is kept, newest first, one by one: it may be large."""
        async for rows in self._slices(wanted, _SLICE):
            for row in rows:
                content = await self._pool.fetchrow(sql.content, row["message_id"])
                if content is not None and content["content"] is not None:
                    yield content

    async def matching(
        self, wanted: Filter, statuses: Sequence[RecipientStatus], cursor: str | None
    ) -> AsyncIterator[list[UUID]]:
        """Yield the ids of messages that match and have one of these states, slice by slice, newest first.

        It walks away from where new messages come in, so that what happens to a slice brings nothing back into the
        walk. `cursor`: goes on behind this one.
        """
        async for rows in self._slices(wanted, _SLICE, statuses, before(cursor)):
            yield [row["message_id"] for row in rows]

    async def costs(self, wanted: Filter) -> list[asyncpg.Record]:
        """Return what messages of a time and a tag have cost, by provider, channel and currency."""
        after, before_ = _floor(wanted.created_after), _floor(wanted.created_before)
        return await self._pool.fetch(sql.costs, after, before_, wanted.tag)

    async def stats(self, wanted: Filter, span: Span) -> list[asyncpg.Record]:
        """Return how many messages of a provider, a tag and a channel have which status, interval by interval."""
        start, end = _floor(span.start), _floor(span.end)
        return await self._pool.fetch(sql.stats, start, end, wanted.provider, wanted.tag, wanted.channel, span.interval)

    # -- inside

    async def _slices(
        self, wanted: Filter, size: int, statuses: Sequence[RecipientStatus] | None = None, last: UUID | None = None
    ) -> AsyncIterator[list[asyncpg.Record]]:
        while rows := await self._fetch(wanted, last, size, statuses):
            yield rows
            if len(rows) < size:
                break
            last = rows[-1]["message_id"]

    async def _fetch(
        self, wanted: Filter, last: UUID | None, limit: int, statuses: Sequence[RecipientStatus] | None = None
    ) -> list[asyncpg.Record]:
        statuses = statuses or ([wanted.status] if wanted.status is not None else None)
        values = (
            last,
            _floor(wanted.created_after),
            _floor(wanted.created_before),
            statuses,
            wanted.channel,
            wanted.provider,
            wanted.tag,
            wanted.submission_id,
            limit,
            wanted.scheduled,
            wanted.text and search.names(wanted.text),
            wanted.text and search.pattern(wanted.text),
            wanted.text and await self._by_message_id(wanted, wanted.text),
            wanted.delivery,
        )
        if wanted.key_id is not None:
            return await self._pool.fetch(sql.list_own, *values, wanted.key_id, wanted.address)
        if wanted.address is not None:
            return await self._pool.fetch(sql.list_address, *values, wanted.address)
        is_noted = statuses is not None and len(statuses) == 1 and statuses[0] in _NOTED
        return await self._pool.fetch(sql.list_attention if is_noted else sql.list_messages, *values)

    async def _by_message_id(self, wanted: Filter, text: str) -> UUID | None:
        """Return whose id, or whose Message-ID, a text is. Message-IDs are not stored: they are made once more."""
        if (found := search.id_of(text)) is not None:
            return found
        finder = MessageIdFinder.of(self._secret, text)
        last = _floor(wanted.created_before)
        while finder is not None:
            rows = await self._pool.fetch(sql.ids, last, _floor(wanted.created_after), _EXPORT_PAGE)
            if not rows:
                break
            if (found := finder.among(row["message_id"] for row in rows)) is not None:
                return found
            last = rows[-1]["message_id"]
        return None


def _floor(moment: datetime | None) -> UUID | None:
    """Return the smallest id of a moment: ids are times."""
    return None if moment is None else uuid7_floor(max(0, int(moment.timestamp() * 1000)))
