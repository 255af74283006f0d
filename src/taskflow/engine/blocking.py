"""`SyncEngine`: the direct engine for code that blocks, such as a script, a WSGI application, or Django.

    with SyncEngine.open() as engine:
        handle = engine.enqueue(resize, image_id=3)
        print(handle.result(timeout=60))

The engine lives on an event loop in a thread of its own; calls from any number of threads wait for it there. To enqueue
in a transaction of your own, see `foreign.py`.
"""

import asyncio
import threading
from collections.abc import Coroutine, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, cast
from uuid import UUID

from taskflow.engine.client import Engine
from taskflow.engine.definition import Task
from taskflow.engine.dependencies.graph import Graph
from taskflow.engine.dependencies.models import ResultOf
from taskflow.engine.handles import TaskHandle
from taskflow.engine.results import TaskEnd
from taskflow.engine.schedules.models import Schedule
from taskflow.engine.states import TaskStatus
from taskflow.settings import Settings

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class SyncClient(Protocol):
    """What a handle asks about its task: `SyncEngine`, or `SyncTaskFlow` over HTTP."""

    def end_of(self, task_id: UUID, timeout: float | None = None) -> TaskEnd:
        """Return how a task ended, once it has."""
        ...

    def cancel(self, task_id: UUID) -> TaskStatus:
        """Cancel a task, or ask for it while it runs."""
        ...

    def retry(self, task_id: UUID) -> None:
        """Start an ended task over."""
        ...


@dataclass(frozen=True, slots=True)
class SyncTaskHandle(Generic[R]):
    """A task that was enqueued, for code that blocks; what `TaskHandle` is elsewhere."""

    task_id: UUID
    status: TaskStatus
    queue: str
    priority: int
    task: Task[..., R] | None = field(repr=False, compare=False)
    client: SyncClient = field(repr=False, compare=False)
    is_new: bool = True

    @classmethod
    def of(cls, handle: TaskHandle[R], client: SyncClient) -> "SyncTaskHandle[R]":
        """Return the same handle for code that blocks."""
        return cls(
            handle.task_id, handle.status, handle.queue, handle.priority, handle.task, client, is_new=handle.is_new
        )

    @property
    def output(self) -> R:
        """Stand for what the task will return, as an argument of another task, which then waits for this one."""
        return cast("R", ResultOf(self.task_id))

    def result(self, timeout: float | None = None) -> R:
        """Wait for the task's end, at most `timeout` seconds, and return what it returned, as its function's type.

        Raises:
            TaskFailedError, TaskCancelledError: it did not end well.
            WaitTimeoutError: it has not ended in time.
        """
        result: R = self.wait(timeout).value(self.task)
        return result

    def wait(self, timeout: float | None = None) -> TaskEnd:
        """Wait for the task's end, whichever it is, and return it."""
        return self.client.end_of(self.task_id, timeout)

    def cancel(self) -> TaskStatus:
        """Cancel the task, or ask its worker to while it runs; return its status now."""
        return self.client.cancel(self.task_id)

    def retry(self) -> None:
        """Start the task over with a full set of attempts."""
        self.client.retry(self.task_id)


class SyncEngine:
    """The engine as an application without an event loop sees it. Errors are those of `Engine`."""

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop) -> None:
        """Use an engine that lives on a loop in another thread; see `open`."""
        self._engine = engine
        self._loop = loop

    @classmethod
    @contextmanager
    def open(cls, settings: Settings | None = None) -> Iterator["SyncEngine"]:
        """Connect as `Engine.open` does, in a thread of its own, while the block lasts."""
        opened: Future[SyncEngine] = Future()
        closing = threading.Event()

        async def live() -> None:
            async with Engine.connected(settings) as engine:
                opened.set_result(cls(engine, asyncio.get_running_loop()))
                await asyncio.to_thread(closing.wait)

        def serve() -> None:
            try:
                asyncio.run(live())
            except BaseException as error:
                if opened.done():
                    raise
                opened.set_exception(error)

        thread = threading.Thread(target=serve, name="taskflow-engine", daemon=True)
        thread.start()
        try:
            yield opened.result()
        finally:
            closing.set()
            thread.join()

    def enqueue(self, task: Task[P, R], *args: P.args, **kwargs: P.kwargs) -> SyncTaskHandle[R]:
        """Enqueue a task; it may start before this returns."""
        return SyncTaskHandle.of(self._run(self._engine.enqueue(task, *args, **kwargs)), self)

    def enqueue_many(self, task: Task[P, R], calls: Iterable[dict[str, Any]]) -> list[SyncTaskHandle[R]]:
        """Enqueue one task many times, each with the keyword arguments of a dict of `calls`; all or none."""
        return [SyncTaskHandle.of(handle, self) for handle in self._run(self._engine.enqueue_many(task, calls))]

    def submit_graph(self, graph: Graph) -> dict[UUID, SyncTaskHandle[Any]]:
        """Submit tasks that wait for each other, all or none; return their handles by the ids of their nodes."""
        handles = self._run(self._engine.submit_graph(graph))
        return {task_id: SyncTaskHandle.of(handle, self) for task_id, handle in handles.items()}

    def schedule(self, schedule: Schedule, task: Task[P, R], *args: P.args, **kwargs: P.kwargs) -> UUID:
        """Let a schedule start a task with these arguments; return the schedule's id."""
        return self._run(self._engine.schedule(schedule, task, *args, **kwargs))

    def end_of(self, task_id: UUID, timeout: float | None = None) -> TaskEnd:
        """Wait for the end of a task, at most `timeout` seconds, and return it."""
        return self._run(self._engine.end_of(task_id, timeout))

    def cancel(self, task_id: UUID) -> TaskStatus:
        """Cancel a task that waits, or ask its worker to cancel it while it runs; return its status now."""
        return self._run(self._engine.cancel(task_id))

    def retry(self, task_id: UUID) -> None:
        """Start an ended task over."""
        self._run(self._engine.retry(task_id))

    def _run(self, call: Coroutine[Any, Any, T]) -> T:
        running = asyncio.run_coroutine_threadsafe(call, self._loop)
        try:
            return running.result()
        except BaseException:  # Ctrl-C here ends it there
            running.cancel()
            raise
