"""A graph as it comes over HTTP, with names for ids, becomes rows."""

from collections.abc import Sequence
from uuid import UUID

from taskflow.base.errors import InvalidInputError
from taskflow.base.ids import uuid7
from taskflow.engine.dependencies.graph import group_row
from taskflow.engine.dependencies.models import MAX_EDGES, After, Edge, InvalidDependencyError, OnFailure, ResultOf
from taskflow.engine.dependencies.order import topological
from taskflow.engine.dependencies.schemas import GraphGroup, GraphParent, GraphTask, NewGraph
from taskflow.engine.dependencies.service import MAX_GRAPH
from taskflow.engine.requests import TaskRow, prepare


def rows_of(graph: NewGraph, created_by: UUID, first_id: UUID | None) -> dict[str, TaskRow]:
    """Return what is inserted by its names in the graph, parents before children.

    Ids count up from `first_id`, which a caller gives that may repeat itself.

    Raises:
        InvalidDependencyError: a name is there twice or unknown, or there are too many.
        CyclicDependencyError: tasks wait for each other in a circle.
        InvalidTaskArgumentsError: the arguments of one do not fit.
    """
    parts: list[tuple[str, GraphTask | GraphGroup]] = [
        *((f"tasks[{index}]", task) for index, task in enumerate(graph.tasks)),
        *((f"groups[{index}]", group) for index, group in enumerate(graph.groups)),
    ]
    if len(parts) > MAX_GRAPH:
        raise InvalidDependencyError(f"A graph over HTTP has at most {MAX_GRAPH:,} tasks and groups.")
    edges = sum(len(_names(part)) for _, part in parts)
    if edges > MAX_EDGES:  # before anything is made of them
        raise InvalidDependencyError(f"{edges:,} edges are more than {MAX_EDGES:,}.")
    named: dict[str, tuple[str, GraphTask | GraphGroup]] = {}
    for place, part in parts:
        if named.setdefault(part.name, (place, part))[0] != place:
            raise InvalidDependencyError(f"{place}: {named[part.name][0]} is called {part.name!r} already.")
    order = topological({name: _names(part) for name, (_, part) in named.items()})
    ids = {name: uuid7() if first_id is None else UUID(int=first_id.int + place) for place, name in enumerate(order)}
    return {name: _row(*named[name], ids, created_by) for name in order}


def _row(place: str, part: GraphTask | GraphGroup, ids: dict[str, UUID], created_by: UUID) -> TaskRow:
    def id_of(name: str) -> UUID:
        if name in ids:
            return ids[name]
        try:
            return UUID(name)
        except ValueError:
            raise InvalidDependencyError(
                f"{place} ({part.name}): {name!r} is neither a name in this graph nor the id of a task."
            ) from None

    if isinstance(part, GraphGroup):
        members = (
            Edge(id_of(name), OnFailure.RUN, arguments=(("members", number),))
            for number, name in enumerate(dict.fromkeys(part.members))
        )
        return group_row(ids[part.name], tuple(members), created_by)
    after = [
        After(id_of(parent.parent), parent.on_failure, parent.on_success)
        if isinstance(parent, GraphParent)
        else After(id_of(parent))
        for parent in part.after
    ]
    results = {
        name: ResultOf(id_of(wanted)) if isinstance(wanted, str) else [ResultOf(id_of(one)) for one in wanted]
        for name, wanted in part.results.items()
    }
    try:
        return prepare(part.request(created_by, ids[part.name], after, results))
    except InvalidInputError as error:
        raise type(error)(f"{place} ({part.name}): {error}", **error.context) from error


def _names(part: GraphTask | GraphGroup) -> Sequence[str]:
    """Return the names that a part waits for, whatever they mean."""
    if isinstance(part, GraphGroup):
        return part.members
    after = [parent.parent if isinstance(parent, GraphParent) else parent for parent in part.after]
    results = [one for wanted in part.results.values() for one in ([wanted] if isinstance(wanted, str) else wanted)]
    return [*after, *results]
