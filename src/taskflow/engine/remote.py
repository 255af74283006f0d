"""`TaskFlow`: the engine over HTTP, for code that does not share the database.

    async with TaskFlow("https://tasks.example.com", api_key) as taskflow:
        handle = await taskflow.enqueue(resize, image_id=3)

`TaskFlow` is async, `SyncTaskFlow` blocks; both send the calls that this module builds once. Arguments are checked
against the task's annotations before anything is sent. A single task that is sent without an idempotency key gets one
here, so that repeating a call whose answer was lost never makes a second task.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ParamSpec, Self, TypeVar
from uuid import UUID

import httpx
from pydantic_core import to_jsonable_python

from taskflow.base.errors import UnavailableError
from taskflow.base.ids import uuid7
from taskflow.base.remote_errors import error_of
from taskflow.engine.definition import Task
from taskflow.engine.dependencies.graph import Graph
from taskflow.engine.dependencies.models import GROUP, Edge
from taskflow.engine.requests import TaskHandle, TaskRow, prepare, request_of
from taskflow.engine.schedules.models import Schedule
from taskflow.engine.states import TaskStatus

P = ParamSpec("P")
R = TypeVar("R")

_ATTEMPTS = 3
_NOT_SCHEDULED = ("scheduled_at", "version", "unique_key", "unique_for_seconds", "on_conflict")
_TIMING_COLUMNS = frozenset({"kind", "cron", "time_zone", "interval_seconds", "run_at"})


@dataclass(frozen=True, slots=True)
class _Call:
    """A request to be sent; safe to repeat."""

    method: str
    path: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def arguments(self) -> dict[str, Any]:
        return {"json": self.body, "headers": self.headers} if self.body is not None else {"headers": self.headers}


def _enqueue(task: Task[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> _Call:
    key = task.idempotency_key or str(uuid7())
    return _Call("POST", "/tasks", _new_task(task, args, kwargs), {"Idempotency-Key": key})


def _enqueue_many(task: Task[..., Any], calls: Iterable[Mapping[str, Any]]) -> _Call:
    body = {"tasks": [_new_task(task, (), call) for call in calls]}
    return _Call("POST", "/tasks/bulk", body, {"Idempotency-Key": str(uuid7())})


def _new_task(task: Task[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return _task_body(prepare(request_of(task, args, dict(kwargs)), task))


def _task_body(row: TaskRow) -> dict[str, Any]:
    at = None if row.delay is None else (datetime.now(UTC) + timedelta(seconds=row.delay)).isoformat()
    body = {
        "task_name": row.task_name,
        "args": row.kwargs or {},
        "queue": row.queue,
        "priority": row.priority if "priority" in row.said else None,  # else the queue may have one
        "max_retries": row.max_retries if "max_retries" in row.said else None,
        "timeout_seconds": row.timeout if "timeout" in row.said else None,
        "scheduled_at": at,
        "version": row.payload_version,
        "tags": list(row.tags),
        "expires_in_seconds": row.expires_in,
        "unique_key": row.unique and row.unique.key,
        "unique_for_seconds": row.unique and row.unique.seconds,
        "on_conflict": row.unique and row.unique.on_conflict,
    }
    if row.parents:
        body |= {"after": [_parent(edge) for edge in row.parents], "results": _results(row.parents)}
    return body


def _parent(edge: Edge) -> dict[str, str]:
    return {"parent": str(edge.parent_id), "on_failure": edge.on_failure, "on_success": edge.on_success}


def _results(edges: Iterable[Edge]) -> dict[str, str | list[str]]:
    """Return the arguments that take results, and whose: of one, or of several in their order."""
    found: dict[str, str | list[str]] = {}
    places = [(name, place, str(edge.parent_id)) for edge in edges for name, place in edge.arguments]
    for name, _, parent in sorted(places, key=lambda one: (one[0], one[1] or 0)):
        found[name] = [*found.get(name, ()), parent]
    single = {name for name, place, _ in places if place is None}
    return {name: parents[0] if name in single else parents for name, parents in found.items()}


def _graph(graph: Graph) -> _Call:
    rows = graph.rows()
    tasks = [_task_body(row) | {"name": str(row.task_id)} for row in rows if row.task_name != GROUP]
    groups = [
        {"name": str(row.task_id), "members": [str(edge.parent_id) for edge in row.parents]}
        for row in rows
        if row.task_name == GROUP
    ]
    return _Call("POST", "/tasks/graph", {"tasks": tasks, "groups": groups}, {"Idempotency-Key": str(uuid7())})


def _graph_handles(graph: Graph, answer: Mapping[str, Any]) -> dict[UUID, TaskHandle[Any]]:
    handles = {row.task_id: row.handle() for row in graph.rows()}
    return {key: replace(handle, task_id=UUID(answer["task_ids"][str(key)])) for key, handle in handles.items()}


def _schedule(schedule: Schedule, task: Task[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> _Call:
    columns = schedule.columns()
    timing = "cron" if columns["cron"] else "interval_seconds" if columns["interval_seconds"] else "run_at"
    given = {name: value for name, value in columns.items() if name not in _TIMING_COLUMNS}
    given |= {timing: columns[timing]} | ({"time_zone": columns["time_zone"]} if timing == "cron" else {})
    body = _new_task(task, args, kwargs) | to_jsonable_python(given)
    for name in _NOT_SCHEDULED:
        del body[name]
    return _Call("POST", "/schedules", body, {"Idempotency-Key": str(uuid7())})


def _handle(task: Task[..., R], answer: Mapping[str, Any]) -> TaskHandle[R]:
    return TaskHandle(UUID(answer["task_id"]), TaskStatus(answer["status"]), task.queue, task.priority)


def _handles(task: Task[..., R], answer: Mapping[str, Any]) -> list[TaskHandle[R]]:
    return [TaskHandle(UUID(i), TaskStatus.PENDING, task.queue, task.priority) for i in answer["task_ids"]]


def _answer(response: httpx.Response) -> Any:
    if not response.is_success:
        raise error_of(response.status_code, response.content)
    return response.json() if response.content else None


def _options(url: str, api_key: str, seconds: float) -> dict[str, Any]:
    return {
        "base_url": url.rstrip("/") + "/api/v1",
        "headers": {"Authorization": f"Bearer {api_key}"},
        "timeout": seconds,
    }


class TaskFlow:
    """The engine over HTTP, async."""

    def __init__(self, url: str, api_key: str, *, seconds: float = 30.0, http: httpx.AsyncClient | None = None) -> None:
        """Speak to the API at `url` with an API key; give up an attempt after `seconds`."""
        self._http = http or httpx.AsyncClient(**_options(url, api_key, seconds))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def enqueue(self, task: Task[P, R], *args: P.args, **kwargs: P.kwargs) -> TaskHandle[R]:
        """Enqueue a task.

        Raises:
            InvalidTaskArgumentsError: the arguments do not fit; nothing was sent.
            TaskFlowError: the API refused it, or did not answer (UnavailableError).
        """
        return _handle(task, await self._send(_enqueue(task, args, kwargs)))

    async def enqueue_many(self, task: Task[P, R], calls: Iterable[Mapping[str, Any]]) -> list[TaskHandle[R]]:
        """Enqueue one task many times, each with the keyword arguments of a mapping; all or none."""
        return _handles(task, await self._send(_enqueue_many(task, calls)))

    async def submit_graph(self, graph: Graph) -> dict[UUID, TaskHandle[Any]]:
        """Submit tasks that wait for each other, all or none; return their handles by the ids of their nodes.

        The API gives them ids of its own: `handles[node.task_id].task_id`.

        Raises:
            CyclicDependencyError: some wait for each other in a circle; nothing was sent.
        """
        return _graph_handles(graph, await self._send(_graph(graph)))

    async def get(self, task_id: UUID) -> dict[str, Any]:
        """Return a task with its executions, result and logs."""
        return dict(await self._send(_Call("GET", f"/tasks/{task_id}")))

    async def cancel(self, task_id: UUID) -> TaskStatus:
        """Cancel a task, or ask for it while it runs; return its status now."""
        return TaskStatus((await self._send(_Call("DELETE", f"/tasks/{task_id}")))["status"])

    async def schedule(self, schedule: Schedule, task: Task[P, R], *args: P.args, **kwargs: P.kwargs) -> UUID:
        """Make a schedule that starts a task with these arguments; return its id."""
        return UUID((await self._send(_schedule(schedule, task, args, kwargs)))["schedule_id"])

    async def unschedule(self, schedule_id: UUID) -> None:
        """Delete a schedule; tasks that it started are left alone."""
        await self._send(_Call("DELETE", f"/schedules/{schedule_id}"))

    async def _send(self, call: _Call) -> Any:
        for attempt in range(_ATTEMPTS):
            try:
                return _answer(await self._http.request(call.method, call.path, **call.arguments()))
            except httpx.TransportError as error:
                if attempt == _ATTEMPTS - 1:
                    raise UnavailableError(f"No answer from {self._http.base_url}: {error!r}.") from error
        raise AssertionError


class SyncTaskFlow:
    """The engine over HTTP, blocking."""

    def __init__(self, url: str, api_key: str, *, seconds: float = 30.0, http: httpx.Client | None = None) -> None:
        """Speak to the API at `url` with an API key; give up an attempt after `seconds`."""
        self._http = http or httpx.Client(**_options(url, api_key, seconds))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def enqueue(self, task: Task[P, R], *args: P.args, **kwargs: P.kwargs) -> TaskHandle[R]:
        """Enqueue a task; raises as `TaskFlow.enqueue` does."""
        return _handle(task, self._send(_enqueue(task, args, kwargs)))

    def enqueue_many(self, task: Task[P, R], calls: Iterable[Mapping[str, Any]]) -> list[TaskHandle[R]]:
        """Enqueue one task many times, each with the keyword arguments of a mapping; all or none."""
        return _handles(task, self._send(_enqueue_many(task, calls)))

    def submit_graph(self, graph: Graph) -> dict[UUID, TaskHandle[Any]]:
        """Submit tasks that wait for each other, all or none; return their handles by the ids of their nodes.

        The API gives them ids of its own: `handles[node.task_id].task_id`.

        Raises:
            CyclicDependencyError: some wait for each other in a circle; nothing was sent.
        """
        return _graph_handles(graph, self._send(_graph(graph)))

    def get(self, task_id: UUID) -> dict[str, Any]:
        """Return a task with its executions, result and logs."""
        return dict(self._send(_Call("GET", f"/tasks/{task_id}")))

    def cancel(self, task_id: UUID) -> TaskStatus:
        """Cancel a task, or ask for it while it runs; return its status now."""
        return TaskStatus(self._send(_Call("DELETE", f"/tasks/{task_id}"))["status"])

    def schedule(self, schedule: Schedule, task: Task[P, R], *args: P.args, **kwargs: P.kwargs) -> UUID:
        """Make a schedule that starts a task with these arguments; return its id."""
        return UUID((self._send(_schedule(schedule, task, args, kwargs)))["schedule_id"])

    def unschedule(self, schedule_id: UUID) -> None:
        """Delete a schedule; tasks that it started are left alone."""
        self._send(_Call("DELETE", f"/schedules/{schedule_id}"))

    def _send(self, call: _Call) -> Any:
        for attempt in range(_ATTEMPTS):
            try:
                return _answer(self._http.request(call.method, call.path, **call.arguments()))
            except httpx.TransportError as error:
                if attempt == _ATTEMPTS - 1:
                    raise UnavailableError(f"No answer from {self._http.base_url}: {error!r}.") from error
        raise AssertionError
