"""An operator's word on limits: it wins over what definitions say, until it is taken back."""

from collections.abc import Mapping
from typing import Any

import asyncpg
from redis.exceptions import RedisError

from taskflow.base.errors import NotFoundError
from taskflow.base.logging import get_logger
from taskflow.broker.limits import EVERY_KEY, Limit
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine.limits.models import task_subject
from taskflow.engine.limits.repository import limit_of, sql

log = get_logger(__name__)

_NOTHING = {"concurrency": None, "rate_count": None, "rate_seconds": None, "weight": 1.0, "aging_seconds": None}
_COLUMNS = ("concurrency", "rate_count", "rate_seconds", "weight", "aging_seconds")


class UnknownLimitError(NotFoundError):
    """There is no such limit."""

    code = "unknown_limit"


class LimitService:
    """Limits of tasks and of their keys, for code that shares the database."""

    def __init__(self, database: Database, broker: RedisBroker) -> None:
        """Use the pools and the broker of this process."""
        self._pool = database.pool
        self._broker = broker

    async def page(self, after: str | None, limit: int) -> list[tuple[asyncpg.Record, int]]:
        """Return limits by subject, each with how many ids it counts now."""
        rows = await self._pool.fetch(sql.list_limits, after, limit)
        return list(zip(rows, await self._held([row["subject"] for row in rows]), strict=True))

    async def override(self, task_name: str, key: str | None, changes: Mapping[str, Any]) -> tuple[asyncpg.Record, int]:
        """Say how a task, or one of its keys, is limited; what is not named stays as it is in force.

        Without a key it is what the definition limits: the task, or each of its keys that has no limit of its own. A
        task whose definition limits nothing is limited as a whole; all processes know of it within five seconds.

        Raises:
            UnknownLimitError: the definition has no keys.
        """
        declared = await self._declared(task_name, key)
        subject = declared["subject"] if key is None else task_subject(task_name, key)
        row = await self._pool.fetchrow(sql.limit_in_force, subject) or declared
        merged = {**row, **changes}
        await self._pool.execute(sql.override, subject, *(merged[name] for name in _COLUMNS))
        await self._tell(subject, limit_of(merged))
        return await self._listed(subject)

    async def reset(self, task_name: str, key: str | None) -> None:
        """Take an operator's word back: what the definition says is in force again.

        Raises:
            UnknownLimitError: there is none.
        """
        subjects = [task_subject(task_name), task_subject(task_name) + EVERY_KEY]
        if key is not None:
            subjects = [task_subject(task_name, key)]
        gone = [subject for subject in subjects if await self._pool.fetchval(sql.reset, subject)]
        if not gone:
            what = repr(task_name) if key is None else f"{task_name!r} for {key!r}"
            raise UnknownLimitError(f"Nobody has overridden the limit of {what}.")
        for subject in gone:
            row = await self._pool.fetchrow(sql.limit_in_force, subject)
            await self._tell(subject, limit_of(row) if row else Limit())

    async def _declared(self, task_name: str, key: str | None) -> Mapping[str, Any]:
        own = task_subject(task_name)
        for subject in (own + EVERY_KEY, own) if key is None else (own + EVERY_KEY,):
            row = await self._pool.fetchrow(sql.limit_in_force, subject)
            if row is not None:
                return dict(row)
        if key is None:
            return {"subject": own, **_NOTHING}
        raise UnknownLimitError(f"The definition of {task_name!r} has no concurrency_key.")

    async def _listed(self, subject: str) -> tuple[asyncpg.Record, int]:
        [row] = await self._pool.fetch(sql.get_limit, subject)
        return row, (await self._held([subject]))[0]

    async def _held(self, subjects: list[str]) -> list[int]:
        try:
            return await self._broker.dispatch.held(subjects)
        except (RedisError, OSError) as error:
            log.warning("limits_unseen", error=repr(error))
            return [0] * len(subjects)

    async def _tell(self, subject: str, limit: Limit) -> None:
        try:
            await self._broker.dispatch.set_limits({subject: limit})
        except (RedisError, OSError) as error:
            log.warning("limit_left_to_the_relay", subject=subject, error=repr(error))
