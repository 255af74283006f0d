"""The heartbeat sender: a node's row in PostgreSQL and its hash in Redis.

The row is the truth: a node whose row is DEAD has lost its tasks to others, and starts over under a new id.
"""

import os
import platform
import socket
import sys
import time
from collections.abc import Sequence
from uuid import UUID

import asyncpg
from redis.exceptions import RedisError

from taskflow import __version__
from taskflow.base.ids import uuid7
from taskflow.base.logging import get_logger
from taskflow.broker.redis.broker import RedisBroker
from taskflow.broker.redis.events import Event
from taskflow.db.pool import Database
from taskflow.db.queries import load
from taskflow.settings import WorkerSettings

log = get_logger(__name__)
sql = load(__file__)


class DeclaredDeadError(Exception):
    """The rescuer has given this node's tasks to others."""


class Heartbeat:
    """Says that this node lives, and hears what it is wanted to do."""

    def __init__(self, database: Database, broker: RedisBroker, settings: WorkerSettings) -> None:
        """Make a new identity; `register` writes it."""
        self.worker_id: UUID = uuid7()
        self._database = database
        self._broker = broker
        self._settings = settings
        self._hostname = socket.gethostname()
        self._last_status = ""

    def _metadata(self, processes: Sequence[UUID]) -> dict[str, object]:
        return {
            "version": __version__,
            "platform": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
            "executable": sys.implementation.name,
            "pid": os.getpid(),
            "processes": [str(process) for process in processes],
        }

    async def register(self, processes: Sequence[UUID]) -> None:
        """Insert the node's row."""
        await self._database.pool.execute(
            sql.register,
            self.worker_id,
            self._hostname,
            self._settings.capacity * self._settings.processes,
            self._settings.queues,
            self._metadata(processes),
        )

    async def beat(self, status: str, load: int, capacity: int, processes: Sequence[UUID]) -> str:
        """Beat once; return what the node is wanted to do (RUN, PAUSE, DRAIN or STOP).

        Raises:
            DeclaredDeadError: the row says DEAD.
        """
        wanted = await self._database.pool.fetchval(
            sql.beat, self.worker_id, status, load, self._metadata(processes), capacity
        )
        try:
            await self._broker.workers.beat(
                self.worker_id,
                {
                    "hostname": self._hostname,
                    "status": status,
                    "current_load": load,
                    "capacity": capacity,
                    "last_heartbeat": int(time.time()),
                },
            )
            if status != self._last_status:
                data = {"worker_id": str(self.worker_id), "status": status, "current_load": load}
                await self._broker.events.publish([Event("workers", "worker.status", data)])
                self._last_status = status
        except (RedisError, OSError) as error:
            log.warning("beat_not_in_redis", error=repr(error))
        if wanted is None:
            raise DeclaredDeadError
        return str(wanted)

    async def sign_off(self) -> None:
        """Leave in good order."""
        try:
            await self._database.pool.execute(sql.sign_off, self.worker_id)
            await self._broker.workers.forget(self.worker_id)
            data = {"worker_id": str(self.worker_id), "status": "DEAD", "current_load": 0}
            await self._broker.events.publish([Event("workers", "worker.status", data)])
        except (asyncpg.PostgresError, asyncpg.InterfaceError, RedisError, OSError) as error:
            log.warning("sign_off_failed", error=repr(error))
