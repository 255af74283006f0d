"""`TaskFlow`: the engine over HTTP, for code that does not share the database.

    async with TaskFlow("https://tasks.example.com", api_key) as taskflow:
        handle = await taskflow.enqueue(resize, image_id=3)

`TaskFlow` is async, `SyncTaskFlow` blocks; both send the calls that this module builds once. Arguments are checked
against the task's annotations before anything is sent. A single task that is sent without an idempotency key gets one
here, so that repeating a call whose answer was lost never makes a second task.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ParamSpec, Self, TypeVar
from uuid import UUID

import httpx
from pydantic_core import to_jsonable_python

from taskflow.base.errors import UnavailableError
from taskflow.base.ids import uuid7
from taskflow.base.remote_errors import error_of
from taskflow.engine.definition import Task, check_json
from taskflow.engine.requests import TaskHandle
from taskflow.engine.schedules.models import Schedule
from taskflow.engine.states import TaskStatus

P = ParamSpec("P")
R = TypeVar("R")

_ATTEMPTS = 3
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
    return {
        "task_name": task.name,
        "args": check_json(task.validate(args, kwargs), "The set of arguments"),
        "queue": task.queue,
        "priority": task.priority if "priority" in task.said else None,  # else the queue may have one
        "max_retries": task.max_retries if "max_retries" in task.said else None,
        "timeout_seconds": task.timeout if "timeout" in task.said else None,
        "scheduled_at": None if task.delay is None else (datetime.now(UTC) + timedelta(seconds=task.delay)).isoformat(),
    }


def _schedule(schedule: Schedule, task: Task[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> _Call:
    columns = schedule.columns()
    timing = "cron" if columns["cron"] else "interval_seconds" if columns["interval_seconds"] else "run_at"
    given = {name: value for name, value in columns.items() if name not in _TIMING_COLUMNS}
    given |= {timing: columns[timing]} | ({"time_zone": columns["time_zone"]} if timing == "cron" else {})
    body = _new_task(task, args, kwargs) | to_jsonable_python(given)
    del body["scheduled_at"]
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
