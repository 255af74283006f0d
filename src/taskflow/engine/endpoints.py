"""Routes of tasks and workers."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from redis.exceptions import RedisError

from taskflow.base.bodies import Instant
from taskflow.base.errors import ConflictError
from taskflow.base.logging import get_logger
from taskflow.base.pagination import Page
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine.client import Engine
from taskflow.engine.queues.terms import QueueBook
from taskflow.engine.repository import EngineReader, TaskFilter
from taskflow.engine.schemas import (
    Cancelled,
    LogOut,
    NewTask,
    NewTasks,
    Retried,
    Tag,
    TaskCreated,
    TaskDetail,
    TaskOut,
    TasksCreated,
    TaskSelection,
    Text,
    WorkerOut,
)
from taskflow.engine.states import CANCELLABLE, RETRIABLE, TaskStatus
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

log = get_logger(__name__)

_FIRST_LOGS = 1_000


class WorkerGoneError(ConflictError):
    """This worker has stopped or is dead."""

    code = "worker_gone"


async def _engine(
    database: Annotated[Database, service(Database)],
    broker: Annotated[RedisBroker, service(RedisBroker)],
    book: Annotated[QueueBook, service(QueueBook)],
) -> Engine:
    return Engine(database, broker, book)


async def _reader(database: Annotated[Database, service(Database)]) -> EngineReader:
    return EngineReader(database.pool)


Tasks = Annotated[Engine, Depends(_engine)]
Reader = Annotated[EngineReader, Depends(_reader)]
Broker = Annotated[RedisBroker, service(RedisBroker)]

tasks = APIRouter(prefix="/tasks", tags=["tasks"], dependencies=[require(Role.VIEWER)])
workers = APIRouter(prefix="/workers", tags=["workers"], dependencies=[require(Role.VIEWER)])

_OPERATOR = require(Role.OPERATOR)


@tasks.post("", status_code=201, dependencies=[_OPERATOR, audited("task.create")])
async def create_task(body: NewTask, caller: Caller, engine: Tasks, reserved: ReservedId, trail: Trail) -> TaskCreated:
    """Submit a task."""
    handle = await engine.submit(body.to_request(caller.user_id, reserved))
    trail.target(handle.task_id, task_name=body.task_name)
    return TaskCreated(task_id=handle.task_id, status=handle.status)


@tasks.post("/bulk", status_code=201, dependencies=[_OPERATOR, audited("task.create_many")])
async def create_tasks(
    body: NewTasks, caller: Caller, engine: Tasks, reserved: ReservedId, trail: Trail
) -> TasksCreated:
    """Submit up to 10,000 tasks, all or none."""
    handles = await engine.submit_many(
        item.to_request(caller.user_id, UUID(int=reserved.int + number) if reserved else None)
        for number, item in enumerate(body.tasks)
    )
    trail.target(handles[0].task_id, tasks=len(handles), names=sorted({item.task_name for item in body.tasks})[:20])
    return TasksCreated(task_ids=[handle.task_id for handle in handles])


@tasks.post("/cancel", dependencies=[_OPERATOR, audited("task.cancel_many")])
async def cancel_tasks(body: TaskSelection, engine: Tasks, reader: Reader, trail: Trail) -> Cancelled:
    """Cancel all tasks that match; those that run are asked to stop and end a little later."""
    cancelled = 0
    async for task_ids in reader.matching(body.to_filter(), CANCELLABLE):
        cancelled += await engine.cancel_many(task_ids)
    trail.entry.detail.update(cancelled=cancelled, **body.model_dump(mode="json", exclude_defaults=True))
    return Cancelled(cancelled=cancelled)


@tasks.post("/retry", dependencies=[_OPERATOR, audited("task.retry_many")])
async def retry_tasks(body: TaskSelection, engine: Tasks, reader: Reader, trail: Trail) -> Retried:
    """Start all tasks over that match and failed, timed out or were cancelled."""
    retried = 0
    async for task_ids in reader.matching(body.to_filter(), RETRIABLE):
        retried += await engine.retry_many(task_ids)
    trail.entry.detail.update(retried=retried, **body.model_dump(mode="json", exclude_defaults=True))
    return Retried(retried=retried)


@tasks.get("")
async def list_tasks(
    reader: Reader,
    status: Annotated[list[TaskStatus] | None, Query(description="Repeat it for several.")] = None,
    task_name: Text | None = None,
    queue: Text | None = None,
    tag: Annotated[list[Tag] | None, Query(description="Repeat it for tasks that have all of them.")] = None,
    campaign_id: UUID | None = None,
    created_after: Instant | None = None,
    created_before: Instant | None = None,
    limit: Limit = DEFAULT_PAGE,
    cursor: Cursor = None,
) -> Page[TaskOut]:
    """List tasks, newest first; failed ones by when they failed."""
    wanted = TaskFilter(
        frozenset(status) if status else None,
        task_name,
        queue,
        campaign_id,
        created_after,
        created_before,
        frozenset(tag) if tag else None,
    )
    rows, following = await reader.list_tasks(wanted, cursor, limit)
    return Page(items=[TaskOut.of(row) for row in rows], next_cursor=following)


@tasks.get("/{task_id}")
async def get_task(task_id: UUID, reader: Reader) -> TaskDetail:
    """Get a task with its progress, what it waits for, its attempts, its result and its log."""
    return TaskDetail.of_history(await reader.history(task_id, _FIRST_LOGS))


@tasks.get("/{task_id}/logs")
async def get_task_logs(
    task_id: UUID, reader: Reader, limit: Limit = DEFAULT_PAGE, cursor: Cursor = None
) -> Page[LogOut]:
    """List a task's log lines, oldest first."""
    rows, following = await reader.logs(task_id, cursor, limit)
    return Page(items=[LogOut(**dict(row)) for row in rows], next_cursor=following)


