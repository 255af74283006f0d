"""Waiting for tasks to end, beside the database: the event stream says when to look, PostgreSQL says what there is.

One reader serves everybody in this process who waits, and lives only as long as somebody does. An event may be lost
(Redis is disposable), so whoever waits looks again every two seconds even without one.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from uuid import UUID

from redis.exceptions import RedisError

from taskflow.base.errors import NotFoundError
from taskflow.base.logging import get_logger
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.db.queries import load
from taskflow.engine.results import TaskEnd, timed_out
from taskflow.engine.states import TERMINAL, TaskStatus

sql = load(__file__, "reading.sql")
log = get_logger(__name__)

_LOOK_AGAIN_SECONDS = 2.0
_BLOCK_SECONDS = 2.0


class TaskNotFoundError(NotFoundError):
    """There is no such task."""

    code = "task_not_found"


class Ends:
    """The ends of tasks, as they come."""

    def __init__(self, database: Database, broker: RedisBroker) -> None:
        """Use the pools and the broker of this process."""
        self._pool = database.pool
        self._events = broker.events
        self._waiting: dict[UUID, set[asyncio.Event]] = {}
        self._reader: asyncio.Task[None] | None = None
        self._listening = asyncio.Event()

    async def wait(self, task_id: UUID, seconds: float | None) -> TaskEnd:
        """Return how a task ended, once it has.

        Raises:
            TaskNotFoundError: there is none.
            WaitTimeoutError: it has not ended within `seconds`.
        """
        try:
            async with asyncio.timeout(seconds):
                return await self._wait(task_id)
        except TimeoutError:
            raise timed_out(task_id, seconds) from None

    async def _wait(self, task_id: UUID) -> TaskEnd:
        if (end := await self._look(task_id)) is not None:
            return end
        with self._woken(task_id) as wake:
            await self._listening.wait()
            while (end := await self._look(task_id)) is None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_AGAIN_SECONDS):
                        await wake.wait()
                wake.clear()
            return end

    async def _look(self, task_id: UUID) -> TaskEnd | None:
        row = await self._pool.fetchrow(sql.end_of, task_id)
        if row is None:
            raise TaskNotFoundError(f"There is no task {task_id}.", task_id=str(task_id))
        status = TaskStatus(row["status"])
        if status not in TERMINAL:
            return None
        return TaskEnd(task_id, status, row["result_data"], row["error_message"], row["stack_trace"])

    @contextlib.contextmanager
    def _woken(self, task_id: UUID) -> Iterator[asyncio.Event]:
        """Hand out an event that is set whenever this task may have ended."""
        wake = asyncio.Event()
        self._waiting.setdefault(task_id, set()).add(wake)
        if self._reader is None or self._reader.done():
            self._listening.clear()
            self._reader = asyncio.create_task(self._read(), name="task-ends")
        try:
            yield wake
        finally:
            others = self._waiting[task_id]
            others.discard(wake)
            if not others:
                del self._waiting[task_id]
            if not self._waiting:
                self._reader.cancel()
                self._reader = None

    async def _read(self) -> None:
        while True:
            try:
                cursor = await self._events.position()
                position = cursor.position if cursor else "0-0"
                self._listening.set()
                while True:
                    heard = await self._events.read(position, block=_BLOCK_SECONDS)
                    position = heard[-1][0] if heard else position
                    for _, event in heard:
                        if event.type == "task.status" and event.data["status"] in TERMINAL:
                            self._wake(event.data["task_id"])
            except (RedisError, OSError) as error:
                self._listening.set()  # they look by themselves
                log.warning("task_ends_not_heard", error=str(error))
                await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    def _wake(self, task_id: str) -> None:
        for wake in self._waiting.get(UUID(task_id), ()):
            wake.set()
