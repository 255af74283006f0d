"""Routes of dead letters."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Response

from taskflow.base.bodies import Instant
from taskflow.base.pagination import Page
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine.dead_letters.models import DeadLetterFilter
from taskflow.engine.dead_letters.repository import DeadLetterReader
from taskflow.engine.dead_letters.schemas import (
    DeadLetterDetail,
    DeadLetterGroup,
    DeadLetterOut,
    DeadLetterSelection,
    Fingerprint,
    PolicyIn,
    PolicyOut,
    Purged,
    PurgeSelection,
    Requeued,
    TaskEdit,
)
from taskflow.engine.dead_letters.service import DeadLetterService
from taskflow.engine.schemas import TaskName, Text
from taskflow.identity.access import DEFAULT_PAGE, Caller, Cursor, Limit, Trail, audited, require, service
from taskflow.identity.models import Role

router = APIRouter(prefix="/dead-letters", tags=["dead-letters"], dependencies=[require(Role.VIEWER)])

_OPERATOR = require(Role.OPERATOR)


async def _letters(
    database: Annotated[Database, service(Database)], broker: Annotated[RedisBroker, service(RedisBroker)]
) -> DeadLetterService:
    return DeadLetterService(database, broker)


async def _reader(database: Annotated[Database, service(Database)]) -> DeadLetterReader:
    return DeadLetterReader(database.pool)


async def _wanted(
    task_name: Text | None = None,
    queue: Text | None = None,
    fingerprint: Annotated[Fingerprint | None, Query(description="Of a group.")] = None,
    moved_after: Instant | None = None,
    moved_before: Instant | None = None,
    requeued: Annotated[bool | None, Query(description="Only those that were, or only the others.")] = None,
    text: Annotated[Text | None, Query(description="Occurs in the reason, the traceback or the arguments.")] = None,
) -> DeadLetterFilter:
    return DeadLetterFilter(task_name, queue, fingerprint, moved_after, moved_before, requeued, text)


Letters = Annotated[DeadLetterService, Depends(_letters)]
Reader = Annotated[DeadLetterReader, Depends(_reader)]
Wanted = Annotated[DeadLetterFilter, Depends(_wanted)]
PolicyName = Annotated[TaskName, Path(description="The name of the task.")]


@router.get("")
async def list_dead_letters(
    reader: Reader, wanted: Wanted, limit: Limit = DEFAULT_PAGE, cursor: Cursor = None
) -> Page[DeadLetterOut]:
    """List dead letters, newest first."""
    rows, following = await reader.list_dead_letters(wanted, cursor, limit)
    return Page(items=[DeadLetterOut.of(row) for row in rows], next_cursor=following)


@router.get("/groups")
async def list_dead_letter_groups(
    reader: Reader, wanted: Wanted, limit: Limit = DEFAULT_PAGE, cursor: Cursor = None
) -> Page[DeadLetterGroup]:
    """List what breaks tasks: letters grouped by task name, error class and place, the newest group first."""
    rows, following = await reader.groups(wanted, cursor, limit)
    return Page(items=[DeadLetterGroup.of(row) for row in rows], next_cursor=following)


@router.post("/requeue", dependencies=[_OPERATOR, audited("dead_letter.requeue_many")])
async def requeue_dead_letters(body: DeadLetterSelection, letters: Letters, trail: Trail) -> Requeued:
    """Start over the tasks of all dead letters that match and that nobody has requeued."""
    trail.entry.detail.update(body.summary())
    requeued = await letters.requeue_many(body.to_filter())
    trail.entry.detail["requeued"] = requeued
    return Requeued(requeued=requeued)


@router.post("/purge", dependencies=[_OPERATOR, audited("dead_letter.purge_many")])
async def purge_dead_letters(body: PurgeSelection, letters: Letters, trail: Trail) -> Purged:
    """Delete all dead letters that match; their tasks stay as they are."""
    trail.entry.detail.update(body.summary())
    purged = await letters.purge_many(body.to_filter())
    trail.entry.detail["purged"] = purged
    return Purged(purged=purged)


@router.get("/policies")
async def list_dead_letter_policies(
    reader: Reader, limit: Limit = DEFAULT_PAGE, cursor: Cursor = None
) -> Page[PolicyOut]:
    """List retry policies by task name."""
    rows, following = await reader.list_policies(cursor, limit)
    return Page(items=[PolicyOut.of(row) for row in rows], next_cursor=following)


@router.put("/policies/{task_name:path}", dependencies=[_OPERATOR, audited("dead_letter.set_policy")])
async def put_dead_letter_policy(
    task_name: PolicyName, body: PolicyIn, caller: Caller, letters: Letters, trail: Trail
) -> PolicyOut:
    """Let the tasks of a name leave the dead letters by themselves, also those that are there already."""
    trail.target(task_name, **body.model_dump())
    return PolicyOut.of(await letters.set_policy(body.to_policy(task_name), created_by=caller.user_id))


@router.delete(
    "/policies/{task_name:path}", status_code=204, dependencies=[_OPERATOR, audited("dead_letter.delete_policy")]
)
async def delete_dead_letter_policy(task_name: PolicyName, letters: Letters, trail: Trail) -> Response:
    """Let the tasks of a name stay with the dead letters."""
    trail.target(task_name)
    await letters.delete_policy(task_name)
    return Response(status_code=204)


@router.get("/{dlq_id}")
async def get_dead_letter(dlq_id: UUID, reader: Reader) -> DeadLetterDetail:
    """Get a dead letter with the attempts of its task."""
    return DeadLetterDetail.tell(await reader.story(dlq_id))


@router.post("/{dlq_id}/requeue", dependencies=[_OPERATOR, audited("dead_letter.requeue", target="dlq_id")])
async def requeue_dead_letter(
    dlq_id: UUID, caller: Caller, letters: Letters, reader: Reader, trail: Trail, body: TaskEdit | None = None
) -> DeadLetterOut:
    """Start over the task of a dead letter; with changes, as another task that the letter is linked to."""
    changes = body.changes() if body else {}
    if not changes:
        return DeadLetterOut.of(await letters.requeue(dlq_id))
    handle = await letters.requeue_edited(dlq_id, changes, created_by=caller.user_id)
    trail.target(dlq_id, task_id=str(handle.task_id), changed=sorted(changes))
    return DeadLetterOut.of(await reader.dead_letter(dlq_id))


@router.delete("/{dlq_id}", status_code=204, dependencies=[_OPERATOR, audited("dead_letter.purge", target="dlq_id")])
async def purge_dead_letter(dlq_id: UUID, letters: Letters) -> Response:
    """Delete a dead letter; its task stays as it is."""
    await letters.purge(dlq_id)
    return Response(status_code=204)
