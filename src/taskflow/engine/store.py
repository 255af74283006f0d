"""The hot statements as functions: what the worker and the client say to PostgreSQL about tasks.

Fencing: a claim raises `lease_epoch`, and every later write of the worker names the epoch it was given. A write that
names another epoch, or finds the row no longer RUNNING, changes nothing. `finish` then reads the row again: the same
epoch with the same end means that an earlier reply was lost (success), anything else that the lease is gone (stale).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from taskflow.base.ids import uuid7
from taskflow.db.deadlocks import repeat_when_deadlocked
from taskflow.db.pool import Connection, Database
from taskflow.db.queries import load
from taskflow.engine.dead_letters.faults import Fault, fault_of
from taskflow.engine.dependencies.models import GROUP, Returned, fill
from taskflow.engine.dependencies.release import Freed, release
from taskflow.engine.dependencies.release import sql as dependencies_sql
from taskflow.engine.payload import MAX_PAYLOAD_BYTES, json_text
from taskflow.engine.sealed import holds_sealed, parts_of
from taskflow.engine.states import TERMINAL, TaskStatus

sql = load(__file__)

_NO_FAULT = Fault("", "")


class Lease(NamedTuple):
    """One claimed attempt, as its row was at that moment.

    `refusal` says why it cannot run at all: what its parents returned is too large to be its arguments. `returned` is
    what its parents returned where something of that is sealed: whoever opens it puts it among the arguments.
    """

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
    payload_version: int | None = None  # of the arguments; None: whatever version is here
    has_children: bool = False
    takes_results: bool = False
    refusal: str | None = None
    returned: tuple[Returned, ...] = ()


class Finished(NamedTuple):
    """What came of ending attempts: those whose lease was gone, and children that wait no longer."""

    stale: set[UUID]
    freed: list[Freed]


@dataclass(slots=True)
class Outcome:
    """How one attempt ended.

    Attributes:
        status: what the task becomes.
        execution: the status of its execution row; empty writes none.
        seconds: how long it ran; None when it never started.
        delay: seconds until a SCHEDULED task is due.
        retries, crashes: added to the task's counts.
        result_ttl: seconds for which the result is kept; None: as long as the task.
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
    result_ttl: float | None = None
    error: str | None = None
    stack: str | None = None
    dead: bool = False

    @property
    def is_plain(self) -> bool:
        """Tell whether the `complete` statement says it all, as far as is known here."""
        return (
            self.status is TaskStatus.COMPLETED
            and self.result is None
            and self.error is None
            and not self.lease.has_children
        )

    @property
    def fault(self) -> Fault:
        """What broke it, for the fingerprint of its dead letter."""
        if parts_of(self.error) is not None:
            return Fault("Encrypted", "")
        timed_out = self.status is TaskStatus.TIMEOUT
        return fault_of(self.error, self.stack, timed_out=timed_out, crashed=self.crashes > 0)


class LogLine(NamedTuple):
    """A line that a task logged; `age` is how many seconds ago."""

    log_id: UUID
    task_id: UUID
    lease_epoch: int
    level: str
    message: str
    metadata: Any
    age: float


