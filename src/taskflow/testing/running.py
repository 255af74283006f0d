"""One task run where it stands: every attempt at once, with what each came to.

What a worker does to a task happens here too: arguments go through JSON and are checked twice, `current_task()` works,
`Retry`, `NoRetry` and exceptions decide as in `engine/outcomes.py`, results have to be JSON of the size that is kept,
dependencies are opened, and middleware surrounds the call. What needs processes does not: nothing is killed, only async
tasks are held to their time limit and nobody to a heartbeat, there is no `WorkerContext` and no lifespan hook.
"""

import asyncio
import inspect
import time
import traceback
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from taskflow.engine import outcomes
from taskflow.engine.batch import Batch, BatchItem
from taskflow.engine.context import Level, Progress, TaskContext, current
from taskflow.engine.definition import Task
from taskflow.engine.injection import SlotScope
from taskflow.engine.middleware.base import Call
from taskflow.engine.middleware.stack import stack as middleware
from taskflow.engine.payload import check_json, check_result
from taskflow.engine.requests import TaskRow
from taskflow.engine.results import TaskEnd
from taskflow.engine.retry import Retry
from taskflow.engine.states import TaskStatus, check_transition
from taskflow.engine.store import Lease, Outcome
from taskflow.settings import WorkerSettings

_RESULT_BYTES = WorkerSettings().result_max_bytes
_LEASE_SECONDS = 30.0
_HANDED_BACK_SECONDS = 1.0


class Attempt(NamedTuple):
    """One attempt.

    Attributes:
        number: 1 for the first.
        status: COMPLETED, FAILED or TIMEOUT, as in the history of a real task.
        error: why it failed.
        retry_after: seconds that a worker would wait before the next attempt; None after the last.
    """

    number: int
    status: str
    error: str | None
    retry_after: float | None


class LogEntry(NamedTuple):
    """A line that the task logged."""

    level: str
    message: str
    metadata: Any


@dataclass(slots=True)
class _Reporter:
    """Takes what an attempt says of itself."""

    task: "InlineTask"

    def log(self, level: Level, message: str, metadata: Mapping[str, Any] | None) -> None:
        """Keep a log line."""
        data = None if metadata is None else check_json(metadata, "The log line's metadata")
        self.task.logs.append(LogEntry(level, str(message), data))

    def progress(self, progress: Progress) -> None:
        """Keep how far it is."""
        self.task.progress.append(progress)

    def heartbeat(self) -> None:
        """Do nothing: nobody watches."""

    def is_cancelled(self) -> bool:
        """Tell whether the test has cancelled it meanwhile."""
        return self.task.is_unwanted


