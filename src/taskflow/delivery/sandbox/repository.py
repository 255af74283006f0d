"""The rows of the sandbox inbox."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import asyncpg

from taskflow.db.pool import Pool
from taskflow.db.queries import load
from taskflow.delivery.providers.contract import Sighting, Sought

sql = load(__file__)


class Received(NamedTuple):
    """A message as SMTP delivered it."""

    message_id: UUID
    mail_from: str
    rcpt_to: str
    subject: str | None
    message_id_header: str | None
    raw: bytes


class InboxRepository:
    """Statements over an ordinary pool."""

    def __init__(self, pool: Pool) -> None:
        """Take the pool."""
        self._pool = pool

    async def add(self, messages: Sequence[Received]) -> None:
        """Keep messages; ones that are there already stay as they are."""
        await self._pool.execute(
            sql.add,
            [message.message_id for message in messages],
            [message.mail_from for message in messages],
            [message.rcpt_to for message in messages],
            [message.subject for message in messages],
            [message.message_id_header for message in messages],
            [len(message.raw) for message in messages],
            [message.raw for message in messages],
        )

    async def trim(self, keep: int) -> None:
        """Drop all but the newest `keep` messages."""
        await self._pool.execute(sql.trim, keep)

    async def list_messages(self, q: str | None, before: UUID | None, limit: int) -> list[asyncpg.Record]:
        """Return up to `limit` rows older than `before` that hold `q` in sender, recipient or subject."""
        return await self._pool.fetch(sql.list_messages, q, before, limit)

    async def message(self, message_id: UUID) -> asyncpg.Record | None:
        """Return one row with its bytes."""
        return await self._pool.fetchrow(sql.get_message, message_id)

    async def find(self, sought: Sought) -> Sighting | None:
        """Return whether a mail is here; the inbox has no id of its own for it that anybody needs."""
        found = await self._pool.fetchval(sql.find, sought.header, sought.rcpt_to)
        return Sighting(None) if found is not None else None

    async def clear(self) -> None:
        """Drop every message."""
        await self._pool.execute(sql.clear)

    async def rules(self) -> list[asyncpg.Record]:
        """Return every rule."""
        return await self._pool.fetch(sql.rules)

    async def replace_rules(self, rules: Sequence[tuple[str, str, int | None]]) -> None:
        """Make `rules` (pattern, action, times) the only ones."""
        rules = sorted(rules)
        patterns = [rule[0] for rule in rules]
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(sql.forget_rules, patterns)
            await connection.execute(sql.put_rules, patterns, [rule[1] for rule in rules], [rule[2] for rule in rules])

    async def hit(self, pattern: str) -> str | None:
        """Note a use of a rule and return its action, or None when it is gone."""
        action: str | None = await self._pool.fetchval(sql.hit, pattern)
        return action
