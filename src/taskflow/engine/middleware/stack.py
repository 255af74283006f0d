"""The middleware of a process, in order; each hook only of those that have it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from taskflow.base.logging import get_logger
from taskflow.engine.middleware.base import Call, Middleware
from taskflow.engine.requests import TaskRow
from taskflow.engine.states import TaskStatus
from taskflow.engine.store import Lease, Outcome

log = get_logger(__name__)

Hook = Callable[[Any], Awaitable[Any]]


_TOWARDS_THE_DATABASE = frozenset({"before_enqueue", "before_claim", "after_run", "before_complete"})


class MiddlewareStack:
    """Middleware in order. A hook that nobody has is an empty tuple, and what asks for it skips it."""

    def __init__(self, *middleware: Middleware) -> None:
        """Start with `middleware`."""
        self._middleware = list(middleware)
        self._arrange()

    def use(self, *middleware: Middleware) -> None:
        """Append middleware."""
        self._middleware += middleware
        self._arrange()

    def remove(self, *middleware: Middleware) -> None:
        """Take middleware out again, as tests do."""
        self._middleware = [one for one in self._middleware if one not in middleware]
        self._arrange()

    def _arrange(self) -> None:
        def having(name: str) -> tuple[Hook, ...]:
            own = [getattr(one, name) for one in self._middleware if hasattr(type(one), name)]
            found = [hook for hook in own if getattr(hook, "__func__", None) is not getattr(Middleware, name)]
            return tuple(found if name in _TOWARDS_THE_DATABASE else reversed(found))

        self._hiding = [one for one in self._middleware if hasattr(one, "hides")]
        self._before_enqueue, self._after_enqueue = having("before_enqueue"), having("after_enqueue")
        self._before_claim, self._after_claim = having("before_claim"), having("after_claim")
        self._before_run, self._after_run = having("before_run"), having("after_run")
        self._before_complete, self._after_complete = having("before_complete"), having("after_complete")

    @property
    def sees_enqueueing(self) -> bool:
        """Tell whether anybody has `before_enqueue` or `after_enqueue`."""
        return bool(self._before_enqueue or self._after_enqueue)

    @property
    def sees_runs(self) -> bool:
        """Tell whether anybody has `before_run` or `after_run`."""
        return bool(self._before_run or self._after_run)

    def hides(self, task_name: str) -> bool:
        """Tell whether somebody keeps the errors of a task from whoever sees them before they are written."""
        return any(one.hides(task_name) for one in self._hiding)

    async def before_enqueue(self, task: TaskRow) -> TaskRow:
        """Return the task as it is to be written; errors are the enqueuer's."""
        for hook in self._before_enqueue:
            task = await hook(task)
        return task

    async def before_enqueue_many(self, tasks: Sequence[TaskRow]) -> Sequence[TaskRow]:
        """Return tasks as they are to be written."""
        return [await self.before_enqueue(task) for task in tasks] if self._before_enqueue else tasks

    async def after_enqueue(self, tasks: Sequence[TaskRow]) -> None:
        """Show tasks that were written."""
        if self._after_enqueue:
            for task in tasks:
                await _shown(self._after_enqueue, task)

    async def before_claim(self, task_ids: Sequence[str]) -> None:
        """Show what is about to be claimed."""
        await _shown(self._before_claim, task_ids)

    async def after_claim(self, leases: Sequence[Lease]) -> None:
        """Show what was claimed."""
        await _shown(self._after_claim, leases)

    async def before_run(self, call: Call) -> None:
        """Let arguments be changed; errors are the attempt's."""
        for hook in self._before_run:
            await hook(call)

    async def after_run(self, call: Call) -> None:
        """Let the result be changed. An error is the attempt's, but the first one stands."""
        for hook in self._after_run:
            if call.error is None:
                await hook(call)
            else:
                await _shown((hook,), call)

    async def before_complete(self, outcomes: Sequence[Outcome]) -> None:
        """Let ends be changed; one that a hook fails on is written as a failure that tells nothing else."""
        if self._before_complete:
            for outcome in outcomes:
                await self._prepare(outcome)

    async def _prepare(self, outcome: Outcome) -> None:
        for hook in self._before_complete:
            try:
                await hook(outcome)
            except Exception as error:
                log.exception("before_complete_failed", task_id=str(outcome.lease.task_id))
                ended = outcome.status not in (TaskStatus.PENDING, TaskStatus.CANCELLED)
                outcome.result = outcome.stack = outcome.error = None
                if ended:
                    outcome.status, outcome.execution, outcome.dead = TaskStatus.FAILED, "FAILED", True
                    outcome.retries, outcome.delay = 0, None
                    outcome.error = f"Middleware failed on its end: {type(error).__name__} in {_name(hook)}."
                return

    async def after_complete(self, outcomes: Sequence[Outcome]) -> None:
        """Show ends that are written."""
        if self._after_complete:
            for outcome in outcomes:
                await _shown(self._after_complete, outcome)


async def _shown(hooks: Sequence[Hook], thing: Any) -> None:
    for hook in hooks:
        try:
            await hook(thing)
        except Exception:
            log.exception("middleware_failed", hook=_name(hook))


def _name(hook: Hook) -> str:
    return str(getattr(hook, "__qualname__", hook))


stack = MiddlewareStack()
"""The middleware that the imported modules use."""


def use_middleware(*middleware: Middleware) -> None:
    """Let middleware see every task that this process enqueues or runs, after what was registered before.

    Call it at the top of a module in TASKFLOW_WORKER_IMPORTS: workers import it, and so does the API.
    """
    stack.use(*middleware)
