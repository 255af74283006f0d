"""`TaskFlow`: the engine over HTTP, async."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractContextManager, aclosing
from typing import Any, ParamSpec, Self, TypeVar
from uuid import UUID

import httpx

from taskflow.base.errors import RateLimitedError
from taskflow.engine.default import default_engine
from taskflow.engine.definition import Task
from taskflow.engine.dependencies.graph import Graph
from taskflow.engine.handles import TaskHandle
from taskflow.engine.remote import calls
from taskflow.engine.remote.live import LiveEvent, follow
from taskflow.engine.remote.transport import send_call
from taskflow.engine.results import TaskEnd, timed_out
from taskflow.engine.schedules.models import Schedule
from taskflow.engine.states import TaskStatus

P = ParamSpec("P")
R = TypeVar("R")

_SOCKETS = 8  # of this client's waiters; a user may have 50, and the rest looks now and then
_LOOK_AGAIN_SECONDS = 1.0


class TaskFlow:
    """The engine over HTTP, async.

        async with TaskFlow() as taskflow:
            handle = await resize.enqueue(image_id=3)
            print(await handle.result(timeout=60))

    Inside the block it is what `task.enqueue` uses.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        seconds: float = 30.0,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        """Speak to the API at `url` with an API key; give up an attempt after `seconds`.

        What is left out comes from `TASKFLOW_API_URL` and `TASKFLOW_API_KEY`, or from the `taskflow up` that runs under
        `TASKFLOW_HOME`.

        Raises:
            UnauthenticatedError: there is no key.
        """
        self._access = calls.access_to(url, api_key)
        self._http = http or httpx.AsyncClient(**calls.http_options(self._access, seconds))
        self._sockets = asyncio.Semaphore(_SOCKETS)
        self._chosen: AbstractContextManager[None] | None = None

    async def __aenter__(self) -> Self:
        self._chosen = default_engine(self)
        self._chosen.__enter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._chosen is not None:
            self._chosen.__exit__(None, None, None)
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def enqueue(self, task: Task[P, R], *args: P.args, **kwargs: P.kwargs) -> TaskHandle[R]:
        """Enqueue a task.

        Raises:
            InvalidTaskArgumentsError: the arguments do not fit; nothing was sent.
            TaskFlowError: the API refused it, or did not answer (UnavailableError).
        """
        return self._handle(task, await self._send(calls.enqueue(task, args, kwargs)))

    async def enqueue_many(self, task: Task[P, R], batch: Iterable[Mapping[str, Any]]) -> list[TaskHandle[R]]:
        """Enqueue one task many times, each with the keyword arguments of a mapping; all or none."""
        answer = await self._send(calls.enqueue_many(task, batch))
        return [self._handle(task, found) for found in calls.created_in(task, answer)]

    async def submit_graph(self, graph: Graph) -> dict[UUID, TaskHandle[Any]]:
        """Submit tasks that wait for each other, all or none; return their handles by the ids of their nodes.

        The API gives them ids of its own: `handles[node.task_id].task_id`.

        Raises:
            CyclicDependencyError: some wait for each other in a circle; nothing was sent.
        """
        return calls.handles_in(graph, await self._send(calls.submit_graph(graph)), self)

    async def get(self, task_id: UUID) -> dict[str, Any]:
        """Return a task with its executions, result and logs."""
        return dict(await self._send(calls.get(task_id)))

    async def end_of(self, task_id: UUID, timeout: float | None = None) -> TaskEnd:  # noqa: ASYNC109 - what callers expect to write
        """Wait for the end of a task, at most `timeout` seconds, and return it.

        Raises:
            NotFoundError: there is none.
            WaitTimeoutError: it has not ended in time.
        """
        try:
            async with asyncio.timeout(timeout):
                return await self._end_of(task_id)
        except TimeoutError:
            raise timed_out(task_id, timeout) from None

    async def cancel(self, task_id: UUID) -> TaskStatus:
        """Cancel a task, or ask for it while it runs; return its status now."""
        return TaskStatus((await self._send(calls.cancel(task_id)))["status"])

    async def retry(self, task_id: UUID) -> None:
        """Start a task over that failed, timed out or was cancelled."""
        await self._send(calls.retry(task_id))

    def events(self, *topics: str, after: str | None = None) -> AsyncIterator[LiveEvent]:
        """Iterate over what happens, from now on or after a cursor, across lost connections.

        The first event, and any time something may have been missed, is `resync`: look at the API then.

        Args:
            topics: `tasks` (the default), `task:<id>`, `workers`, `campaigns`, `campaign:<id>`.
            after: the cursor of the last event that was dealt with.

        Raises:
            InvalidInputError: there is no such topic.
            UnavailableError: the API stays away for ten seconds.
        """
        return follow(self._access, topics or ("tasks",), after)

    async def schedule(self, schedule: Schedule, task: Task[P, R], *args: P.args, **kwargs: P.kwargs) -> UUID:
        """Make a schedule that starts a task with these arguments; return its id."""
        return UUID((await self._send(calls.schedule(schedule, task, args, kwargs)))["schedule_id"])

    async def unschedule(self, schedule_id: UUID) -> None:
        """Delete a schedule; tasks that it started are left alone."""
        await self._send(calls.unschedule(schedule_id))

    async def _end_of(self, task_id: UUID) -> TaskEnd:
        while self._sockets.locked():  # too many wait already: this one looks by itself until there is room
            if (end := await self._look(task_id)) is not None:
                return end
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        async with self._sockets, aclosing(follow(self._access, [f"task:{task_id}"])) as events:
            async for _ in events:
                if (end := await self._look(task_id)) is not None:
                    return end
        raise AssertionError  # it follows until somebody stops it

    async def _look(self, task_id: UUID) -> TaskEnd | None:
        """Return the end of a task if it has one; who has asked too often asks again when they may."""
        while True:
            try:
                return calls.end_in(await self.get(task_id))
            except RateLimitedError as error:
                await asyncio.sleep(calls.pause_after(error))

    def _handle(self, task: Task[..., R], answer: Mapping[str, Any]) -> TaskHandle[R]:
        status = TaskStatus(answer["status"])
        return TaskHandle(UUID(answer["task_id"]), status, task.queue, task.priority, task=task, client=self)

    async def _send(self, call: calls.Call) -> Any:
        return await send_call(self._http, call)
