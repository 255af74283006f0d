"""The audit log: who did what to which thing, from where. Rows are only ever added.

Entries that arrive together are written in one statement. A mutation waits for its entry before it answers; if the
entry cannot be written, the log line carries it, because the mutation itself has happened.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from taskflow.base.ids import uuid7
from taskflow.base.logging import get_logger
from taskflow.db.outages import DATABASE_AWAY
from taskflow.db.pool import Pool
from taskflow.identity.repository import sql

log = get_logger(__name__)

_MOST_PER_STATEMENT = 500


@dataclass(slots=True)
class AuditEntry:
    """One row to be."""

    action: str
    actor: str
    actor_id: UUID | None = None
    target_type: str | None = None
    target_id: str | None = None
    request_id: str | None = None
    address: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    audit_id: UUID = field(default_factory=uuid7)


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One row that is."""

    audit_id: UUID
    actor_id: UUID | None
    actor: str
    action: str
    target_type: str | None
    target_id: str | None
    request_id: str | None
    address: str | None
    detail: dict[str, Any] | None
    created_at: datetime


class AuditLog:
    """Writes and reads `audit_log`."""

    def __init__(self, pool: Pool) -> None:
        """Take the pool."""
        self._pool = pool
        self._waiting: list[tuple[AuditEntry, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def write(self, entry: AuditEntry) -> None:
        """Add an entry and wait until it is committed."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._drain(), name="audit-writer")
        await done

    async def page(
        self,
        *,
        before: UUID | None,
        limit: int,
        actor_id: UUID | None = None,
        action: str | None = None,
        target_id: str | None = None,
    ) -> list[AuditRow]:
        """Return entries, newest first."""
        rows = await self._pool.fetch(sql.list_audit, before, actor_id, action, target_id, limit)
        return [AuditRow(**dict(row)) for row in rows]

    async def _drain(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:_MOST_PER_STATEMENT], self._waiting[_MOST_PER_STATEMENT:]
            try:
                await self._insert([entry for entry, _ in batch])
            except (*DATABASE_AWAY, asyncpg.PostgresError):
                for entry, _ in batch:
                    log.exception("audit_not_written", action=entry.action, actor=entry.actor, target=entry.target_id)
            finally:
                for _, done in batch:
                    if not done.done():
                        done.set_result(None)

    async def _insert(self, entries: Sequence[AuditEntry]) -> None:
        await self._pool.execute(
            sql.insert_audit,
            [entry.audit_id for entry in entries],
            [entry.actor_id for entry in entries],
            [entry.actor[:300] for entry in entries],
            [entry.action for entry in entries],
            [entry.target_type for entry in entries],
            [entry.target_id for entry in entries],
            [entry.request_id for entry in entries],
            [entry.address for entry in entries],
            [entry.detail or None for entry in entries],
        )
