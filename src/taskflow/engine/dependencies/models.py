"""Edges, as they are asked for: what to wait for, what then, and whose results to take."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, NamedTuple, Protocol
from uuid import UUID

from taskflow.base.errors import InvalidInputError

GROUP = "taskflow.group"
"""The name of tasks without a body, which end with their last member."""

MAX_EDGES = 100_000


class OnSuccess(StrEnum):
    """What a parent that completed means for its child."""

    RUN = "run"
    SKIP = "skip"


class OnFailure(StrEnum):
    """What a parent that did not complete means for its child."""

    FAIL = "fail"
    SKIP = "skip"
    RUN = "run"


# Both as they are written: an editor knows the words.
FailurePolicy = OnFailure | Literal["fail", "skip", "run"]
SuccessPolicy = OnSuccess | Literal["run", "skip"]


class InvalidDependencyError(InvalidInputError):
    """A task cannot depend on this."""

    code = "invalid_dependency"


class HasTaskId(Protocol):
    """A handle, a node of a graph: something that is a task."""

    @property
    def task_id(self) -> UUID:
        """The task's id."""
        ...


class ResultOf:
    """Stands for a parent's result among the arguments of a child, until that runs. It is no JSON, on purpose."""

    __slots__ = ("parent_id",)

    def __init__(self, parent_id: UUID) -> None:
        """Name the parent."""
        self.parent_id = parent_id

    def __repr__(self) -> str:
        return f"the result of task {self.parent_id}"


class Edge(NamedTuple):
    """One parent of a task. `arguments`: where its result goes, as (keyword argument, place in a list or None)."""

    parent_id: UUID
    on_failure: OnFailure = OnFailure.FAIL
    on_success: OnSuccess = OnSuccess.RUN
    arguments: tuple[tuple[str, int | None], ...] = ()


@dataclass(frozen=True, slots=True)
class After:
    """A parent with a policy: `task.options(after=[first, After(second, on_failure="run")])`.

    Args:
        parent: a handle, a node of a graph, or a task id.
        on_failure: what its failing means: `fail` this task too, `skip` it, or `run` it all the same.
        on_success: `skip` makes this task one for failures only.
    """

    parent: UUID | HasTaskId
    on_failure: FailurePolicy = OnFailure.FAIL
    on_success: SuccessPolicy = OnSuccess.RUN

    def edge(self) -> Edge:
        """Return it as an edge.

        Raises:
            InvalidDependencyError: a policy is none, or nothing would ever let the task run.
        """
        try:
            on_failure, on_success = OnFailure(self.on_failure), OnSuccess(self.on_success)
        except ValueError as error:
            raise InvalidDependencyError(
                f"{error}: on_failure is fail, skip or run, and on_success is run or skip."
            ) from error
        if on_success is OnSuccess.SKIP and on_failure is not OnFailure.RUN:
            raise InvalidDependencyError('With on_success="skip" a task only ever runs if on_failure is "run".')
        return Edge(id_of(self.parent), on_failure, on_success)


Parent = UUID | HasTaskId | After


def id_of(parent: UUID | HasTaskId) -> UUID:
    """Return a parent's task id."""
    return parent if isinstance(parent, UUID) else parent.task_id


def split_results(arguments: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, list[ResultOf] | ResultOf]]:
    """Part arguments into values and results of parents; a list of nothing but results is one of these."""
    values: dict[str, Any] = {}
    results: dict[str, list[ResultOf] | ResultOf] = {}
    for name, value in arguments.items():
        if is_result(value):
            results[name] = value if isinstance(value, ResultOf) else list(value)
        else:
            values[name] = value
    return values, results


def is_result(value: Any) -> bool:
    """Tell whether an argument is the result of a parent, or a list of nothing but results."""
    return isinstance(value, ResultOf) or (
        isinstance(value, list | tuple) and bool(value) and all(isinstance(item, ResultOf) for item in value)
    )


def edges_of(after: Iterable[Parent], results: Mapping[str, list[ResultOf] | ResultOf]) -> tuple[Edge, ...]:
    """Return the edges of one task: those it names, and one for each parent whose result it takes.

    Raises:
        InvalidDependencyError: a parent is named twice with different policies.
    """
    edges: dict[UUID, Edge] = {}
    for parent in after:
        edge = (parent if isinstance(parent, After) else After(parent)).edge()
        if edges.setdefault(edge.parent_id, edge) != edge:
            raise InvalidDependencyError(f"Task {edge.parent_id} is named twice as a parent, with different policies.")
    for name, place, parent_id in _places(results):
        edge = edges.get(parent_id, Edge(parent_id))
        edges[parent_id] = edge._replace(arguments=(*edge.arguments, (name, place)))
    return tuple(edges.values())


def _places(results: Mapping[str, list[ResultOf] | ResultOf]) -> Iterator[tuple[str, int | None, UUID]]:
    for name, wanted in results.items():
        if isinstance(wanted, ResultOf):
            yield name, None, wanted.parent_id
        else:
            for place, item in enumerate(wanted):
                yield name, place, item.parent_id


class Returned(NamedTuple):
    """What a parent returned, and where that goes among the arguments of its child.

    Attributes:
        arguments: as those of an `Edge`.
        sources: (id, name) of the task whose result it is; of each member when the parent is a group.
    """

    arguments: Any
    result: Any
    sources: tuple[tuple[UUID, str], ...]
    is_group: bool


def fill(kwargs: Mapping[str, Any] | None, found: Sequence[tuple[Any, Any]]) -> dict[str, Any]:
    """Put results of parents, as (arguments of the edge, result), among the keyword arguments of their child."""
    filled = dict(kwargs or {})
    lists: dict[str, list[tuple[int, Any]]] = {}
    for arguments, result in found:
        for name, place in arguments:
            if place is None:
                filled[name] = result
            else:
                lists.setdefault(name, []).append((place, result))
    for name, items in lists.items():
        filled[name] = [result for _, result in sorted(items, key=lambda item: item[0])]
    return filled
