"""The dead letter handler: requeues letters as they were or edited, purges them, and keeps the retry policies.

The letter itself is written by the statement that ends the task (`engine/queries.sql:finish`,
`coordinator/queries.sql:rescue`), so that no failure is without one. A requeue starts the task over with a full set of
attempts; an edited one makes another task and leaves the failed one and its letter as they are, linked.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import asyncpg

from taskflow.base.errors import ConflictError, NotFoundError
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine.client import Engine
from taskflow.engine.dead_letters.models import DeadLetterFilter, RetryPolicy
from taskflow.engine.dead_letters.repository import DeadLetterReader, found, sql
from taskflow.engine.handles import TaskHandle
from taskflow.engine.requests import Request
from taskflow.engine.waiting import TaskNotFoundError


class AlreadyRequeuedError(ConflictError):
    """This dead letter has been requeued."""

    code = "already_requeued"


class CampaignTaskError(ConflictError):
    """The task of a campaign's recipient cannot be edited: its row in the ledger is what it sends."""

    code = "campaign_task"


class PolicyNotFoundError(NotFoundError):
    """This task has no retry policy."""

    code = "policy_not_found"


class DeadLetterService:
    """Dead letters for code that shares the database."""

    def __init__(self, database: Database, broker: RedisBroker) -> None:
        """Use the pools and the broker of this process."""
        self._pool = database.pool
        self._engine = Engine(database, broker)
        self.reader = DeadLetterReader(database.pool)

    async def requeue(self, dlq_id: UUID) -> asyncpg.Record:
        """Start the task of a letter over; return the letter.

        Raises:
            DeadLetterNotFoundError: there is no such letter.
            IllegalTransitionError: its task waits, runs, or has ended well.
        """
        letter = await self.reader.dead_letter(dlq_id)
        try:
            await self._engine.retry(letter["task_id"])
        except TaskNotFoundError:  # its row was pruned; the letter holds all that it takes
            await self.requeue_edited(dlq_id, {})
        return await self.reader.dead_letter(dlq_id)

    async def requeue_edited(
        self, dlq_id: UUID, changes: Mapping[str, Any], *, created_by: UUID | None = None
    ) -> TaskHandle[Any]:
        """Make a new task of a letter, with some fields of a `Request` changed; the letter is linked to it.

        Raises:
            DeadLetterNotFoundError: there is no such letter.
            AlreadyRequeuedError: it has been requeued.
            CampaignTaskError: the ledger says what this task does.
            InvalidTaskArgumentsError: the arguments do not fit the task.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            letter = found(await connection.fetchrow(sql.lock_dead_letter, dlq_id), dlq_id)
            if letter["requeued_at"] is not None:
                raise AlreadyRequeuedError(
                    f"It was requeued at {letter['requeued_at'].isoformat()}.",
                    task_id=str(letter["requeued_task_id"]),
                )
            if letter["task_data"].get("campaign_id") is not None:
                raise CampaignTaskError
            request = _request(letter["task_data"])._replace(created_by=created_by, **changes)
            handle = await self._engine.submit_in(connection, request)
            await connection.execute(sql.link, dlq_id, handle.task_id)
        await self._engine.dispatch([handle])
        return handle

    async def requeue_many(self, wanted: DeadLetterFilter) -> int:
        """Start the tasks of all letters over that match and that nobody has requeued; return how many tasks."""
        requeued = 0
        if wanted.requeued:
            return requeued
        async for rows in self.reader.slices(replace(wanted, requeued=False)):
            requeued += await self._engine.retry_many([row["task_id"] for row in rows])
        return requeued

    async def purge(self, dlq_id: UUID) -> None:
        """Delete a letter; its task stays as it is.

        Raises:
            DeadLetterNotFoundError: there is none.
        """
        found(await self._pool.fetchrow(sql.purge, [dlq_id]), dlq_id)

    async def purge_many(self, wanted: DeadLetterFilter) -> int:
        """Delete all letters that match; return how many. Their tasks stay as they are."""
        purged = 0
        async for rows in self.reader.slices(wanted):
            purged += len(await self._pool.fetch(sql.purge, [row["dlq_id"] for row in rows]))
        return purged

    async def set_policy(self, policy: RetryPolicy, *, created_by: UUID | None = None) -> asyncpg.Record:
        """Let tasks of a name leave the dead letters by themselves, also those that are there already."""
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(
                sql.put_policy, policy.task_name, policy.max_retries, policy.delay, policy.backoff, policy.max_delay,
                created_by,
            )  # fmt: skip
            await connection.execute(sql.judge_anew, policy.task_name)
        assert row is not None  # noqa: S101 - INSERT … RETURNING
        return row

    async def delete_policy(self, task_name: str) -> None:
        """Let them stay; what waits for its retry waits for a person from now on.

        Raises:
            PolicyNotFoundError: there is none.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            if await connection.fetchval(sql.delete_policy, task_name) is None:
                raise PolicyNotFoundError(f"{task_name!r} has no retry policy.", task_name=task_name)
            await connection.execute(sql.judge_anew, task_name)


def _request(task_data: Mapping[str, Any]) -> Request:
    return Request(
        task_data["task_name"],
        task_data["task_args"] or (),
        task_data["task_kwargs"],
        task_data["queue"],
        task_data["priority"],
        task_data["max_retries"],
        task_data["timeout_seconds"],
        tags=task_data["tags"] or (),
        payload_version=task_data["payload_version"],
    )
