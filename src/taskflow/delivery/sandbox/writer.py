"""Group commit: rows of many callers, one statement; each caller goes on when its rows are committed."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import asyncpg

from taskflow.base.errors import UnavailableError
from taskflow.base.logging import get_logger
from taskflow.db.outages import DATABASE_AWAY
from taskflow.delivery.sandbox.repository import Received

log = get_logger(__name__)

_MOST_ROWS = 200
_MOST_BYTES = 32 * 1024**2
_GIVE_UP_SECONDS = 60.0
_PAUSE_SECONDS = 0.2

Waiting = tuple[Sequence[Received], "asyncio.Future[None]"]


class NotKeptError(UnavailableError):
    """PostgreSQL stayed away: the rows may or may not be there."""


class GroupWriter:
    """Writes whatever gathered while the last write was under way."""

    def __init__(self, write: Callable[[Sequence[Received]], Awaitable[None]]) -> None:
        """Write through `write`, which must accept the same rows twice."""
        self._write = write
        self._waiting: list[Waiting] = []
        self._task: asyncio.Task[None] | None = None

    async def keep(self, rows: Sequence[Received]) -> None:
        """Return when `rows` are committed.

        Raises:
            NotKeptError: PostgreSQL did not come back in time.
            PostgresError: it refused the rows.
        """
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((rows, done))
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        await done

    async def close(self) -> None:
        """Wait for what is waiting."""
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        while self._waiting:
            batch = self._take()
            error: Exception | None = None
            try:
                await self._persist([row for rows, _ in batch for row in rows])
            except (NotKeptError, asyncpg.PostgresError) as failure:
                error = failure
            for _, done in batch:
                if done.done():  # its connection is gone; the rows stay
                    continue
                if error is None:
                    done.set_result(None)
                else:
                    done.set_exception(error)
        self._task = None

    def _take(self) -> list[Waiting]:
        size = count = 0
        for count, (rows, _) in enumerate(self._waiting, start=1):
            size += sum(len(row.raw) for row in rows)
            if count >= _MOST_ROWS or size >= _MOST_BYTES:
                break
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    async def _persist(self, rows: Sequence[Received]) -> None:
        ends = time.monotonic() + _GIVE_UP_SECONDS
        while True:
            try:
                await self._write(rows)
            except DATABASE_AWAY as error:
                if time.monotonic() >= ends:
                    raise NotKeptError from error
                log.warning("sandbox_waits_for_postgresql", error=str(error) or type(error).__name__)
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return
