"""What a running task can reach: its own attempt (`current_task()`) and its worker (`worker_context()`)."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeVar
from uuid import UUID

from taskflow.base.errors import TaskFlowError
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.settings import Settings

T = TypeVar("T")
Level = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


class OutsideWorkerError(TaskFlowError):
    """This only works while a task runs in a worker."""

    code = "outside_worker"


@dataclass(slots=True)
class WorkerContext:
    """The worker process a task runs in, and what is opened once for all its tasks."""

    database: Database
    broker: RedisBroker
    settings: Settings
    worker_id: UUID
    process_id: UUID
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _resources: dict[Any, "asyncio.Task[Any]"] = field(default_factory=dict)

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


class TaskContext(NamedTuple):
    """The attempt that is running.

    Attributes:
        lease_epoch: the fence; name it in writes to other systems that understand fencing.
        attempt: 1 for the first.
    """

    task_id: UUID
    task_name: str
    lease_epoch: int
    attempt: int
    emit: Callable[[str, str, Any], None]

    def log(self, message: str, *, level: Level = "INFO", **metadata: Any) -> None:
        """Write a line into the task's log; it is kept with the task and shown with it."""
        self.emit(level, message, metadata or None)


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
