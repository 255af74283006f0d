"""Routing: under which dispatch key a task waits. What is limited waits under a key of its own.

Whoever enqueues decides where it can. A process that does not know the definition cannot, and a definition may change
while tasks wait; so a worker looks at what it was given before it runs it, and sends away what waited in a wrong line.
"""

from typing import Any

from taskflow.base.errors import InvalidInputError
from taskflow.engine.definition import Task, registry
from taskflow.engine.limits.models import InvalidConcurrencyKeyError, task_subject
from taskflow.engine.store import Lease


def dispatch_key(task: Task[..., Any] | None, queue: str, arguments: dict[str, Any]) -> str:
    """Return the dispatch key of a call in a queue.

    Raises:
        InvalidConcurrencyKeyError: the task's key cannot be computed from the arguments.
    """
    part = task.limits.part(arguments) if task is not None and task.limits is not None else None
    return f"{queue}/{part}" if part else queue


def reroute(lease: Lease, suggested: str) -> str | None:
    """Return the dispatch key under which a task should have waited; None when the `suggested` one is right."""
    if lease.dispatch_key != suggested:
        return lease.dispatch_key
    task = registry.find(lease.task_name)
    if task is None or task.limits is None:
        return None
    queue, _, part = suggested.partition("/")
    if task.limits.covers(part):
        return None
    try:
        wanted = task.limits.part(task.validate(lease.args, lease.kwargs))
    except InvalidConcurrencyKeyError:  # they all share one key
        wanted = task_subject(task.name, "~")
    except InvalidInputError:
        return None  # it will not run
    if wanted is None:
        return queue if part.startswith("task:") else None
    return f"{queue}/{wanted}"
