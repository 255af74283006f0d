"""What an enqueuer holds of a task: a handle that waits for its end, takes its result, and steers it."""

from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar, cast
from uuid import UUID

from taskflow.engine.default import NoEngineError
from taskflow.engine.definition import Task
from taskflow.engine.dependencies.models import ResultOf
from taskflow.engine.results import TaskEnd
from taskflow.engine.states import TaskStatus

R = TypeVar("R")


class Client(Protocol):
    """What a handle asks about its task: the direct `Engine`, or `TaskFlow` over HTTP."""

    async def end_of(self, task_id: UUID, timeout: float | None = None) -> TaskEnd:  # noqa: ASYNC109 - the same
        """Return how a task ended, once it has."""
        ...

    async def cancel(self, task_id: UUID) -> TaskStatus:
        """Cancel a task, or ask for it while it runs."""
        ...

    async def retry(self, task_id: UUID) -> None:
        """Start an ended task over."""
        ...


@dataclass(frozen=True, slots=True)
class TaskHandle(Generic[R]):
    """A task that was enqueued. `is_new` is false when its idempotency or unique key was taken already.

    `status` is what it was then; `wait` and `result` follow it. `output` stands for what it will return.
    """

    task_id: UUID
    status: TaskStatus
    queue: str
    priority: int
    is_new: bool = True
    dispatch_key: str | None = None  # where it stands in line, when that is only a part of its queue
    task: Task[..., R] | None = field(default=None, repr=False, compare=False)
    client: Client | None = field(default=None, repr=False, compare=False)

    @property
    def line(self) -> str:
        """Return the dispatch key under which it waits."""
        return self.dispatch_key or self.queue

    @property
    def output(self) -> R:
        """Stand for what the task will return, as an argument of another task, which then waits for this one."""
        return cast("R", ResultOf(self.task_id))

    async def result(self, timeout: float | None = None) -> R:  # noqa: ASYNC109 - what callers expect to write
        """Wait for the task's end, at most `timeout` seconds, and return what it returned, as its function's type.

        Raises:
            TaskFailedError, TaskCancelledError: it did not end well.
            WaitTimeoutError: it has not ended in time.
            TaskNotFoundError: its transaction has not committed.
        """
        result: R = (await self._client().end_of(self.task_id, timeout)).value(self.task)
        return result

    async def wait(self, timeout: float | None = None) -> TaskEnd:  # noqa: ASYNC109 - the same
        """Wait for the task's end, whichever it is, and return it; raises as `result`, but not for a bad end."""
        return await self._client().end_of(self.task_id, timeout)

    async def cancel(self) -> TaskStatus:
        """Cancel the task, or ask its worker to while it runs; return its status now.

        Raises:
            IllegalTransitionError: it has ended already.
        """
        return await self._client().cancel(self.task_id)

    async def retry(self) -> None:
        """Start the task over with a full set of attempts.

        Raises:
            IllegalTransitionError: it has not ended, or ended well.
        """
        await self._client().retry(self.task_id)

    def _client(self) -> Client:
        if self.client is None:
            raise NoEngineError("This handle came from no client, so there is nobody to ask.")
        return self.client
