"""The order of a graph: parents before children, and the name of a cycle where there is no such order."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

from taskflow.engine.dependencies.models import InvalidDependencyError

N = TypeVar("N", bound=Hashable)


class CyclicDependencyError(InvalidDependencyError):
    """The tasks wait for each other in a circle."""

    code = "cyclic_dependency"


def topological(parents: Mapping[N, Sequence[N]], called: Callable[[N], str] = str) -> list[N]:
    """Return the nodes, parents before children, else in the order they were given; others' parents are left out.

    Depth first, with a stack of its own instead of recursion: a chain may have ten thousand nodes.

    Raises:
        CyclicDependencyError: there is no such order; the sentence names the circle, each node as it is `called`.
    """
    order: list[N] = []
    done: set[N] = set()
    for first in parents:
        if first in done:
            continue
        path = {first: None}  # an ordered set: the nodes we are inside of
        stack = [(first, iter(parents[first]))]
        while stack:
            node, rest = stack[-1]
            parent = next((one for one in rest if one in parents and one not in done), None)
            if parent is None:
                stack.pop()
                del path[node]
                done.add(node)
                order.append(node)
            elif parent in path:
                raise cycle([called(one) for one in [*path][[*path].index(parent) :]])
            else:
                path[parent] = None
                stack.append((parent, iter(parents[parent])))
    return order


def cycle(waiting: Sequence[str]) -> CyclicDependencyError:
    """Name a circle of tasks, each of which waits for the next."""
    names = list(reversed(waiting))
    shown = names if len(names) <= 20 else [*names[:10], f"… {len(names) - 20} more …", *names[-10:]]
    return CyclicDependencyError(
        f"The tasks wait for each other in a circle: {' → '.join([*shown, names[0]])}.", cycle=names[:100]
    )
