"""Routes of dependencies: whole graphs, and a task together with what hangs on it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from taskflow.engine.dependencies.intake import rows_of
from taskflow.engine.dependencies.schemas import GraphCreated, GraphOut, NewGraph
from taskflow.engine.dependencies.service import MAX_GRAPH
from taskflow.engine.endpoints import Tasks
from taskflow.engine.schemas import Cancelled, Retried
from taskflow.identity.access import Caller, ReservedId, Trail, audited, require
from taskflow.identity.models import Role

router = APIRouter(prefix="/tasks", tags=["tasks"], dependencies=[require(Role.VIEWER)])

_OPERATOR = require(Role.OPERATOR)


@router.post("/graph", status_code=201, dependencies=[_OPERATOR, audited("task.create_graph")])
async def create_graph(
    body: NewGraph, caller: Caller, engine: Tasks, reserved: ReservedId, trail: Trail
) -> GraphCreated:
    """Submit up to 10,000 tasks that wait for each other, all or none."""
    rows = rows_of(body, caller.user_id, reserved)
    await engine.submit_rows(list(rows.values()))
    ids = {name: row.task_id for name, row in rows.items()}
    trail.target(next(iter(ids.values())), tasks=len(ids), names=sorted({task.task_name for task in body.tasks})[:20])
    return GraphCreated(task_ids=ids)


@router.get("/{task_id}/graph")
async def get_graph(
    task_id: UUID,
    engine: Tasks,
    limit: Annotated[int, Query(ge=1, le=MAX_GRAPH, description="The nearest so many tasks.")] = 1_000,
) -> GraphOut:
    """Get all tasks that hang together with one, and what they wait for."""
    return GraphOut.of(await engine.dependencies.graph(task_id, limit=limit))


@router.post("/{task_id}/graph/cancel", dependencies=[_OPERATOR, audited("task.cancel_subtree", target="task_id")])
async def cancel_subtree(task_id: UUID, engine: Tasks) -> Cancelled:
    """Cancel a task and everything below it; what runs is asked to stop and ends a little later."""
    return Cancelled(cancelled=await engine.dependencies.cancel_subtree(task_id))


@router.post("/{task_id}/graph/retry", dependencies=[_OPERATOR, audited("task.retry_from_failed", target="task_id")])
async def retry_from_failed(task_id: UUID, engine: Tasks) -> Retried:
    """Start over what failed above a task or below it, and all that failed or was skipped because of that."""
    return Retried(retried=await engine.dependencies.retry_from_failed(task_id))
