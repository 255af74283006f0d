"""Routes of queues."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from taskflow.base.pagination import Page, decode_cursor, encode_cursor
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine.client import Engine
from taskflow.engine.queues.schemas import Purged, QueueChange, QueueOut
from taskflow.engine.queues.service import QueueService
from taskflow.engine.queues.terms import QueueBook
from taskflow.engine.schemas import QueueName
from taskflow.identity.access import DEFAULT_PAGE, Cursor, Limit, Trail, audited, require, service
from taskflow.identity.models import Role


async def _queues(
    database: Annotated[Database, service(Database)],
    broker: Annotated[RedisBroker, service(RedisBroker)],
    book: Annotated[QueueBook, service(QueueBook)],
) -> QueueService:
    return Engine(database, broker, book).queues


Queues = Annotated[QueueService, Depends(_queues)]

router = APIRouter(prefix="/queues", tags=["queues"], dependencies=[require(Role.VIEWER)])

_OPERATOR = require(Role.OPERATOR)


@router.get("")
async def list_queues(queues: Queues, limit: Limit = DEFAULT_PAGE, cursor: Cursor = None) -> Page[QueueOut]:
    """List queues by name."""
    [after] = decode_cursor(cursor, str) if cursor else (None,)
    found = await queues.page(after, limit + 1)
    following = encode_cursor(found[limit - 1].row["name"]) if len(found) > limit else None
    return Page(items=[QueueOut.of(queue) for queue in found[:limit]], next_cursor=following)


@router.get("/{name}")
async def get_queue(name: QueueName, queues: Queues) -> QueueOut:
    """Get a queue."""
    return QueueOut.of(await queues.get(name))


@router.patch("/{name}", dependencies=[_OPERATOR, audited("queue.change", target="name")])
async def change_queue(name: QueueName, body: QueueChange, queues: Queues, trail: Trail) -> QueueOut:
    """Change what tasks get in a queue, and its limits; a queue that is not there yet is made."""
    changed = await queues.change(name, body.columns())
    trail.target(name, **body.model_dump(mode="json", exclude_unset=True))
    return QueueOut.of(changed)


@router.get("/{name}/peek")
async def peek_queue(name: QueueName, queues: Queues, count: Annotated[int, Query(ge=1, le=100)] = 10) -> list[str]:
    """List the ids that stand first in each line of a queue."""
    return await queues.peek(name, count)


@router.post("/{name}/pause", dependencies=[_OPERATOR, audited("queue.pause", target="name")])
async def pause_queue(name: QueueName, queues: Queues) -> QueueOut:
    """Hand out nothing more; what runs goes on."""
    return QueueOut.of(await queues.pause(name))


@router.post("/{name}/resume", dependencies=[_OPERATOR, audited("queue.resume", target="name")])
async def resume_queue(name: QueueName, queues: Queues) -> QueueOut:
    """Hand out again, and take new tasks again."""
    return QueueOut.of(await queues.resume(name))


@router.post("/{name}/drain", dependencies=[_OPERATOR, audited("queue.drain", target="name")])
async def drain_queue(name: QueueName, queues: Queues) -> QueueOut:
    """Take no new tasks and run those that wait."""
    return QueueOut.of(await queues.drain(name))


@router.post("/{name}/purge", dependencies=[_OPERATOR, audited("queue.purge", target="name")])
async def purge_queue(name: QueueName, queues: Queues, trail: Trail) -> Purged:
    """Cancel all tasks that have not started."""
    cancelled = await queues.purge(name)
    trail.target(name, cancelled=cancelled)
    return Purged(cancelled=cancelled)
