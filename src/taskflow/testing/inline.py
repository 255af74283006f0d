"""`InlineEngine`: an engine without servers. What is enqueued runs at once; what waits, waits for the test's clock.

    async def test_an_order_is_confirmed() -> None:
        with inline() as engine:
            await place_order(...)                      # somewhere in it: await confirm.enqueue(order_id=7)
            assert engine.ran(confirm)[0].attempts[0].status == "COMPLETED"

It takes the place of `Engine` for everything that enqueues, cancels, retries and waits. It has no database: what an
outer transaction would roll back has run. To test that, take a real one (`taskflow_engine`, of the pytest plugin).
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from taskflow.engine.default import default_engine, use_engine
from taskflow.engine.definition import Task
from taskflow.engine.handles import TaskHandle
from taskflow.engine.middleware.stack import stack as middleware
from taskflow.engine.requests import Request, TaskRow, prepare, request_of
from taskflow.engine.results import TaskEnd, timed_out
from taskflow.engine.schedules.models import Schedule
from taskflow.engine.states import TERMINAL, IllegalTransitionError, TaskStatus, check_transition
from taskflow.engine.waiting import TaskNotFoundError
from taskflow.testing.admission import after_parents, holder_of
from taskflow.testing.clock import Timers
from taskflow.testing.running import InlineTask

P = ParamSpec("P")
R = TypeVar("R")


class InlineEngine:
    """Runs tasks where they are enqueued.

    Attributes:
        now: the virtual time; it moves by `advance` and `jump` only.
        tasks: everything that was enqueued, in that order.
    """

    def __init__(self, *, now: datetime | None = None, propagate: bool = False) -> None:
        """Start at `now` (the present by default); `propagate` what a task raises last to whoever enqueued it."""
        self.now = now or datetime.now(UTC).replace(microsecond=0)
        self.tasks: list[InlineTask] = []
        self._waiting: list[InlineTask] = []
        self._timers = Timers()
        self._propagate = propagate

    def ran(self, task: Task[..., Any]) -> list[InlineTask]:
        """Return the tasks of one definition that have begun, in the order in which they were enqueued."""
        return [one for one in self.tasks if one.name == task.name and one.started_at is not None]

    async def enqueue(self, task: Task[P, R], *args: P.args, **kwargs: P.kwargs) -> TaskHandle[R]:
        """Run a task now, or keep it until the clock says so when it has a delay; return its handle.

        Raises:
            InvalidTaskArgumentsError: the arguments do not fit the function.
            InvalidDependencyError: it waits for a task that has not ended.
        """
        return await self._enqueue(task, args, kwargs)

    async def enqueue_in(
        self,
        connection: object,  # noqa: ARG002 - there is no transaction here
        task: Task[P, R],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> TaskHandle[R]:
        """Do the same as `enqueue`, whatever becomes of the transaction."""
        return await self.enqueue(task, *args, **kwargs)

    async def enqueue_many(self, task: Task[P, R], calls: Iterable[dict[str, Any]]) -> list[TaskHandle[R]]:
        """Enqueue one task many times, each with the keyword arguments of a dict of `calls`."""
        return [await self._enqueue(task, (), call) for call in calls]

    async def dispatch(self, handles: Iterable[TaskHandle[Any]]) -> None:
        """Do nothing: what is enqueued here has run."""

    async def schedule(self, schedule: Schedule, task: Task[P, R], *args: P.args, **kwargs: P.kwargs) -> UUID:
        """Let a schedule start a task with these arguments when the clock comes by; return the schedule's id."""
        prepared = prepare(request_of(task, args, kwargs), task)
        return self._timers.declare(schedule, task, prepared.kwargs or {}, self.now)

    async def advance(self, seconds: float = 0, **units: float) -> list[InlineTask]:
        """Let time pass (`advance(90)`, `advance(days=1)`); return what has run meanwhile, each at its moment."""
        return await self.advance_to(self.now + timedelta(seconds=seconds, **units))

    async def advance_to(self, instant: datetime) -> list[InlineTask]:
        """Let time pass until `instant`."""
        ran: list[InlineTask] = []
        while (at := self._next(instant)) is not None:
            self.now = max(self.now, at)
            ran += await self._fire(self._timers.on_time(self.now))
        self.now = max(self.now, instant)
        return ran

    async def jump(self, seconds: float = 0, **units: float) -> list[InlineTask]:
        """Let time pass while no coordinator runs: misfire policies decide what still fires. Return what ran then."""
        self.now += timedelta(seconds=seconds, **units)
        return await self._fire(self._timers.late(self.now))

    async def end_of(self, task_id: UUID, timeout: float | None = None) -> TaskEnd:  # noqa: ASYNC109 - as in `TaskHandle`
        """Return the end of a task.

        Raises:
            TaskNotFoundError: there is none.
            WaitTimeoutError: it waits for the clock: `advance`.
        """
        found = self._find(task_id)
        if found.status not in TERMINAL:
            raise timed_out(task_id, timeout or 0.0)
        return found.end()

    async def cancel(self, task_id: UUID) -> TaskStatus:
        """Cancel a task that waits, or ask one to stop that runs; return its status now.

        Raises:
            IllegalTransitionError: it has ended.
        """
        return self._find(task_id).cancel()

    async def retry(self, task_id: UUID) -> None:
        """Run a task again that ended badly.

        Raises:
            IllegalTransitionError: it has not ended, or ended well.
        """
        found = self._find(task_id)
        check_transition(found.status, TaskStatus.PENDING)
        if found.status not in TERMINAL:
            raise IllegalTransitionError(f"A task that is {found.status} cannot be retried.", status=found.status)
        await self._run(found)

    def _find(self, task_id: UUID) -> InlineTask:
        found = next((one for one in self.tasks if one.task_id == task_id), None)
        if found is None:
            raise TaskNotFoundError(f"There is no task {task_id}.", task_id=str(task_id))
        return found

    def _handle(self, found: InlineTask, *, is_new: bool = True) -> TaskHandle[Any]:
        row = found.row
        return TaskHandle(row.task_id, found.status, row.queue, row.priority, is_new, task=found.task, client=self)

    async def _enqueue(self, task: Task[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> TaskHandle[Any]:
        row, verdict = prepare(request_of(task, args, kwargs), task), None
        if row.parents:
            row, verdict = after_parents(row, {one.task_id: one for one in self.tasks})
        row = await middleware.before_enqueue(row)
        if (known := holder_of(row, self.tasks, self.now)) is not None:
            return self._handle(known, is_new=False)
        return self._handle(await self._take(task, row, verdict=verdict))

    async def _take(
        self, task: Task[..., Any], row: TaskRow, at: datetime | None = None, verdict: TaskStatus | None = None
    ) -> InlineTask:
        if at is None and row.delay is not None:
            at = self.now + timedelta(seconds=row.delay)
        found = InlineTask(task, row, verdict or TaskStatus.PENDING, self.now)
        self.tasks.append(found)
        await middleware.after_enqueue([row])
        if verdict is not None:
            found.error = "A task that it waited for did not end as it had to."
        elif at is not None and at > self.now:
            found.status, found.due_at = TaskStatus.SCHEDULED, at
            self._waiting.append(found)
        else:
            await self._run(found)
        return found

    async def _run(self, found: InlineTask) -> None:
        await found.run(self.now)
        if found.due_at is not None and found not in self._waiting:
            self._waiting.append(found)
        if self._propagate and found.exception is not None and found.status is not TaskStatus.COMPLETED:
            raise found.exception

    def _next(self, until: datetime) -> datetime | None:
        waiting = [one.due_at for one in self._waiting if one.due_at is not None]
        at = min([*waiting, *self._timers.coming()], default=None)
        return at if at is not None and at <= until else None

    async def _fire(self, fires: Iterable[tuple[Task[..., Any], dict[str, Any], datetime]]) -> list[InlineTask]:
        ran = []
        for task, kwargs, at in fires:
            row = await middleware.before_enqueue(prepare(Request(task.name, (), kwargs), task))
            found = await self._take(task, row, at)
            if found.due_at is None:
                ran.append(found)
        due = sorted((one for one in self._waiting if one.due_at and one.due_at <= self.now), key=_due_at)
        for found in due:
            await self._run(found)
        self._waiting = [one for one in self._waiting if one.due_at is not None]
        return ran + due


def _due_at(found: InlineTask) -> datetime:
    return found.due_at or found.enqueued_at


@contextmanager
def inline(*, now: datetime | None = None, propagate: bool = False) -> Iterator[InlineEngine]:
    """Let `task.enqueue` run tasks at once, without servers, inside this block; see `InlineEngine`."""
    engine = InlineEngine(now=now, propagate=propagate)
    with default_engine(engine), use_engine(engine):
        yield engine
