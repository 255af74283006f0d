"""Makes and steers queues: a row says what is wanted, and Redis is told at once; the relay repeats it if need be."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
from redis.exceptions import RedisError

from taskflow.base.errors import NotFoundError
from taskflow.base.logging import get_logger
from taskflow.broker.limits import queue_subject
from taskflow.broker.redis.broker import RedisBroker
from taskflow.broker.redis.survey import QueueLook
from taskflow.db.pool import Database
from taskflow.engine.coordinator.backlog import live_keys
from taskflow.engine.limits.repository import limit_of
from taskflow.engine.limits.repository import sql as limits_sql
from taskflow.engine.options import check_queue_name
from taskflow.engine.queues.terms import QueueBook, sql

log = get_logger(__name__)

CancelMany = Callable[[Sequence[UUID]], Awaitable[int]]

_SLICE = 1000
_TERMS = ("priority", "max_retries", "timeout_seconds")
_LIMITS = ("concurrency", "rate_count", "rate_seconds", "weight", "aging_seconds")


class QueueNotFoundError(NotFoundError):
    """Nobody has used or made a queue of this name."""

    code = "queue_not_found"


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue: its row with its limits, and what Redis sees of it (None while Redis is away)."""

    row: Mapping[str, Any]
    look: QueueLook | None


class QueueService:
    """Queues for code that shares the database."""

    def __init__(self, database: Database, broker: RedisBroker, book: QueueBook, cancel: CancelMany) -> None:
        """Use the pools and the broker of this process; `book` is told of changes, `cancel` cancels what waits."""
        self._database = database
        self._broker = broker
        self._book = book
        self._cancel = cancel

    async def page(self, after: str | None, limit: int) -> list[Queue]:
        """Return queues by name: all that were ever in use, also those that came into use a moment ago."""
        keys = await self._meet()
        rows = await self._database.pool.fetch(sql.list_queues, None, after, limit)
        return await self._seen(rows, keys)

    async def get(self, name: str) -> Queue:
        """Return a queue.

        Raises:
            QueueNotFoundError: nobody has used or made it.
        """
        keys = await self._meet()
        rows = await self._database.pool.fetch(sql.list_queues, name, None, 1)
        if not rows:
            raise QueueNotFoundError(f"There is no queue {name!r}.", queue=name)
        return (await self._seen(rows, keys))[0]

    async def size(self, name: str) -> int:
        """Return how many tasks are in line."""
        look = (await self.get(name)).look
        return look.waiting if look else 0

    async def peek(self, name: str, count: int = 10) -> list[str]:
        """Return the ids that stand first in each line of a queue, up to `count` of each."""
        keys = [key for key in await live_keys(self._database) if key.partition("/")[0] == name]
        return [task_id for key in keys for task_id in await self._broker.dispatch.peek(key, count)]

    async def pause(self, name: str) -> Queue:
        """Hand out nothing more of a queue; what runs goes on. A queue that is not there yet is made."""
        await self._steer(sql.pause, name, self._broker.dispatch.pause(name))
        return await self.get(name)

    async def resume(self, name: str) -> Queue:
        """Hand out a queue again, and take new tasks again if it was draining."""
        await self._steer(sql.resume, name, self._broker.dispatch.resume(name))
        return await self.get(name)

    async def drain(self, name: str) -> Queue:
        """Take no new tasks and run those that wait; a pause ends. Every process knows of it within five seconds."""
        await self._steer(sql.drain, name, self._broker.dispatch.resume(name))
        return await self.get(name)

    async def purge(self, name: str) -> int:
        """Cancel all tasks of a queue that have not started; return how many."""
        cancelled = 0
        for key in await live_keys(self._database):
            if key.partition("/")[0] != name:
                continue
            while True:
                rows = await self._database.hot.fetch(sql.waiting_of, key, _SLICE)
                if not rows:
                    break
                cancelled += await self._cancel([row["task_id"] for row in rows])
            await self._tell(name, self._broker.dispatch.clear(key))
        return cancelled

    async def change(self, name: str, changes: Mapping[str, Any]) -> Queue:
        """Change a queue's terms (`priority`, `max_retries`, `timeout_seconds`) and limits; what is not named stays.

        Limits are `concurrency`, `rate_count` and `rate_seconds`, `weight`, `aging_seconds`. A queue that is not there
        yet is made.
        """
        check_queue_name(name)
        async with self._database.pool.acquire() as connection, connection.transaction():
            await connection.execute(sql.met, [name])
            await connection.execute(sql.lock, name)
            row = dict((await connection.fetch(sql.list_queues, name, None, 1))[0]) | dict(changes)
            if changes.keys() & set(_TERMS):
                await connection.execute(sql.change, name, *(row[term] for term in _TERMS))
            if changes.keys() & set(_LIMITS):
                await connection.fetchrow(limits_sql.override, queue_subject(name), *(row[limit] for limit in _LIMITS))
        self._book.forget()
        await self._tell(name, self._broker.dispatch.set_limit(name, limit_of(row)))
        return await self.get(name)

    async def _meet(self) -> list[str]:
        """Give every queue in use its row; return all live dispatch keys."""
        keys = await live_keys(self._database)
        await self._database.pool.execute(sql.met, sorted({key.partition("/")[0] for key in keys}))
        return keys

    async def _seen(self, rows: Sequence[asyncpg.Record], keys: Sequence[str]) -> list[Queue]:
        try:
            looks = await self._broker.survey.look([row["name"] for row in rows], keys)
        except (RedisError, OSError) as error:
            log.warning("queues_unseen", error=repr(error))
            looks = {}
        return [Queue(dict(row), looks.get(row["name"])) for row in rows]

    async def _steer(self, statement: str, name: str, word: Awaitable[None]) -> None:
        await self._database.pool.execute(statement, check_queue_name(name))
        self._book.forget()
        await self._tell(name, word)

    @staticmethod
    async def _tell(name: str, word: Awaitable[None]) -> None:
        try:
            await word
        except (RedisError, OSError) as error:
            log.warning("queue_left_to_the_relay", queue=name, error=repr(error))
