"""Routes of limits of tasks; those of a queue are a part of the queue."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from taskflow.base.pagination import Page, decode_cursor, encode_cursor
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine.limits.schemas import LimitChange, LimitOut, LimitTarget
from taskflow.engine.limits.service import LimitService
from taskflow.identity.access import DEFAULT_PAGE, Cursor, Limit, Trail, audited, require, service
from taskflow.identity.models import Role


async def _limits(
    database: Annotated[Database, service(Database)], broker: Annotated[RedisBroker, service(RedisBroker)]
) -> LimitService:
    return LimitService(database, broker)


Limits = Annotated[LimitService, Depends(_limits)]

router = APIRouter(prefix="/limits", tags=["limits"], dependencies=[require(Role.VIEWER)])

_OPERATOR = require(Role.OPERATOR)


@router.get("")
async def list_limits(limits: Limits, limit: Limit = DEFAULT_PAGE, cursor: Cursor = None) -> Page[LimitOut]:
    """List the limits of tasks and of their keys, by subject."""
    [after] = decode_cursor(cursor, str) if cursor else (None,)
    found = await limits.page(after, limit + 1)
    following = encode_cursor(found[limit - 1][0]["subject"]) if len(found) > limit else None
    return Page(items=[LimitOut.of(*item) for item in found[:limit]], next_cursor=following)


@router.put("", dependencies=[_OPERATOR, audited("limit.override")])
async def override_limit(body: LimitChange, limits: Limits, trail: Trail) -> LimitOut:
    """Override the limit of a task, or of one of its keys."""
    found = await limits.override(body.task_name, body.key, body.columns())
    trail.target(found[0]["subject"], **body.model_dump(mode="json", exclude_unset=True))
    return LimitOut.of(*found)


@router.post("/reset", status_code=204, dependencies=[_OPERATOR, audited("limit.reset")])
async def reset_limit(body: LimitTarget, limits: Limits, trail: Trail) -> Response:
    """Take an override back: what the definition says is in force again."""
    await limits.reset(body.task_name, body.key)
    trail.target(body.task_name, key=body.key)
    return Response(status_code=204)
