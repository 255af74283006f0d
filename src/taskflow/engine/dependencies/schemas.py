"""What crosses HTTP about dependencies."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import asyncpg
from pydantic import BaseModel, Field, StringConstraints

from taskflow.base.bodies import Body
from taskflow.engine.dependencies.models import GROUP, OnFailure, OnSuccess
from taskflow.engine.dependencies.service import MAX_GRAPH, TaskGraph
from taskflow.engine.schemas import TaskFields
from taskflow.engine.states import TaskStatus

NodeName = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]


class GraphParent(Body):
    """What a task of a graph waits for, with a policy."""

    parent: NodeName = Field(description="The name of a task or group of this graph, or the id of an earlier task.")
    on_failure: OnFailure = Field(OnFailure.FAIL, description="When the parent does not complete.")
    on_success: OnSuccess = Field(OnSuccess.RUN, description="`skip` makes this a task for failures only.")


class GraphTask(TaskFields):
    """A task of a graph."""

    name: NodeName = Field(description="What it is called within this graph.", examples=["report"])
    after: list[NodeName | GraphParent] = Field(
        default_factory=list, max_length=MAX_GRAPH, description="What it waits for: names, or names with policies."
    )
    results: dict[NodeName, NodeName | list[NodeName]] = Field(
        default_factory=dict,
        description="Keyword arguments that take what parents return: of one, or a list of what several do.",
    )


class GraphGroup(Body):
    """Tasks that are waited for together: it ends with the last of them, FAILED unless all have completed."""

    name: NodeName
    members: list[NodeName] = Field(min_length=1, max_length=MAX_GRAPH)


class NewGraph(Body):
    """Tasks that wait for each other, all or none."""

    tasks: list[GraphTask] = Field(min_length=1, max_length=MAX_GRAPH, fail_fast=True)
    groups: list[GraphGroup] = Field(default_factory=list, max_length=1_000, fail_fast=True)


class GraphCreated(BaseModel):
    """A graph that was accepted: task ids by the names of its tasks and groups, parents before children."""

    task_ids: dict[str, UUID]


class NodeOut(BaseModel):
    """A task of a graph."""

    task_id: UUID
    task_name: str
    is_group: bool
    status: TaskStatus
    queue: str
    priority: int
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    pending_parents: int


class EdgeOut(BaseModel):
    """One task that waits, or has waited, for another."""

    parent_id: UUID
    child_id: UUID
    on_success: OnSuccess
    on_failure: OnFailure
    arguments: list[tuple[str, int | None]] | None = Field(
        description="Where the parent's result goes: keyword arguments of the child, with a place if that is a list."
    )
    satisfied_at: datetime | None = Field(description="When the parent's end was dealt with.")


class GraphOut(BaseModel):
    """The tasks that hang together with one, and the edges between them."""

    task_id: UUID
    nodes: list[NodeOut] = Field(description="By age.")
    edges: list[EdgeOut]
    truncated: bool = Field(description="There are more tasks than `limit`; these are the nearest.")

    @classmethod
    def of(cls, graph: TaskGraph) -> "GraphOut":
        """Read what the service found."""
        return cls.model_construct(
            task_id=graph.task_id,
            nodes=[_node(row) for row in graph.nodes],
            edges=[EdgeOut(**dict(row)) for row in graph.edges],
            truncated=graph.truncated,
        )


def _node(row: asyncpg.Record) -> NodeOut:
    fields: dict[str, Any] = dict(row) | {"status": TaskStatus(row["status"]), "is_group": row["task_name"] == GROUP}
    return NodeOut.model_construct(**fields)
