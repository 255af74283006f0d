"""The base of middleware: eight hooks that do nothing. Override what you need; what you leave costs nothing.

| hook | where it runs | what an error in it does |
|---|---|---|
| `before_enqueue` | whoever enqueues, after the arguments were checked | fails the enqueueing; nothing is written |
| `after_enqueue` | there, after the INSERT | is logged: the task exists |
| `before_claim` | a worker's child, before the claim | is logged: the claim goes on |
| `after_claim` | there, after it | is logged |
| `before_run` | there, before the arguments are read | fails the attempt, as if the function had raised it |
| `after_run` | there, when the function has returned or raised | fails the attempt, unless it has failed already |
| `before_complete` | there, before the end is written | the task FAILS, without result and stack trace |
| `after_complete` | there, after the commit | is logged: the end is written |

Think of layers around the database, the last one registered next to it. Hooks on the way in (`before_enqueue`,
`before_claim`, `after_run`, `before_complete`) run in the order of registration, hooks on the way out in the reverse
one: what encrypts comes last, and the others see plain arguments.

A task that was lost with its process is ended by its node or by the coordinator, without these hooks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from taskflow.engine.dependencies.models import Returned
from taskflow.engine.requests import TaskRow
from taskflow.engine.store import Lease, Outcome


@dataclass(slots=True)
class Call:
    """One attempt, as `before_run` and `after_run` see it.

    Attributes:
        lease: the claimed attempt: its task, its epoch, its attempts so far.
        args, kwargs: as the row has them; change them before the function reads them.
        returned: results of parents that are not among `kwargs` yet, because something of them is sealed.
        result: what the function returned; change it before it is written.
        error: what the function raised, as a sentence; None when it returned.
    """

    lease: Lease
    args: Any
    kwargs: Any
    result: Any = None
    error: str | None = None
    returned: Sequence[Returned] = ()


class Middleware:
    """Hooks around every task of this process."""

    def hides(self, task_name: str) -> bool:  # noqa: ARG002 - for those who override it
        """Tell whether the errors of a task may leave this process only as `before_complete` has made them."""
        return False

    async def before_enqueue(self, task: TaskRow) -> TaskRow:
        """Return the task as it is to be written."""
        return task

    async def after_enqueue(self, task: TaskRow) -> None:
        """See a task that was written; inside `enqueue_in`, the caller has not committed yet."""

    async def before_claim(self, task_ids: Sequence[str]) -> None:
        """See which tasks this child is about to claim."""

    async def after_claim(self, leases: Sequence[Lease]) -> None:
        """See which of them it won."""

    async def before_run(self, call: Call) -> None:
        """See an attempt, and change its arguments."""

    async def after_run(self, call: Call) -> None:
        """See how the function ended, and change its result. Not called for the tasks of a batch."""

    async def before_complete(self, outcome: Outcome) -> None:
        """See an end, and change its texts and its result, before it is written."""

    async def after_complete(self, outcome: Outcome) -> None:
        """See an end that is written."""