@dataclass(slots=True)
class InlineTask:
    """A task that was enqueued, and what has become of it so far.

    Attributes:
        due_at: when it is to start, of one that waits; virtual time.
        progress: what it said about how far it is, all attempts together.
        exception: what its last attempt raised.
        is_unwanted: it was cancelled while it ran.
    """

    task: Task[..., Any]
    row: TaskRow
    status: TaskStatus
    enqueued_at: datetime
    due_at: datetime | None = None
    started_at: datetime | None = None
    attempts: list[Attempt] = field(default_factory=list)
    logs: list[LogEntry] = field(default_factory=list)
    progress: list[Progress] = field(default_factory=list)
    result: Any = None
    error: str | None = None
    stack_trace: str | None = None
    exception: BaseException | None = None
    is_unwanted: bool = False
    _epoch: int = 0
    _given: tuple[Any, Any] | None = None

    @property
    def task_id(self) -> UUID:
        """Its id."""
        return self.row.task_id

    @property
    def name(self) -> str:
        """The name of its task."""
        return self.row.task_name

    @property
    def arguments(self) -> dict[str, Any]:
        """Its arguments by name, as the function gets them."""
        args, kwargs = self._given or (self.row.args, self.row.kwargs)
        return self.task.read(args, kwargs, self.row.payload_version)

    def cancel(self) -> TaskStatus:
        """Cancel it while it waits, or ask it to stop while it runs; return its status now.

        Raises:
            IllegalTransitionError: it has ended.
        """
        if self.status is TaskStatus.RUNNING:
            self.is_unwanted = True
            return self.status
        check_transition(self.status, TaskStatus.CANCELLED)
        self.status, self.due_at = TaskStatus.CANCELLED, None
        return self.status

    def end(self) -> TaskEnd:
        """Return its end; call it once it has one."""
        return TaskEnd(self.task_id, self.status, self.result, self.error, self.stack_trace)

    async def run(self, now: datetime) -> None:
        """Run attempt after attempt until it has ended, or a batch hands it back: then it is due a little later."""
        self.started_at, self.due_at, retries = now, None, 0
        while True:
            self._epoch += 1
            self.status = TaskStatus.RUNNING
            outcome = await self._attempt(self._lease(retries))
            self.error, self.stack_trace = outcome.error, outcome.stack
            going_on = outcome.status in (TaskStatus.SCHEDULED, TaskStatus.PENDING)
            if outcome.execution:
                pause = (outcome.delay or 0.0) if going_on else None
                self.attempts.append(Attempt(len(self.attempts) + 1, outcome.execution, outcome.error, pause))
            if going_on and self.is_unwanted:
                self.status = TaskStatus.CANCELLED
                return
            if not going_on:
                self.status, self.result = outcome.status, outcome.result
                return
            if not outcome.retries:  # handed back by a batch: not now
                self.status = TaskStatus.SCHEDULED
                self.due_at = now + timedelta(seconds=max(outcome.delay or 0.0, _HANDED_BACK_SECONDS))
                return
            retries += outcome.retries

    def _lease(self, retries: int) -> Lease:
        row = self.row
        return Lease(
            task_id=row.task_id,
            lease_epoch=self._epoch,
            task_name=row.task_name,
            dispatch_key=row.queue,
            priority=row.priority,
            retry_count=retries,
            max_retries=row.max_retries,
            timeout_seconds=row.timeout,
            crash_count=0,
            campaign_id=None,
            args=row.args,
            kwargs=row.kwargs,
            payload_version=row.payload_version,
        )

    def _context(self, lease: Lease) -> TaskContext:
        return TaskContext(lease.task_id, lease.task_name, lease.lease_epoch, lease.retry_count + 1, _Reporter(self))

    async def _attempt(self, lease: Lease) -> Outcome:
        started = time.monotonic()
        token = current.set(self._context(lease))
        limit = asyncio.timeout(lease.timeout_seconds)
        try:
            async with limit:
                return await self._call(lease, started)
        except Exception as error:  # noqa: BLE001 - whatever a task raises is its outcome
            self.exception = error
            seconds = time.monotonic() - started
            if limit.expired():
                sentence = f"It took longer than its time limit of {lease.timeout_seconds} s."
                return outcomes.failed(lease, seconds, sentence, timed_out=True)
            if isinstance(error, Retry):
                return outcomes.failed(lease, seconds, str(error), after=error.after)
            stack = "".join(traceback.format_exception(error))
            sentence = f"{type(error).__name__}: {error}"
            retry = not isinstance(error, outcomes.FINAL_ERRORS)
            return outcomes.failed(lease, seconds, sentence, stack=stack, retry=retry)
        finally:
            current.reset(token)

    async def _call(self, lease: Lease, started: float) -> Outcome:
        if self.task.batch:
            return await self._call_with_batch(lease, started)
        call = Call(lease, lease.args, lease.kwargs)
        await middleware.before_run(call)
        self._given = call.args, call.kwargs
        try:
            call.result = await self._result(self.task.read(call.args, call.kwargs, lease.payload_version))
        except Exception as error:
            call.error = f"{type(error).__name__}: {error}"
            await middleware.after_run(call)
            raise
        await middleware.after_run(call)
        return outcomes.completed(lease, time.monotonic() - started, self._kept(call.result), self.task.result_ttl)

    async def _result(self, arguments: dict[str, Any]) -> Any:
        if not self.task.is_async:  # beside the event loop, as in a slot of a worker
            return await asyncio.to_thread(self._result_in_thread, arguments)
        if self.task.injection is None:
            return await _awaited(self.task.function(**arguments))
        async with self.task.injection.opened() as provided:
            return await _awaited(self.task.function(**arguments, **provided))

    def _result_in_thread(self, arguments: dict[str, Any]) -> Any:
        with ExitStack() as slot:
            if self.task.injection is not None:
                arguments |= slot.enter_context(self.task.injection.opened_in(SlotScope(slot)))
            return self.task.function(**arguments)

    def _kept(self, result: Any) -> Any:
        if result is None or not self.task.keep_result:
            return None
        return check_result(result, self.task.max_result_bytes or _RESULT_BYTES)

    async def _call_with_batch(self, lease: Lease, started: float) -> Outcome:
        reported: list[Outcome] = []
        item = BatchItem(lease, started, self._context(lease))
        call = Call(lease, lease.args, lease.kwargs)
        await middleware.before_run(call)
        item.args, item.kwargs = call.args, call.kwargs
        batch = Batch([item], reported.append, _LEASE_SECONDS, keep=self._kept, result_ttl=self.task.result_ttl)
        if self.task.injection is None:
            await _awaited(self.task.function(batch))
        else:
            async with self.task.injection.opened() as provided:
                await _awaited(self.task.function(batch, **provided))
        return reported[0] if reported else outcomes.completed(lease, time.monotonic() - started)


async def _awaited(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value
