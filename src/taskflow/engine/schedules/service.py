"""Makes and steers schedules. Each call is one transaction; times are the database's."""

from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
from redis.exceptions import RedisError

from taskflow.base.errors import ConflictError, InvalidInputError, NotFoundError
from taskflow.base.ids import uuid7
from taskflow.base.logging import get_logger
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Connection, Database
from taskflow.engine.definition import Task
from taskflow.engine.middleware.stack import MiddlewareStack
from taskflow.engine.middleware.stack import stack as used_middleware
from taskflow.engine.queues.terms import PLAIN, QueueBook, draining, grant
from taskflow.engine.queues.terms import sql as queues_sql
from taskflow.engine.requests import Request, TaskRow, prepare
from taskflow.engine.schedules.firing import Fire, Made, entries, fire, sql
from taskflow.engine.schedules.models import Schedule
from taskflow.engine.schedules.policies import FireCause, FireStatus, OverlapPolicy
from taskflow.engine.schedules.timetable import At, InvalidScheduleError, Timetable, check_instant

log = get_logger(__name__)

MAX_BACKFILL = 1000
_TIMINGS = ("cron", "interval_seconds", "run_at")
_TIMES = frozenset({*_TIMINGS, "time_zone", "starts_at", "ends_at"})
_TASK = ("task_name", "task_args", "task_kwargs", "queue", "priority", "max_retries", "timeout_seconds")
_OPTIONS = ("payload_version", "tags", "expires_in_seconds", "dispatch_part")
_PAYLOAD = frozenset({"task_name", "task_args", "task_kwargs"})


class ScheduleNotFoundError(NotFoundError):
    """There is no such schedule."""

    code = "schedule_not_found"


class ScheduleNameTakenError(ConflictError):
    """Another schedule has this name."""

    code = "schedule_name_taken"


class BackfillTooLargeError(InvalidInputError):
    """The range has too many instants: take a smaller one."""

    code = "backfill_too_large"


class Backfilled(NamedTuple):
    """What a backfill did: how many instants the range has, and the tasks of those that had not fired before."""

    instants: int
    task_ids: list[UUID]


