"""`SyncTaskFlow`: the engine over HTTP, blocking."""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ParamSpec, Self, TypeVar
from uuid import UUID

import httpx

from taskflow.base.errors import RateLimitedError
from taskflow.engine.blocking import SyncTaskHandle
from taskflow.engine.definition import Task
from taskflow.engine.dependencies.graph import Graph
from taskflow.engine.remote import calls
from taskflow.engine.remote.live import LiveEvent, follow_blocking
from taskflow.engine.remote.transport import send_call_blocking
from taskflow.engine.results import TaskEnd, timed_out
from taskflow.engine.schedules.models import Schedule
from taskflow.engine.states import TaskStatus

P = ParamSpec("P")
R = TypeVar("R")


class SyncTaskFlow:
    """The engine over HTTP, blocking: what `TaskFlow` does, for code without an event loop."""

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        seconds: float = 30.0,
        http: httpx.Client | None = None,
    ) -> None:
        """Speak to the API at `url` with an API key; see `TaskFlow` for what is left out."""
        self._access = calls.access_to(url, api_key)
        self._http = http or httpx.Client(**calls.http_options(self._access, seconds))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def enqueue(self, task: Task[P, R], *args: P.args, **kwargs: P.kwargs) -> SyncTaskHandle[R]:
        """Enqueue a task; raises as `TaskFlow.enqueue` does."""
        return self._handle(task, self._send(calls.enqueue(task, args, kwargs)))

    def enqueue_many(self, task: Task[P, R], batch: Iterable[Mapping[str, Any]]) -> list[SyncTaskHandle[R]]:
        """Enqueue one task many times, each with the keyword arguments of a mapping; all or none."""
        answer = self._send(calls.enqueue_many(task, batch))
        return [self._handle(task, found) for found in calls.created_in(task, answer)]

    def submit_graph(self, graph: Graph) -> dict[UUID, SyncTaskHandle[Any]]:
        """Submit tasks that wait for each other; see `TaskFlow.submit_graph`."""
        handles = calls.handles_in(graph, self._send(calls.submit_graph(graph)))
        return {task_id: SyncTaskHandle.of(handle, self) for task_id, handle in handles.items()}

    def get(self, task_id: UUID) -> dict[str, Any]:
        """Return a task with its executions, result and logs."""
        return dict(self._send(calls.get(task_id)))

    def end_of(self, task_id: UUID, timeout: float | None = None) -> TaskEnd:
        """Wait for the end of a task, at most `timeout` seconds; raises as `TaskFlow.end_of` does."""
        deadline = None if timeout is None else time.monotonic() + timeout
        for _ in follow_blocking(self._access, [f"task:{task_id}"], deadline=deadline):
            if (end := self._look(task_id, deadline)) is not None:
                return end
        raise timed_out(task_id, timeout)

    def cancel(self, task_id: UUID) -> TaskStatus:
        """Cancel a task, or ask for it while it runs; return its status now."""
        return TaskStatus(self._send(calls.cancel(task_id))["status"])

    def retry(self, task_id: UUID) -> None:
        """Start a task over that failed, timed out or was cancelled."""
        self._send(calls.retry(task_id))

    def events(self, *topics: str, after: str | None = None) -> Iterator[LiveEvent]:
        """Iterate over what happens; see `TaskFlow.events`."""
        return follow_blocking(self._access, topics or ("tasks",), after)

    def schedule(self, schedule: Schedule, task: Task[P, R], *args: P.args, **kwargs: P.kwargs) -> UUID:
        """Make a schedule that starts a task with these arguments; return its id."""
        return UUID((self._send(calls.schedule(schedule, task, args, kwargs)))["schedule_id"])

    def unschedule(self, schedule_id: UUID) -> None:
        """Delete a schedule; tasks that it started are left alone."""
        self._send(calls.unschedule(schedule_id))

    def _look(self, task_id: UUID, deadline: float | None) -> TaskEnd | None:
        """Return the end of a task if it has one; who has asked too often asks again when they may."""
        while True:
            try:
                return calls.end_in(self.get(task_id))
            except RateLimitedError as error:
                pause = calls.pause_after(error)
                if deadline is not None and time.monotonic() + pause > deadline:
                    raise
                time.sleep(pause)

    def _handle(self, task: Task[..., R], answer: Mapping[str, Any]) -> SyncTaskHandle[R]:
        status = TaskStatus(answer["status"])
        return SyncTaskHandle(UUID(answer["task_id"]), status, task.queue, task.priority, task, self)

    def _send(self, call: calls.Call) -> Any:
        return send_call_blocking(self._http, call)
