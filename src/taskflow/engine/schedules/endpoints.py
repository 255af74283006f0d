"""Routes of schedules."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Depends, Query, Response

from taskflow.base.pagination import Page
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine.queues.terms import QueueBook
from taskflow.engine.schedules.repository import ScheduleReader
from taskflow.engine.schedules.schemas import (
    MAX_PREVIEW,
    Backfill,
    BackfillOut,
    FireOut,
    NewSchedule,
    ScheduleChange,
    ScheduleDetail,
    ScheduleOut,
)
from taskflow.engine.schedules.service import ScheduleService
from taskflow.engine.schedules.timetable import Timetable
from taskflow.engine.schemas import TaskCreated, Text
from taskflow.engine.states import TaskStatus
from taskflow.identity.access import (
    DEFAULT_PAGE,
    Caller,
    Cursor,
    Limit,
    ReservedId,
    Trail,
    audited,
    require,
    service,
)
from taskflow.identity.models import Role

_PREVIEW = 5


async def _schedules(
    database: Annotated[Database, service(Database)],
    broker: Annotated[RedisBroker, service(RedisBroker)],
    book: Annotated[QueueBook, service(QueueBook)],
) -> ScheduleService:
    return ScheduleService(database, broker, book)


async def _reader(database: Annotated[Database, service(Database)]) -> ScheduleReader:
    return ScheduleReader(database.pool)


Schedules = Annotated[ScheduleService, Depends(_schedules)]
Reader = Annotated[ScheduleReader, Depends(_reader)]
Preview = Annotated[int, Query(alias="next", ge=0, le=MAX_PREVIEW, description="How many instants to come to show.")]

router = APIRouter(prefix="/schedules", tags=["schedules"], dependencies=[require(Role.VIEWER)])

_OPERATOR = require(Role.OPERATOR)


@router.post("", status_code=201, dependencies=[_OPERATOR, audited("schedule.create")])
async def create_schedule(
    body: NewSchedule, caller: Caller, schedules: Schedules, reader: Reader, reserved: ReservedId, trail: Trail
) -> ScheduleDetail:
    """Make a schedule."""
    row = await schedules.create(body.to_schedule(), body.to_request(caller.user_id), schedule_id=reserved)
    trail.target(row["schedule_id"], name=row["name"], task_name=row["task_name"])
    return await _detail(row, reader)


@router.get("")
async def list_schedules(
    reader: Reader,
    name: Text | None = None,
    task_name: Text | None = None,
    paused: bool | None = None,
    limit: Limit = DEFAULT_PAGE,
    cursor: Cursor = None,
) -> Page[ScheduleOut]:
    """List schedules, newest first."""
    rows, following = await reader.list_schedules(name, task_name, paused, cursor, limit)
    return Page(items=[ScheduleOut.of(dict(row)) for row in rows], next_cursor=following)


@router.get("/{schedule_id}")
async def get_schedule(schedule_id: UUID, reader: Reader, count: Preview = _PREVIEW) -> ScheduleDetail:
    """Get a schedule with its next instants."""
    return await _detail(await reader.schedule(schedule_id), reader, count)


@router.patch("/{schedule_id}", dependencies=[_OPERATOR, audited("schedule.update", target="schedule_id")])
async def update_schedule(
    schedule_id: UUID, body: ScheduleChange, schedules: Schedules, reader: Reader, trail: Trail
) -> ScheduleDetail:
    """Change a schedule; another timing counts from now on."""
    changes = body.columns()
    row = await schedules.update(schedule_id, changes)
    trail.target(schedule_id, name=row["name"], changed=sorted(changes))
    return await _detail(row, reader)


@router.delete(
    "/{schedule_id}", status_code=204, dependencies=[_OPERATOR, audited("schedule.delete", target="schedule_id")]
)
async def delete_schedule(schedule_id: UUID, schedules: Schedules, trail: Trail) -> Response:
    """Delete a schedule and the list of what it fired; tasks that it started are left alone."""
    trail.target(schedule_id, name=await schedules.delete(schedule_id))
    return Response(status_code=204)


@router.post("/{schedule_id}/pause", dependencies=[_OPERATOR, audited("schedule.pause", target="schedule_id")])
async def pause_schedule(schedule_id: UUID, schedules: Schedules) -> ScheduleOut:
    """Let a schedule fire nothing until it is resumed; what passes meanwhile is not made up for."""
    return ScheduleOut.of(dict(await schedules.pause(schedule_id)))


@router.post("/{schedule_id}/resume", dependencies=[_OPERATOR, audited("schedule.resume", target="schedule_id")])
async def resume_schedule(schedule_id: UUID, schedules: Schedules) -> ScheduleOut:
    """Let a paused schedule fire again, from now on."""
    return ScheduleOut.of(dict(await schedules.resume(schedule_id)))


@router.post(
    "/{schedule_id}/run", status_code=201, dependencies=[_OPERATOR, audited("schedule.run", target="schedule_id")]
)
async def run_schedule(
    schedule_id: UUID, caller: Caller, schedules: Schedules, reserved: ReservedId, trail: Trail
) -> TaskCreated:
    """Start a schedule's task now, beside its timetable; also while it is paused."""
    made = await schedules.run(schedule_id, task_id=reserved, created_by=caller.user_id)
    trail.target(schedule_id, task_id=str(made.task_id))
    return TaskCreated(task_id=made.task_id, status=TaskStatus(made.status))


@router.post("/{schedule_id}/backfill", dependencies=[_OPERATOR, audited("schedule.backfill", target="schedule_id")])
async def backfill_schedule(
    schedule_id: UUID, body: Backfill, caller: Caller, schedules: Schedules, trail: Trail
) -> BackfillOut:
    """Fire the instants of a past range, at most 1,000, that have not fired; repeating it fires nothing twice."""
    done = await schedules.backfill(schedule_id, body.first, body.last, created_by=caller.user_id)
    trail.target(
        schedule_id, **{"from": body.first.isoformat(), "to": body.last.isoformat()}, created=len(done.task_ids)
    )
    return BackfillOut(instants=done.instants, created=len(done.task_ids), task_ids=done.task_ids)


@router.get("/{schedule_id}/fires")
async def list_fires(
    schedule_id: UUID, reader: Reader, limit: Limit = DEFAULT_PAGE, cursor: Cursor = None
) -> Page[FireOut]:
    """List what became of a schedule's instants, newest first."""
    rows, following = await reader.list_fires(schedule_id, cursor, limit)
    return Page(items=[FireOut.of(dict(row)) for row in rows], next_cursor=following)


async def _detail(row: asyncpg.Record, reader: ScheduleReader, count: int = _PREVIEW) -> ScheduleDetail:
    timetable, moment = Timetable.of(dict(row)), await reader.now()
    instants: list[datetime] = []
    while len(instants) < count and (following := timetable.next_after(moment)) is not None:
        instants.append(moment := following)
    return ScheduleDetail(**ScheduleOut.of(dict(row)).model_dump(), next_fires=instants)
