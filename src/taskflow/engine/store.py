"""The hot statements as functions: what the worker and the client say to PostgreSQL about tasks.

Fencing: a claim raises `lease_epoch`, and every later write of the worker names the epoch it was given. A write that
names another epoch, or finds the row no longer RUNNING, changes nothing. `finish` then reads the row again: the same
epoch with the same end means that an earlier reply was lost (success), anything else that the lease is gone (stale).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from taskflow.base.ids import uuid7
from taskflow.db.pool import Database
from taskflow.db.queries import load
from taskflow.engine.states import TaskStatus

sql = load(__file__)


class Lease(NamedTuple):
    """One claimed attempt, as its row was at that moment."""

    task_id: UUID
    lease_epoch: int
    task_name: str
    dispatch_key: str
    priority: int
    retry_count: int
    max_retries: int
    timeout_seconds: int
    crash_count: int
    campaign_id: UUID | None
    args: Any
    kwargs: Any


@dataclass(slots=True)
class Outcome:
    """How one attempt ended.

    Attributes:
        status: what the task becomes.
        execution: the status of its execution row; empty writes none.
        seconds: how long it ran; None when it never started.
        delay: seconds until a SCHEDULED task is due.
        retries, crashes: added to the task's counts.
        dead: the task goes to the dead letters.
    """

    lease: Lease
    status: TaskStatus
    execution: str = ""
    seconds: float | None = None
    delay: float | None = None
    retries: int = 0
    crashes: int = 0
    result: Any = None
    error: str | None = None
    stack: str | None = None
    dead: bool = False

    @property
    def is_plain(self) -> bool:
        """Tell whether the `complete` statement says it all."""
        return self.status is TaskStatus.COMPLETED and self.result is None and self.error is None


class LogLine(NamedTuple):
    """A line that a task logged; `age` is how many seconds ago."""

    log_id: UUID
    task_id: UUID
    lease_epoch: int
    level: str
    message: str
    metadata: Any
    age: float


class TaskStore:
    """Claims, finishes and logs attempts."""

    def __init__(self, database: Database) -> None:
        """Use the hot pool of `database`."""
        self._pool = database.hot

    async def claim(
        self,
        claim_id: UUID,
        worker_id: UUID,
        process_id: UUID,
        task_ids: Sequence[str],
        *,
        generation: str | None = None,
    ) -> list[Lease]:
        """Claim those of `task_ids` that are PENDING. Safe to repeat with the same `claim_id`.

        `generation`: claim nothing unless the dispatch still lives that life, for ids whose number is limited.
        """
        values = (sorted(task_ids), claim_id, worker_id, process_id)
        if generation is None:
            rows = await self._pool.fetch(sql.claim, *values)
        else:
            rows = await self._pool.fetch(sql.claim_limited, *values, generation)
        return [Lease(*row) for row in rows]

    async def reroute(self, leases: Sequence[tuple[Lease, str]]) -> list[asyncpg.Record]:
        """Hand leases back, each to wait under another dispatch key; return what became of them."""
        ordered = sorted(leases, key=lambda pair: pair[0].task_id)
        return await self._pool.fetch(
            sql.reroute,
            [lease.task_id for lease, _ in ordered],
            [lease.lease_epoch for lease, _ in ordered],
            [key for _, key in ordered],
        )

    async def begin_alone(self, lease: Lease) -> bool:
        """Mark that a suspect starts now, and tell whether its lease still holds."""
        return await self._pool.fetchval(sql.begin_alone, lease.task_id, lease.lease_epoch) is not None

    async def finish(self, outcomes: Sequence[Outcome], logs: Sequence[LogLine] = ()) -> set[UUID]:
        """Write how attempts ended, all in one transaction; return the ids whose lease was gone (stale).

        One that would go on later, although somebody has asked to cancel it, ends CANCELLED; its outcome says so then.
        Safe to repeat: what an earlier call has written counts as written.
        """
        plain: list[Outcome] = []
        rest: list[Outcome] = []
        for outcome in sorted(outcomes, key=_task_id):
            (plain if outcome.is_plain else rest).append(outcome)
        now: dict[UUID, str] = {}  # what they are, as far as that is known
        completed = 0
        async with self._pool.acquire() as connection:
            if rest or logs:
                async with connection.transaction():
                    if logs:
                        await connection.execute(sql.append_logs, *zip(*logs, strict=True))
                    if rest:
                        now |= {row[0]: row[1] for row in await connection.fetch(sql.finish, *_columns(rest))}
                    if plain:
                        completed = await connection.fetchval(sql.complete, *_plain_columns(plain))
            elif plain:
                completed = await connection.fetchval(sql.complete, *_plain_columns(plain))
            unsure = rest if completed == len(plain) else outcomes
            missing = {o.lease.task_id: o for o in unsure if o.lease.task_id not in now}
            rows = await connection.fetch(sql.ended_as, sorted(missing)) if missing else []
        for task_id, status, epoch in rows:
            outcome = missing[task_id]
            if epoch == outcome.lease.lease_epoch and (status == outcome.status or _is_cancelled(outcome, status)):
                now[task_id] = status
        for outcome in rest:
            if _is_cancelled(outcome, now.get(outcome.lease.task_id)):
                outcome.status = TaskStatus.CANCELLED
        return {task_id for task_id in missing if task_id not in now}

    async def append_logs(self, logs: Sequence[LogLine]) -> None:
        """Write log lines of running attempts; those of lost leases are dropped."""
        await self._pool.execute(sql.append_logs, *zip(*logs, strict=True))

    async def forget_claims(self, claim_ids: Sequence[UUID]) -> None:
        """Delete the journal rows of claims whose tasks have all been settled."""
        await self._pool.execute(sql.forget_claims, sorted(claim_ids))

    async def cancel_requested(self, task_ids: Sequence[UUID]) -> set[UUID]:
        """Return those running tasks that somebody wants cancelled."""
        return {row[0] for row in await self._pool.fetch(sql.cancel_requested, sorted(task_ids))}


def _is_cancelled(outcome: Outcome, status: str | None) -> bool:
    """Tell whether a task that would go on later has been cancelled instead."""
    return status == TaskStatus.CANCELLED and outcome.status in (TaskStatus.PENDING, TaskStatus.SCHEDULED)


def _task_id(outcome: Outcome) -> UUID:
    return outcome.lease.task_id


def _plain_columns(outcomes: Sequence[Outcome]) -> tuple[list[Any], ...]:
    return (
        [o.lease.task_id for o in outcomes],
        [o.lease.lease_epoch for o in outcomes],
        [o.seconds or 0.0 for o in outcomes],
    )


def _columns(outcomes: Sequence[Outcome]) -> tuple[list[Any], ...]:
    return (
        [o.lease.task_id for o in outcomes],
        [o.lease.lease_epoch for o in outcomes],
        [o.status.value for o in outcomes],
        [o.execution for o in outcomes],
        [o.seconds for o in outcomes],
        [o.delay for o in outcomes],
        [o.retries for o in outcomes],
        [o.crashes for o in outcomes],
        [o.result for o in outcomes],
        [o.error for o in outcomes],
        [o.stack for o in outcomes],
        [uuid7() if o.dead else None for o in outcomes],
    )