@tasks.delete("/{task_id}", dependencies=[_OPERATOR, audited("task.cancel", target="task_id")])
async def cancel_task(task_id: UUID, engine: Tasks, reader: Reader) -> TaskOut:
    """Cancel a task; one that runs is asked to stop and ends a little later."""
    await engine.cancel(task_id)
    return TaskOut.of(await reader.task(task_id))


@tasks.post("/{task_id}/retry", dependencies=[_OPERATOR, audited("task.retry", target="task_id")])
async def retry_task(task_id: UUID, engine: Tasks, reader: Reader) -> TaskOut:
    """Start a task over that failed, timed out or was cancelled."""
    await engine.retry(task_id)
    return TaskOut.of(await reader.task(task_id))


@workers.get("")
async def list_workers(reader: Reader, limit: Limit = DEFAULT_PAGE, cursor: Cursor = None) -> Page[WorkerOut]:
    """List worker nodes of the last day."""
    rows, following = await reader.list_workers(cursor, limit)
    return Page(items=[WorkerOut.of(row) for row in rows], next_cursor=following)


@workers.get("/{worker_id}")
async def get_worker(worker_id: UUID, reader: Reader) -> WorkerOut:
    """Get a worker node."""
    return WorkerOut.of(await reader.worker(worker_id))


@workers.post("/{worker_id}/pause", dependencies=[_OPERATOR, audited("worker.pause", target="worker_id")])
async def pause_worker(worker_id: UUID, reader: Reader, broker: Broker) -> WorkerOut:
    """Let a node finish what it runs and take nothing new."""
    return await _steer(worker_id, "PAUSE", "pause", reader, broker)


@workers.post("/{worker_id}/resume", dependencies=[_OPERATOR, audited("worker.resume", target="worker_id")])
async def resume_worker(worker_id: UUID, reader: Reader, broker: Broker) -> WorkerOut:
    """Let a paused node take tasks again."""
    return await _steer(worker_id, "RUN", "resume", reader, broker)


@workers.post("/{worker_id}/drain", dependencies=[_OPERATOR, audited("worker.drain", target="worker_id")])
async def drain_worker(worker_id: UUID, reader: Reader, broker: Broker) -> WorkerOut:
    """Let a node finish what it runs, hand back what waits there, and leave."""
    return await _steer(worker_id, "DRAIN", "drain", reader, broker)


@workers.post("/{worker_id}/shutdown", dependencies=[_OPERATOR, audited("worker.shutdown", target="worker_id")])
async def shut_down_worker(worker_id: UUID, reader: Reader, broker: Broker) -> WorkerOut:
    """Let a node stop what it runs, hand all of it back, and leave; no attempt is burnt."""
    return await _steer(worker_id, "STOP", "shutdown", reader, broker)


async def _steer(worker_id: UUID, wanted: str, verb: str, reader: EngineReader, broker: RedisBroker) -> WorkerOut:
    """Write the wish into the node's row and tell it to look; it looks with every beat anyway."""
    row = await reader.want_worker(worker_id, wanted)
    if row is None:
        await reader.worker(worker_id)
        raise WorkerGoneError
    if row["wanted"] != wanted:
        raise WorkerGoneError(f"The worker {worker_id} is leaving already; it cannot be told to {verb}.")
    try:
        await broker.workers.command(worker_id, verb)
    except (RedisError, OSError) as error:
        log.warning("worker_not_told", worker_id=str(worker_id), verb=verb, error=str(error))
    return WorkerOut.of(row)