class ScheduleService:
    """Schedules for code that shares the database."""

    def __init__(
        self,
        database: Database,
        broker: RedisBroker,
        book: QueueBook | None = None,
        *,
        middleware: MiddlewareStack = used_middleware,
    ) -> None:
        """Use the pools, the broker and the middleware of this process; `book`: what it knows of queues."""
        self._pool = database.pool
        self._broker = broker
        self._book = book or QueueBook()
        self._middleware = middleware

    async def create(
        self,
        schedule: Schedule,
        request: Request,
        *,
        schedule_id: UUID | None = None,
        definition: Task[..., Any] | None = None,
    ) -> asyncpg.Record:
        """Make a schedule of the task that `request` describes; return its row.

        What the request leaves open (queue, priority, attempts, time limit) is filled in now, from the task's
        definition where this process knows it, and then from its queue. `schedule_id`: given by a caller that may
        repeat itself.

        Raises:
            ScheduleNameTakenError: the name is taken.
            InvalidScheduleError: it would never fire.
            InvalidTaskArgumentsError: the arguments do not fit the task.
        """
        schedule_id = schedule_id or uuid7()
        columns = schedule.columns() | await self._task(request, definition)
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                now = await connection.fetchval(sql.now)
                first = _timetable(schedule, now).next_after(now)
                if first is None:
                    raise _never(schedule)
                columns["next_fire_at"] = None if schedule.paused else first
                values = (columns[name] for name in _COLUMNS)
                row = await connection.fetchrow(sql.insert_schedule, schedule_id, *values, request.created_by)
        except asyncpg.UniqueViolationError as error:
            row = await self._pool.fetchrow(sql.get_schedule, schedule_id)
            if row is None:
                raise _taken(schedule.name) from error
        return found(row, schedule_id)

    async def declare(
        self, schedule: Schedule, request: Request, *, definition: Task[..., Any] | None = None
    ) -> asyncpg.Record:
        """Make a schedule, or change the one of this name to it; what is the same goes on undisturbed.

        Whether it is paused is left as it is. Raises as `create` does.
        """
        row = await self._pool.fetchrow(sql.find_schedule, schedule.name)
        if row is None:
            try:
                return await self.create(schedule, request, definition=definition)
            except ScheduleNameTakenError:  # another process declares it at this moment
                row = found(await self._pool.fetchrow(sql.find_schedule, schedule.name), schedule.name)
        wanted = schedule.columns() | await self._task(request, definition)
        del wanted["paused"], wanted["kind"]
        if wanted["cron"] is None:
            del wanted["time_zone"]
        changes = {name: value for name, value in wanted.items() if row[name] != value}
        return await self.update(row["schedule_id"], changes) if changes else row

    async def update(self, schedule_id: UUID, changes: Mapping[str, Any]) -> asyncpg.Record:
        """Change columns of a schedule; return its row.

        Another timing, other bounds, or `paused` going from true to false make it look for its next instant from now
        on; everything else leaves that alone.

        Raises:
            ScheduleNotFoundError: there is none.
            ScheduleNameTakenError, InvalidScheduleError, InvalidTaskArgumentsError: as in `create`.
        """
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                row = found(await connection.fetchrow(sql.lock_schedule, schedule_id), schedule_id)
                return await self._change(connection, row, changes)
        except asyncpg.UniqueViolationError as error:
            raise _taken(changes["name"]) from error

    async def _change(self, connection: Connection, row: asyncpg.Record, changes: Mapping[str, Any]) -> asyncpg.Record:
        merged = {**row, **changes}
        if any(changes.get(name) is not None for name in _TIMINGS):
            merged |= {name: changes.get(name) for name in _TIMINGS}
        if changes.get("time_zone") is not None and merged["cron"] is None:
            raise InvalidScheduleError("Only cron expressions have a time zone.", field="time_zone")
        schedule = Schedule.of(merged)
        columns = schedule.columns() | {name: merged[name] for name in (*_TASK, *_OPTIONS)}
        if changes.keys() & _PAYLOAD:
            merged["payload_version"] = None  # new arguments are of the present version
        if changes.keys() & {*_TASK, *_OPTIONS}:
            columns |= await self._task(_request(merged))
            if not changes.keys() & _PAYLOAD:  # what middleware has sealed tells nobody where it waits
                columns["dispatch_part"] = merged["dispatch_part"]
        next_fire_at = row["next_fire_at"]
        if schedule.paused:
            next_fire_at = None
        elif changes.keys() & _TIMES or row["paused"]:
            now = await connection.fetchval(sql.now)
            next_fire_at = _timetable(schedule, row["created_at"]).next_after(now)
            if next_fire_at is None and changes.keys() & _TIMES:
                raise _never(schedule)
        if row["overlap_policy"] == OverlapPolicy.ALLOW != columns["overlap_policy"]:
            await connection.execute(sql.occupy_again, row["schedule_id"])
        columns["next_fire_at"] = next_fire_at
        values = (columns[name] for name in _COLUMNS)
        return found(await connection.fetchrow(sql.update_schedule, row["schedule_id"], *values), row["schedule_id"])

    async def _task(self, request: Request, definition: Task[..., Any] | None = None) -> dict[str, Any]:
        """Return the columns of the task that it starts, as middleware wants it written."""
        row = prepare(request, definition)
        terms = await self._book.refresh(self._pool)
        return _task_columns(await self._middleware.before_enqueue(grant(row, terms.get(row.queue, PLAIN))))

    async def pause(self, schedule_id: UUID) -> asyncpg.Record:
        """Let it fire nothing until it is resumed; what passes meanwhile is not made up for."""
        return await self.update(schedule_id, {"paused": True})

    async def resume(self, schedule_id: UUID) -> asyncpg.Record:
        """Let it fire again, from now on."""
        return await self.update(schedule_id, {"paused": False})

    async def delete(self, schedule_id: UUID) -> str:
        """Delete it and the list of what it fired; return its name. Tasks that it started are left alone.

        Raises:
            ScheduleNotFoundError: there is none.
        """
        name: str = found(await self._pool.fetchrow(sql.delete_schedule, schedule_id), schedule_id)["name"]
        return name

    async def run(self, schedule_id: UUID, *, task_id: UUID | None = None, created_by: UUID | None = None) -> Made:
        """Start its task now, also while it is paused, beside its timetable and without asking the overlap policy.

        The task counts as the schedule's last one afterwards. `task_id`: given by a caller that may repeat itself.

        Raises:
            ScheduleNotFoundError: there is none.
            QueueDrainingError: its queue takes no new tasks.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            row = found(await connection.fetchrow(sql.lock_schedule, schedule_id), schedule_id)
            if task_id is not None and (known := await connection.fetchrow(sql.made_before, task_id)) is not None:
                return Made(*known)
            await _check_open(connection, row)
            now = await connection.fetchval(sql.wall_clock)  # not now(): this may have waited for the row
            occupies = row["overlap_policy"] != OverlapPolicy.ALLOW
            wanted = Fire(schedule_id, now, now, FireStatus.FIRED, occupies, task_id)
            [made] = await fire(connection, [wanted], FireCause.RUN, created_by)
        await self._dispatch([made])
        return made

    async def backfill(
        self, schedule_id: UUID, first: datetime, last: datetime, *, created_by: UUID | None = None
    ) -> Backfilled:
        """Fire the instants from `first` to `last` (both included) that have not fired, all at once.

        It asks neither `starts_at` and `ends_at`, nor the pause, nor the policies, and its tasks do not count when an
        overlap is judged. Repeating it fires nothing twice.

        Raises:
            ScheduleNotFoundError: there is none.
            BackfillTooLargeError: the range has more than 1,000 instants.
            QueueDrainingError: its queue takes no new tasks.
            InvalidScheduleError: it ends before it begins, or in the future.
        """
        check_instant("from", first)
        check_instant("to", last)
        async with self._pool.acquire() as connection, connection.transaction():
            row = found(await connection.fetchrow(sql.lock_schedule, schedule_id), schedule_id)
            if not first <= last <= await connection.fetchval(sql.wall_clock):
                raise InvalidScheduleError("A backfill ends after it begins, and not in the future.", field="to")
            await _check_open(connection, row)
            instants = list(islice(Timetable.of(dict(row)).unbounded().between(first, last), MAX_BACKFILL + 1))
            if len(instants) > MAX_BACKFILL:
                raise BackfillTooLargeError(
                    f"The range has more than {MAX_BACKFILL:,} instants; the {MAX_BACKFILL:,}th is"
                    f" {instants[-2].isoformat()}.",
                    up_to=instants[-2].isoformat(),
                )
            wanted = [Fire(schedule_id, instant, instant, FireStatus.FIRED) for instant in instants]
            made = await fire(connection, wanted, FireCause.BACKFILL, created_by)
        await self._dispatch(made)
        return Backfilled(len(instants), [task.task_id for task in made])

    async def _dispatch(self, made: list[Made]) -> None:
        try:
            await self._broker.dispatch.push(entries(made))
        except (RedisError, OSError) as error:
            log.warning("push_left_to_the_relay", tasks=len(made), error=str(error))


_COLUMNS = (
    "name", *_TASK, "kind", "cron", "time_zone", "interval_seconds", "run_at", "starts_at", "ends_at",
    "jitter_seconds", "misfire_policy", "misfire_window_seconds", "overlap_policy", "paused", "next_fire_at",
    *_OPTIONS,
)  # fmt: skip
"""The order in which `insert_schedule` and `update_schedule` take them."""


def _timetable(schedule: Schedule, created_at: datetime) -> Timetable:
    return Timetable.of(schedule.columns() | {"created_at": created_at})


def _task_columns(row: TaskRow) -> dict[str, Any]:
    if row.parents:
        raise InvalidScheduleError(
            "A task that a schedule starts cannot wait for others: leave `after` and results out."
        )
    return {
        "task_name": row.task_name,
        "task_args": row.args,
        "task_kwargs": row.kwargs,
        "queue": row.queue,
        "priority": row.priority,
        "max_retries": row.max_retries,
        "timeout_seconds": row.timeout,
        "payload_version": row.payload_version,
        "tags": list(row.tags) or None,
        "expires_in_seconds": row.expires_in,
        "dispatch_part": row.part,
    }


async def _check_open(connection: Connection, row: asyncpg.Record) -> None:
    if await connection.fetchval(queues_sql.drains, row["queue"]):
        raise draining(row["queue"])


def _request(columns: Mapping[str, Any]) -> Request:
    return Request(
        columns["task_name"],
        columns["task_args"] or (),
        columns["task_kwargs"],
        columns["queue"],
        columns["priority"],
        columns["max_retries"],
        columns["timeout_seconds"],
        payload_version=columns["payload_version"],
        tags=columns["tags"] or (),
        expires_in=columns["expires_in_seconds"],
    )


def _never(schedule: Schedule) -> InvalidScheduleError:
    if isinstance(schedule.timing, At):
        return InvalidScheduleError("run_at has passed, or lies outside of starts_at and ends_at.", field="run_at")
    return InvalidScheduleError("It would never fire: no instant lies ahead of now and within its bounds.")


def _taken(name: str) -> ScheduleNameTakenError:
    return ScheduleNameTakenError(f"There is a schedule called {name!r} already.", name=name)


def found(row: asyncpg.Record | None, schedule_id: UUID | str) -> asyncpg.Record:
    """Return the row, or raise ScheduleNotFoundError."""
    if row is None:
        raise ScheduleNotFoundError(f"There is no schedule {schedule_id}.", schedule_id=str(schedule_id))
    return row
