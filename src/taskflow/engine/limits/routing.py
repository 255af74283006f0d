"""Routing: in which part of its queue a task waits. What is limited waits in a part of its own.

Whoever enqueues decides where it can. A process that does not know the definition cannot, nor one that does not know
the arguments yet, because they are results of other tasks; and a definition may change while tasks wait. So a worker
looks at what it was given before it runs it, and sends away what waited in a wrong line.
"""

from collections.abc import Container, Mapping
from typing import Any

from taskflow.base.errors import InvalidInputError
from taskflow.engine.definition import Task, registry
from taskflow.engine.limits.models import InvalidConcurrencyKeyError, task_subject
from taskflow.engine.sealed import parts_of
from taskflow.engine.store import Lease


def part_of(task: Task[..., Any] | None, arguments: Mapping[str, Any]) -> str | None:
    """Return the part of its queue in which a call waits; None: the queue itself, also while nobody can tell yet.

    Raises:
        InvalidConcurrencyKeyError: the task's key cannot be computed from the arguments.
    """
    if task is None or task.limits is None or not arguments.keys() >= set(task.limits.key_arguments):
        return None
    return task.limits.part(arguments)


def reroute(lease: Lease, suggested: str, overridden: Container[str] = ()) -> str | None:
    """Return the dispatch key under which a task should have waited; None when the `suggested` one is right.

    `overridden`: subjects of tasks that an operator limits, although their definitions need not.

    Calls whose key cannot be computed share one key. So do those that are encrypted, or take encrypted results, and
    come from somebody who did not know the definition: nobody reads them before they run.
    """
    if lease.dispatch_key != suggested:
        return lease.dispatch_key
    task = registry.find(lease.task_name)
    queue, _, part = suggested.partition("/")
    if task is None or task.limits is None:
        own = task_subject(lease.task_name)
        return f"{queue}/{own}" if not part and own in overridden else None
    if task.limits.covers(part) or lease.refusal is not None or (lease.payload_version or 0) > task.version:
        return None  # it is right, or will not run here
    try:
        wanted = task.limits.part(_arguments(task, lease))
    except InvalidConcurrencyKeyError:
        wanted = task_subject(task.name, "~")
    except InvalidInputError:
        return None  # it will not run
    if wanted is None:
        return queue if part.startswith("task:") else None
    return f"{queue}/{wanted}"


def _arguments(task: Task[..., Any], lease: Lease) -> dict[str, Any]:
    if lease.returned or parts_of(lease.kwargs) is not None or parts_of(lease.args) is not None:
        return {}
    return task.read(lease.args, lease.kwargs, lease.payload_version)
