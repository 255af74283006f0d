"""One task run where it stands: every attempt at once, with what each came to.

What a worker does to a task happens here too: arguments go through JSON and are checked twice, `current_task()` works,
`Retry`, `NoRetry` and exceptions decide as in `engine/outcomes.py`, results have to be JSON. What needs processes does
not: nothing is killed, and only async tasks are held to their time limit.
"""

import asyncio
import inspect
import time
import traceback
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from taskflow.engine import outcomes
from taskflow.engine.batch import Batch, BatchItem
from taskflow.engine.context import TaskContext, current
from taskflow.engine.definition import Task, check_json
from taskflow.engine.requests import TaskRow
from taskflow.engine.results import TaskEnd
from taskflow.engine.retry import NoRetry, Retry
from taskflow.engine.states import TaskStatus
from taskflow.engine.store import Lease, Outcome

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
class InlineTask:
    """A task that was enqueued, and what has become of it so far.

    Attributes:
        due_at: when it is to start, of one that waits; virtual time.
        exception: what its last attempt raised.
    """

    task: Task[..., Any]
    row: TaskRow
    status: TaskStatus
    enqueued_at: datetime
    due_at: datetime | None = None
    started_at: datetime | None = None
    attempts: list[Attempt] = field(default_factory=list)
    logs: list[LogEntry] = field(default_factory=list)
    result: Any = None
    error: str | None = None
    stack_trace: str | None = None
    exception: BaseException | None = None
    _epoch: int = 0

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
        return self.task.validate(self.row.args, self.row.kwargs)

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
        )

    async def _attempt(self, lease: Lease) -> Outcome:
        started = time.monotonic()
        token = current.set(
            TaskContext(lease.task_id, lease.task_name, lease.lease_epoch, lease.retry_count + 1, self._log)
        )
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
            return outcomes.failed(lease, seconds, sentence, stack=stack, retry=not isinstance(error, NoRetry))
        finally:
            current.reset(token)

    async def _call(self, lease: Lease, started: float) -> Outcome:
        if self.task.batch:
            return await self._call_with_batch(lease, started)
        arguments = self.task.validate(lease.args, lease.kwargs)
        if self.task.is_async:
            result = await _awaited(self.task.function(**arguments))
        else:  # beside the event loop, as in a slot of a worker
            result = await asyncio.to_thread(self.task.function, **arguments)
        checked = None if result is None else check_json(result, "The result")
        return outcomes.completed(lease, time.monotonic() - started, checked)

    async def _call_with_batch(self, lease: Lease, started: float) -> Outcome:
        reported: list[Outcome] = []
        await _awaited(self.task.function(Batch([BatchItem(lease, started)], reported.append, _LEASE_SECONDS)))
        return reported[0] if reported else outcomes.completed(lease, time.monotonic() - started)

    def _log(self, level: str, message: str, metadata: Any) -> None:
        self.logs.append(LogEntry(level, message, metadata))


async def _awaited(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value
