"""The requests that both clients send, built once.

Arguments are checked against the task's annotations before anything is sent. A single task that is sent without an
idempotency key gets one here, so that repeating a call whose answer was lost never makes a second task.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO
from uuid import UUID

import httpx
from pydantic_core import to_jsonable_python

from taskflow.base.errors import InvalidInputError, RateLimitedError, UnauthenticatedError, UnavailableError
from taskflow.base.ids import uuid7
from taskflow.base.remote_errors import error_of
from taskflow.engine.definition import Task
from taskflow.engine.dependencies.graph import Graph
from taskflow.engine.handles import Client, TaskHandle
from taskflow.engine.remote.bodies import graph_body, task_body
from taskflow.engine.requests import prepare, request_of
from taskflow.engine.results import TaskEnd
from taskflow.engine.schedules.models import Schedule
from taskflow.engine.sealed import sealed_value
from taskflow.engine.states import TERMINAL, TaskStatus
from taskflow.settings import ApiAccess, Settings

ATTEMPTS = 3
_SHORTEST_PAUSE = 0.5
_NOT_SCHEDULED = ("delay_seconds", "version", "unique_key", "unique_for_seconds", "on_conflict")
_TIMING_COLUMNS = frozenset({"kind", "cron", "time_zone", "interval_seconds", "run_at"})


@dataclass(frozen=True, slots=True)
class Call:
    """A request to be sent.

    Attributes:
        body: what is sent as JSON.
        query: parameters behind the path; a list gives one several times.
        file: what is sent as the part `file` of a form, under the name that it has, beside the fields of `form`.
        repeatable: sending it a second time does no harm; else it is only repeated when it never left.
        seconds: how long an attempt may take; the client's by default.
    """

    method: str
    path: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    file: tuple[str, BinaryIO] | None = None
    form: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True
    seconds: float | None = None

    def arguments(self) -> dict[str, Any]:
        """Return what httpx takes beside method and path, for one attempt: a file begins at its beginning."""
        found: dict[str, Any] = {"headers": self.headers, "params": self.query}
        if self.body is not None:
            found["json"] = self.body
        if self.file is not None:
            name, content = self.file
            content.seek(0)
            found |= {"files": {"file": (name, content, "application/octet-stream")}, "data": self.form}
        return found if self.seconds is None else found | {"timeout": self.seconds}


def enqueue(task: Task[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call:
    """Build the enqueueing of one task."""
    key = task.idempotency_key or str(uuid7())
    return Call("POST", "/tasks", _new_task(task, args, kwargs), {"Idempotency-Key": key})


def enqueue_many(task: Task[..., Any], calls: Iterable[Mapping[str, Any]]) -> Call:
    """Build the enqueueing of one task many times."""
    body = {"tasks": [_new_task(task, (), call) for call in calls]}
    return Call("POST", "/tasks/bulk", body, {"Idempotency-Key": task.idempotency_key or str(uuid7())})


def created_in(task: Task[..., Any], answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what is known of many tasks that were enqueued at once."""
    status = TaskStatus.PENDING if task.delay is None else TaskStatus.SCHEDULED
    status = TaskStatus.BLOCKED if task.after else status
    return [{"task_id": task_id, "status": status} for task_id in answer["task_ids"]]


def submit_graph(graph: Graph) -> Call:
    """Build the submission of a graph.

    Raises:
        CyclicDependencyError: some of its tasks wait for each other in a circle.
    """
    return Call("POST", "/tasks/graph", graph_body(graph.rows()), {"Idempotency-Key": str(uuid7())})


def handles_in(graph: Graph, answer: Mapping[str, Any], client: Client | None = None) -> dict[UUID, TaskHandle[Any]]:
    """Return the handles of a graph's tasks by the ids of their nodes; the API gives them ids of its own."""
    ids = answer["task_ids"]
    return {row.task_id: replace(row.handle(client), task_id=UUID(ids[str(row.task_id)])) for row in graph.rows()}


