"""What a running task can reach: its own attempt (`current_task()`) and its worker (`worker_context()`)."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, TypeVar
from uuid import UUID

from taskflow.base.errors import InvalidInputError, TaskFlowError
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine.metering import Meter
from taskflow.engine.payload import keepable
from taskflow.settings import Settings

T = TypeVar("T")
Level = Literal["DEBUG", "INFO", "WARNING", "ERROR"]

_MAX_MESSAGE = 500
_MOST = 2**63


class OutsideWorkerError(TaskFlowError):
    """This only works while a task runs in a worker."""

    code = "outside_worker"


class InvalidProgressError(InvalidInputError):
    """This is no progress: say 0 to 100 percent, or done of total."""

    code = "invalid_progress"


@dataclass(slots=True)
class WorkerContext:
    """The worker process a task runs in, and what is opened once for all its tasks."""

    database: Database
    broker: RedisBroker
    settings: Settings
    worker_id: UUID
    process_id: UUID
    meter: Meter = field(default_factory=Meter)  # metrics that this process's node shows
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _resources: dict[Any, "asyncio.Task[Any]"] = field(default_factory=dict)

    @property
    def slot(self) -> int:
        """Return which row of counters is this process's: few share one, so none waits for another; 0 is for others."""
        return 1 + self.process_id.int % 32_000

    async def resource(self, opener: Callable[["WorkerContext"], AbstractAsyncContextManager[T]]) -> T:
        """Return what `opener` opens: once per process, at its first use; it is closed when the process ends."""
        opening = self._resources.get(opener)
        if opening is None or (opening.done() and (opening.cancelled() or opening.exception() is not None)):
            opening = asyncio.ensure_future(self._stack.enter_async_context(opener(self)))
            self._resources[opener] = opening
        result: T = await asyncio.shield(opening)
        return result

    async def aclose(self) -> None:
        """Close what was opened, newest first."""
        await self._stack.aclose()


class Progress(NamedTuple):
    """How far an attempt says it is; `percent` from 0 to 100."""

    percent: float | None
    done: int | None
    total: int | None
    message: str | None


class Reporter(Protocol):
    """The way from a running task to its worker: on the child's loop, or through a slot's pipe."""

    def log(self, level: Level, message: str, metadata: Mapping[str, Any] | None) -> None:
        """Take a log line."""
        ...

    def progress(self, progress: Progress) -> None:
        """Take how far the task is."""
        ...

    def heartbeat(self) -> None:
        """Take a sign of life."""
        ...

    def is_cancelled(self) -> bool:
        """Tell whether the task was asked to stop."""
        ...


@dataclass(frozen=True, slots=True)
class TaskContext:
    """The attempt that is running.

    Attributes:
        lease_epoch: the fence; name it in writes to other systems that understand fencing.
        attempt: 1 for the first.
    """

    task_id: UUID
    task_name: str
    lease_epoch: int
    attempt: int
    _reporter: Reporter = field(repr=False)

    @property
    def fence(self) -> int:
        """The lease epoch: a later attempt of this task has a higher one."""
        return self.lease_epoch

    @property
    def cancelled(self) -> bool:
        """Whether this attempt was asked to stop: somebody cancelled it, its time is up, or its worker drains.

        A sync task that has looked here once gets TASKFLOW_WORKER_CANCEL_GRACE_SECONDS to return before it is
        interrupted. An async task is interrupted at its next `await` in any case; this tells its threads.
        """
        return self._reporter.is_cancelled()

    def log(self, message: str, *, level: Level = "INFO", **metadata: Any) -> None:
        """Write a line into the task's log; it is kept with the task and shown with it."""
        self._reporter.log(level, message, metadata or None)

    def progress(
        self,
        percent: float | None = None,
        message: str | None = None,
        *,
        done: int | None = None,
        total: int | None = None,
    ) -> None:
        """Say how far the task is: `progress(40, "rendering")`, or `progress(done=3, total=8)`.

        Call it as often as you like: about one a second is written and published, the last one always. It counts as a
        heartbeat.

        Raises:
            InvalidProgressError: `percent` is not between 0 and 100, or `done` comes without a `total` above 0.
        """
        if done is not None or total is not None:
            if done is None or total is None or total < 1 or done < 0 or percent is not None:
                raise InvalidProgressError(f"progress(done={done!r}, total={total!r}): give both, total from 1 on.")
            if max(done, total) >= _MOST:
                raise InvalidProgressError(f"progress(done={done!r}, total={total!r}): that is more than 64 bits hold.")
            percent = min(100.0, done * 100 / total)
        if percent is not None and not 0 <= percent <= 100:
            raise InvalidProgressError(f"progress({percent!r}): percent goes from 0 to 100.")
        self._reporter.progress(Progress(percent, done, total, message and keepable(message)[:_MAX_MESSAGE]))

    def heartbeat(self) -> None:
        """Say that this attempt still makes headway.

        A task with `@task(heartbeat=30)` is stopped as timed out when neither this nor `progress` was called for 30
        seconds; each call starts those anew. It never moves the time limit of the whole attempt (`timeout`), and a
        task without that option needs no heartbeat: whether its worker lives is watched elsewhere.
        """
        self._reporter.heartbeat()


current: ContextVar[TaskContext | None] = ContextVar("taskflow_task", default=None)
worker: ContextVar[WorkerContext | None] = ContextVar("taskflow_worker", default=None)


def current_task() -> TaskContext:
    """Return the running attempt.

    Raises:
        OutsideWorkerError: no task is running here.
    """
    context = current.get()
    if context is None:
        raise OutsideWorkerError("current_task() was called outside a task.")
    return context


def worker_context() -> WorkerContext:
    """Return the worker process that runs this async task.

    Raises:
        OutsideWorkerError: no worker runs this, or the task is a sync one in a slot of its own.
    """
    context = worker.get()
    if context is None:
        raise OutsideWorkerError("worker_context() was called outside an async task.")
    return context