class ProgressLine(NamedTuple):
    """How far an attempt says it is."""

    task_id: UUID
    lease_epoch: int
    percent: float | None
    done: int | None
    total: int | None
    message: str | None


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
        leases = [Lease(*row) for row in rows]
        if any(lease.takes_results for lease in leases):
            return await self._with_results(leases)
        return leases

    async def _with_results(self, leases: Sequence[Lease]) -> list[Lease]:
        """Put what parents returned among the arguments of those that take it."""
        found: dict[UUID, list[Returned]] = {}
        sizes: dict[UUID, int] = {}
        takers = sorted(lease.task_id for lease in leases if lease.takes_results)
        rows = await self._pool.fetch(dependencies_sql.results_of_parents, takers, MAX_PAYLOAD_BYTES)
        groups = sorted({row["parent_id"] for row in rows if row["task_name"] == GROUP and holds_sealed(row["result"])})
        members: dict[UUID, list[tuple[UUID, str]]] = {}
        for group_id, member_id, name in await self._pool.fetch(dependencies_sql.members_of, groups) if groups else ():
            members.setdefault(group_id, []).append((member_id, name or ""))
        for task_id, arguments, parent_id, name, result, size in rows:
            sources = tuple(members.get(parent_id, [(parent_id, name)]))
            found.setdefault(task_id, []).append(Returned(arguments, result, sources, name == GROUP))
            sizes[task_id] = int(size)
        return [
            _filled(lease, found[lease.task_id], sizes[lease.task_id]) if lease.task_id in found else lease
            for lease in leases
        ]

    async def reroute(self, leases: Sequence[tuple[Lease, str]]) -> tuple[list[Freed], list[Freed]]:
        """Hand leases back, each to wait under another dispatch key; return what became of them, and of children.

        One that somebody has asked to cancel ends CANCELLED, which its children hear of.
        """
        ordered = sorted(leases, key=lambda pair: pair[0].task_id)
        columns = (
            [lease.task_id for lease, _ in ordered],
            [lease.lease_epoch for lease, _ in ordered],
            [key for _, key in ordered],
        )

        async def work() -> tuple[list[Freed], list[Freed]]:
            async with self._pool.acquire() as connection, connection.transaction():
                rows = await connection.fetch(sql.reroute, *columns)
                ended = [row["task_id"] for row in rows if row["has_children"] and row["status"] in TERMINAL]
                return list(map(Freed.of, rows)), await release(connection, ended)

        return await repeat_when_deadlocked(work)

    async def begin_alone(self, lease: Lease) -> bool:
        """Mark that a suspect starts now, and tell whether its lease still holds."""
        return await self._pool.fetchval(sql.begin_alone, lease.task_id, lease.lease_epoch) is not None

    async def finish(self, outcomes: Sequence[Outcome], logs: Sequence[LogLine] = ()) -> Finished:
        """Write how attempts ended, all in one transaction, and release their children in it.

        One that would go on later, although somebody has asked to cancel it, ends CANCELLED; its outcome says so then.
        Those that got their first child while they ran end in a second transaction, which sees it.
        Safe to repeat: what an earlier call has written counts as written.
        """
        plain: list[Outcome] = []
        rest: list[Outcome] = []
        for outcome in sorted(outcomes, key=_task_id):
            (plain if outcome.is_plain else rest).append(outcome)
        now: dict[UUID, str] = {}  # what they are, as far as that is known
        freed: list[Freed] = []
        completed = 0
        async with self._pool.acquire() as connection:
            if rest or logs:
                async with connection.transaction():
                    if logs:
                        await connection.execute(sql.append_logs, *zip(*logs, strict=True))
                    if plain:
                        completed = await connection.fetchval(sql.complete, *_plain_columns(plain))
                    if rest:
                        freed += await _end(connection, rest, now)
            elif plain:
                completed = await connection.fetchval(sql.complete, *_plain_columns(plain))
            unsure = rest if completed == len(plain) else outcomes
            missing = {o.lease.task_id: o for o in unsure if o.lease.task_id not in now}
            if missing and (late := await _look(connection, missing, now)):
                async with connection.transaction():
                    freed += await _end(connection, late, now)
        for outcome in rest:
            if _is_cancelled(outcome, now.get(outcome.lease.task_id)):
                outcome.status = TaskStatus.CANCELLED
        return Finished({task_id for task_id in missing if task_id not in now}, freed)

    async def append_logs(self, logs: Sequence[LogLine]) -> None:
        """Write log lines of running attempts; those of lost leases are dropped."""
        await self._pool.execute(sql.append_logs, *zip(*logs, strict=True))

    async def write_progress(self, lines: Sequence[ProgressLine]) -> set[UUID]:
        """Write how far attempts are; return the tasks whose attempt still holds its lease."""
        columns = zip(*sorted(lines, key=_task_id_of_line), strict=True)
        return {row[0] for row in await self._pool.fetch(sql.write_progress, *columns)}

    async def forget_claims(self, claim_ids: Sequence[UUID]) -> None:
        """Delete the journal rows of claims whose tasks have all been settled."""
        await self._pool.execute(sql.forget_claims, sorted(claim_ids))

    async def cancel_requested(self, task_ids: Sequence[UUID]) -> set[UUID]:
        """Return those running tasks that somebody wants cancelled."""
        return {row[0] for row in await self._pool.fetch(sql.cancel_requested, sorted(task_ids))}