def schedule(plan: Schedule, task: Task[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call:
    """Build the making of a schedule."""
    columns = plan.columns()
    timing = "cron" if columns["cron"] else "interval_seconds" if columns["interval_seconds"] else "run_at"
    given = {name: value for name, value in columns.items() if name not in _TIMING_COLUMNS}
    given |= {timing: columns[timing]} | ({"time_zone": columns["time_zone"]} if timing == "cron" else {})
    body = _new_task(task, args, kwargs) | to_jsonable_python(given)
    for name in _NOT_SCHEDULED:
        del body[name]
    return Call("POST", "/schedules", body, {"Idempotency-Key": str(uuid7())})


def unschedule(schedule_id: UUID) -> Call:
    """Build the deletion of a schedule."""
    return Call("DELETE", f"/schedules/{schedule_id}")


def get(task_id: UUID) -> Call:
    """Build the reading of a task."""
    return Call("GET", f"/tasks/{task_id}")


def cancel(task_id: UUID) -> Call:
    """Build the cancelling of a task."""
    return Call("DELETE", f"/tasks/{task_id}")


def retry(task_id: UUID) -> Call:
    """Build the starting over of a task; the key keeps a repetition from being refused."""
    return Call("POST", f"/tasks/{task_id}/retry", headers={"Idempotency-Key": str(uuid7())})


def end_in(found: Mapping[str, Any]) -> TaskEnd | None:
    """Return the end that a task's JSON tells of, or None while it has none."""
    status = TaskStatus(found["status"])
    if status not in TERMINAL:
        return None
    result = found["result"] or {}
    key_id = result.get("encrypted_with")
    return TaskEnd(
        UUID(found["task_id"]),
        status,
        result.get("result_data") if key_id is None else sealed_value(key_id, ""),  # who asks for its value is told
        result.get("error_message"),
        result.get("stack_trace"),
    )


def answer_of(response: httpx.Response) -> Any:
    """Return the JSON of an answer; a problem becomes the error it was."""
    if not response.is_success:
        error = error_of(response.status_code, response.content)
        if (seconds := response.headers.get("Retry-After", "")).isdecimal():
            error.context["retry_after"] = int(seconds)
        raise error
    return response.json() if response.content else None


def access_to(url: str | None, api_key: str | None) -> ApiAccess:
    """Return the address and the key that are given, or else those of the environment and the home.

    Raises:
        InvalidInputError: the address is no HTTP address.
        UnauthenticatedError: there is no key.
    """
    if url is None or api_key is None:
        settings = Settings()
        found = settings.find_api()
        url = found.url if url is None else url
        api_key = found.key if api_key is None else api_key
        if not api_key:
            raise UnauthenticatedError(
                f"No API key: give one, set TASKFLOW_API_KEY, or start `taskflow up` (it keeps one in {settings.home})."
            )
    if not url.startswith(("http://", "https://")):
        raise InvalidInputError(f"The API's address begins with http:// or https://, {url!r} does not.")
    return ApiAccess(url.rstrip("/"), api_key)


def http_options(access: ApiAccess, seconds: float) -> dict[str, Any]:
    """Return what both kinds of httpx client are made with."""
    return {
        "base_url": access.url + "/api/v1",
        "headers": {"Authorization": f"Bearer {access.key}"},
        "timeout": seconds,
    }


def pause_after(error: RateLimitedError) -> float:
    """Return how many seconds the API asks to wait after too many requests."""
    return max(_SHORTEST_PAUSE, float(error.context.get("retry_after") or 0.0))


def silence(url: object, error: Exception) -> UnavailableError:
    """Return the error of an API that does not answer."""
    return UnavailableError(f"No answer from {url}: {error!r}.")


def _new_task(task: Task[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return task_body(prepare(request_of(task, args, dict(kwargs)), task))
