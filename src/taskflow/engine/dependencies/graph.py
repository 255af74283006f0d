"""Graphs: many tasks and what they wait for, built in Python and submitted at once.

graph = Graph()
pages = [graph.add(fetch, url=url) for url in urls]
report = graph.add(summarize, pages=[page.output for page in pages])   # waits for all, takes what they return
graph.add(alarm.options(after=[After(report, on_failure="run", on_success="skip")]))
handles = await engine.submit_graph(graph)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, TypeVar, cast
from uuid import UUID

from taskflow.base.ids import uuid7
from taskflow.engine.definition import Task
from taskflow.engine.dependencies.models import (
    GROUP,
    After,
    Edge,
    InvalidDependencyError,
    OnFailure,
    OnSuccess,
    Parent,
    ResultOf,
)
from taskflow.engine.dependencies.order import topological
from taskflow.engine.requests import Request, TaskRow, prepare
from taskflow.engine.states import Priority

P = ParamSpec("P")
R = TypeVar("R")

MAX_NODES = 100_000


@dataclass(frozen=True, slots=True)
class Node(Generic[R]):
    """A task of a graph. `task_id` is what it will be called once the graph is submitted."""

    task_id: UUID
    name: str

    @property
    def output(self) -> R:
        """Stand for what the task will return, as an argument of another task, which then waits for this one."""
        return cast("R", ResultOf(self.task_id))


@dataclass(frozen=True, slots=True)
class Group(Generic[R]):
    """Tasks that are waited for together. It ends with the last of them: FAILED unless all have completed."""

    task_id: UUID
    name: str
    members: tuple[Node[R], ...]

    @property
    def output(self) -> list[R]:
        """Stand for what the members will return, in their order, as an argument of another task."""
        return cast("list[R]", ResultOf(self.task_id))


class Graph:
    """Tasks and what they wait for."""

    def __init__(self) -> None:
        """Start empty."""
        self._rows: dict[UUID, TaskRow] = {}
        self._names: dict[UUID, str] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, task: Task[P, R], *args: P.args, **kwargs: P.kwargs) -> Node[R]:
        """Add a task with these arguments; `Node.output` of others may be among them.

        `task.options(after=[…])` names what it waits for besides: nodes, groups, handles of earlier tasks, or `After`
        with a policy.

        Raises:
            InvalidTaskArgumentsError: the arguments do not fit the function.
            InvalidDependencyError: the policies make no sense, or there is an idempotency key: it is for single tasks.
        """
        row = prepare(Request(task.name, args, kwargs, after=task.after), task)
        if task.idempotency_key is not None:
            raise InvalidDependencyError(
                "A task of a graph has no idempotency key: all of the graph is one submission."
            )
        return Node(row.task_id, self._take(row, task.name))

    def group(
        self,
        members: Sequence[Node[R]],
        *,
        on_success: Task[[], Any] | None = None,
        on_failure: Task[[], Any] | None = None,
        on_complete: Task[[], Any] | None = None,
        name: str = "group",
    ) -> Group[R]:
        """Wait for tasks together, and call tasks back when all have completed, when one has not, and in either case.

        The callbacks take no arguments here; `graph.add(task.options(after=[group]), group.output)` makes one that
        does. What comes after a group waits for one edge instead of one for each member.

        Raises:
            InvalidDependencyError: it has no members.
        """
        edges = tuple(
            Edge(member.task_id, OnFailure.RUN, arguments=(("members", place),))
            for place, member in enumerate(dict.fromkeys(members))
        )
        row = group_row(uuid7(), edges)
        group = Group(row.task_id, self._take(row, name), tuple(dict.fromkeys(members)))
        for callback, after in (
            (on_success, After(group, OnFailure.SKIP)),
            (on_failure, After(group, OnFailure.RUN, OnSuccess.SKIP)),
            (on_complete, After(group, OnFailure.RUN)),
        ):
            if callback is not None:
                self.add(callback.options(after=(*callback.after, after)))
        return group

    def depend(self, child: Node[Any], *parents: Parent) -> None:
        """Let a task of this graph wait for more.

        Raises:
            InvalidDependencyError: the child is none of this graph, or waits for that parent already.
        """
        row = self._rows.get(child.task_id)
        if row is None:
            raise InvalidDependencyError(f"{child.name} ({child.task_id}) is none of this graph's tasks.")
        for parent in parents:
            edge = (parent if isinstance(parent, After) else After(parent)).edge()
            if any(known.parent_id == edge.parent_id for known in row.parents):
                raise InvalidDependencyError(f"{child.name} waits for {self._called(edge.parent_id)} already.")
            row = row._replace(parents=(*row.parents, edge))
        self._rows[child.task_id] = row

    def rows(self) -> list[TaskRow]:
        """Return what is inserted, parents before children.

        Raises:
            CyclicDependencyError: tasks wait for each other in a circle.
        """
        parents = {task_id: [edge.parent_id for edge in row.parents] for task_id, row in self._rows.items()}
        return [self._rows[task_id] for task_id in topological(parents, self._called)]

    def _take(self, row: TaskRow, name: str) -> str:
        if len(self._rows) >= MAX_NODES:
            raise InvalidDependencyError(f"A graph has at most {MAX_NODES:,} tasks; use several, one after the other.")
        self._rows[row.task_id] = row
        self._names[row.task_id] = name
        return name

    def _called(self, task_id: UUID) -> str:
        return self._names.get(task_id, str(task_id))


def group_row(task_id: UUID, members: tuple[Edge, ...], created_by: UUID | None = None) -> TaskRow:
    """Return the task without a body that ends with its last member.

    Raises:
        InvalidDependencyError: it has no members.
    """
    if not members:
        raise InvalidDependencyError("A group has at least one member.")
    return TaskRow(
        task_id=task_id,
        task_name=GROUP,
        queue="default",
        priority=Priority.MEDIUM,
        max_retries=0,
        timeout=1,
        scheduled_at=None,
        delay=None,
        parent_task_id=None,
        created_by=created_by,
        args=None,
        kwargs=None,
        idempotency_key=None,
        parents=members,
    )
