"""Messages steered by hand, one or many: cancelled, resolved, sent again."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple
from uuid import UUID

import asyncpg

from taskflow.base.pagination import encode_cursor
from taskflow.db.pool import Connection, Database
from taskflow.delivery.messages.errors import (
    MessageNotCancellableError,
    MessageNotFailedError,
    MessageNotFoundError,
    MessageNotUncertainError,
    WordsNotKeptError,
)
from taskflow.delivery.messages.log import MessageLog
from taskflow.delivery.messages.search import Filter
from taskflow.delivery.messages.service import REQUESTS, sql
from taskflow.delivery.states import RecipientStatus
from taskflow.engine.client import Engine
from taskflow.engine.handles import TaskHandle
from taskflow.engine.states import TaskStatus
from taskflow.engine.store import sql as engine_sql

Resolution = Literal["sent", "failed", "resend"]

MOST_A_CALL = 10_000
"""Messages that one call changes, or a few more: its request should not last for minutes."""
_RESOLVED: dict[Resolution, RecipientStatus] = {
    "sent": RecipientStatus.SENT,
    "failed": RecipientStatus.FAILED,
    "resend": RecipientStatus.PENDING,
}


class Changed(NamedTuple):
    """How many messages a call has changed, and where it stopped before it had looked at all."""

    messages: int
    next_cursor: str | None


class MessageSteering:
    """Decides about messages that were submitted."""

    def __init__(self, database: Database, engine: Engine, log: MessageLog, prices: Mapping[str, Any]) -> None:
        """Take the pools, the engine that runs the tasks, and what finds messages.

        `prices`: what texts cost over providers that do not say (`SmsSettings.price_list`).
        """
        self._prices = prices
        self._pool = database.pool
        self._engine = engine
        self._log = log

    async def cancel(self, message_id: UUID) -> asyncpg.Record:
        """Keep a message that waits from being sent; return it.

        Raises:
            MessageNotFoundError: there is none.
            MessageNotCancellableError: it is on the wire, or has ended.
        """
        if not await self._cancel([message_id]):
            status = await self._status_of(message_id)
            raise MessageNotCancellableError(f"The message is {status}.", status_now=status)
        return await self._log.get(message_id)

    async def cancel_many(self, wanted: Filter, cursor: str | None = None) -> Changed:
        """Keep those that match and wait from being sent, at most about `MOST_A_CALL`; raises InvalidCursorError."""
        return await self._change(wanted, cursor, (RecipientStatus.PENDING, RecipientStatus.DEFERRED), self._cancel)

    async def resolve(self, message_id: UUID, resolution: Resolution) -> asyncpg.Record:
        """Decide about an uncertain message; return it. `resend`: somebody may get it twice.

        Raises:
            MessageNotFoundError: there is none.
            MessageNotUncertainError: nobody has to decide about it.
            WordsNotKeptError: it is to be sent again, and what it says is not there any more.
        """
        if not await self._resolve([message_id], resolution):
            status = await self._status_of(message_id)
            if status == RecipientStatus.UNCERTAIN and resolution == "resend":
                await _check_words(self._pool, message_id)
            raise MessageNotUncertainError(f"The message is {status}.", status_now=status)
        return await self._log.get(message_id)

    async def resolve_many(self, wanted: Filter, resolution: Resolution, cursor: str | None = None) -> Changed:
        """Decide about those that match and are uncertain, at most about `MOST_A_CALL`; raises InvalidCursorError.

        With `resend`, those whose task is still ending, or whose words are gone, stay as they are.
        """

        async def change(message_ids: Sequence[UUID]) -> int:
            return await self._resolve(message_ids, resolution)

        return await self._change(wanted, cursor, (RecipientStatus.UNCERTAIN,), change)

    async def resend(self, message_id: UUID) -> asyncpg.Record:
        """Send a message that failed again, as it is; return it.

        Raises:
            MessageNotFoundError: there is none.
            MessageNotFailedError: it has not failed, or its task has not ended.
            WordsNotKeptError: what it says is not there any more.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            channel = await connection.fetchval(sql.resend, message_id)
            if channel is None:
                status = await self._status_of(message_id)
                if status == RecipientStatus.FAILED:
                    await _check_words(connection, message_id)
                raise MessageNotFailedError(f"The message is {status}.", status_now=status)
            handles = await self._start_over(connection, {message_id: channel})
        await self._engine.dispatch(handles)
        return await self._log.get(message_id)

    # -- inside

    async def _change(
        self,
        wanted: Filter,
        cursor: str | None,
        statuses: Sequence[RecipientStatus],
        change: Callable[[Sequence[UUID]], Awaitable[int]],
    ) -> Changed:
        changed = 0
        async for message_ids in self._log.matching(wanted, statuses, cursor):
            changed += await change(message_ids)
            if changed >= MOST_A_CALL:
                return Changed(changed, encode_cursor(message_ids[-1]))
        return Changed(changed, None)

    async def _cancel(self, message_ids: Sequence[UUID]) -> int:
        rows = await self._pool.fetch(sql.cancel, message_ids)
        await self._engine.cancel_many([row["message_id"] for row in rows])
        return len(rows)

    async def _resolve(self, message_ids: Sequence[UUID], resolution: Resolution) -> int:
        handles: list[TaskHandle[Any]] = []
        async with self._pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(sql.resolve, message_ids, _RESOLVED[resolution], self._prices)
            if rows and resolution == "resend":
                handles = await self._start_over(connection, {row["message_id"]: row["channel"] for row in rows})
        await self._engine.dispatch(handles)
        return len(rows)

    async def _start_over(self, connection: Connection, channels: dict[UUID, str]) -> list[TaskHandle[Any]]:
        """Put messages' tasks back, or make them anew where they are not kept any more; `channels` by message."""
        kept: list[TaskHandle[Any]] = [
            TaskHandle(row["task_id"], TaskStatus(row["status"]), row["dispatch_key"], row["priority"], True,
                       row["dispatch_key"])
            for row in await connection.fetch(engine_sql.retry_by_hand, list(channels))
        ]  # fmt: skip
        gone = channels.keys() - {handle.task_id for handle in kept}
        new = [REQUESTS[channels[message_id]]._replace(task_id=message_id) for message_id in sorted(gone)]
        return kept + (await self._engine.submit_many_in(connection, new) if new else [])

    async def _status_of(self, message_id: UUID) -> str:
        """Return the status of a message of ours, or raise MessageNotFoundError."""
        row = await self._log.get(message_id)
        if row["campaign_id"] is not None:
            raise MessageNotFoundError(f"{message_id} is mail of the campaign {row['campaign_id']}: steer it there.")
        return str(row["status"])


async def _check_words(source: Any, message_id: UUID) -> None:
    """Ask a connection or a pool whether what a message says is still there; raise WordsNotKeptError when it is not."""
    if not await source.fetchval(sql.are_words_kept, message_id):
        raise WordsNotKeptError