async def _end(connection: Connection, outcomes: Sequence[Outcome], now: dict[UUID, str]) -> list[Freed]:
    """End attempts in the transaction of `connection`, note what became of them, and release their children."""
    rows = await connection.fetch(sql.finish, *_columns(outcomes))
    now |= {task_id: status for task_id, status, _ in rows}
    return await release(
        connection, [task_id for task_id, status, has_children in rows if has_children and status in TERMINAL]
    )


async def _look(connection: Connection, missing: dict[UUID, Outcome], now: dict[UUID, str]) -> list[Outcome]:
    """Note which outcomes had been written before; return those that `complete` left alone because of new children."""
    late = []
    for task_id, status, epoch in await connection.fetch(sql.ended_as, sorted(missing)):
        outcome = missing[task_id]
        if epoch == outcome.lease.lease_epoch:
            if status == outcome.status or _is_cancelled(outcome, status):
                now[task_id] = status
            elif status == TaskStatus.RUNNING and outcome.is_plain:
                late.append(outcome)
    return sorted(late, key=_task_id)


def _filled(lease: Lease, returned: Sequence[Returned], size: int) -> Lease:
    """Put results of parents, `size` bytes of them, among the arguments of a lease, or say why that cannot be yet."""
    if size > MAX_PAYLOAD_BYTES:
        return lease._replace(
            refusal=f"What its parents returned takes {size:,} bytes; arguments may take {MAX_PAYLOAD_BYTES:,}."
        )
    if parts_of(lease.kwargs) is not None or any(holds_sealed(one.result) for one in returned):
        return lease._replace(returned=tuple(returned))
    return lease._replace(kwargs=fill(lease.kwargs, [(one.arguments, one.result) for one in returned]))


def _is_cancelled(outcome: Outcome, status: str | None) -> bool:
    """Tell whether a task that would go on later has been cancelled instead."""
    return status == TaskStatus.CANCELLED and outcome.status in (TaskStatus.PENDING, TaskStatus.SCHEDULED)


def _task_id(outcome: Outcome) -> UUID:
    return outcome.lease.task_id


def _task_id_of_line(line: ProgressLine) -> UUID:
    return line.task_id


def _plain_columns(outcomes: Sequence[Outcome]) -> tuple[list[Any], ...]:
    return (
        [o.lease.task_id for o in outcomes],
        [o.lease.lease_epoch for o in outcomes],
        [o.seconds or 0.0 for o in outcomes],
    )


def _columns(outcomes: Sequence[Outcome]) -> tuple[Sequence[Any], ...]:
    return (
        [o.lease.task_id for o in outcomes],
        [o.lease.lease_epoch for o in outcomes],
        [o.status.value for o in outcomes],
        [o.execution for o in outcomes],
        [o.seconds for o in outcomes],
        [o.delay for o in outcomes],
        [o.retries for o in outcomes],
        [o.crashes for o in outcomes],
        [json_text(o.result) for o in outcomes],
        [o.error for o in outcomes],
        [o.stack for o in outcomes],
        [uuid7() if o.dead else None for o in outcomes],
        [o.result_ttl for o in outcomes],
        *zip(*(o.fault if o.dead else _NO_FAULT for o in outcomes), strict=True),
    )
