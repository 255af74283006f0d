"""The task executor: runs leases, at most `capacity` calls at a time, and says how each ended.

Async tasks run on this loop, sync ones in slots. Whatever stops a task (its time is up, a cancel, a drain) marks the
run with the reason first; the reason, not the exception that surfaces, decides the outcome. An async task that
swallows its cancellation is left behind after a second: its outcome is written, and the child asks to be replaced.
A task that was lost with a process before runs alone: see `suspects.py`.
"""

import asyncio
import traceback
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import Any
from uuid import UUID

import asyncpg

from taskflow.base.ids import uuid7
from taskflow.base.logging import get_logger
from taskflow.engine import outcomes
from taskflow.engine.batch import Batch, BatchItem
from taskflow.engine.context import TaskContext, current
from taskflow.engine.definition import Task, UnknownTaskError, check_json, registry
from taskflow.engine.retry import NoRetry, Retry
from taskflow.engine.store import Lease, LogLine, Outcome
from taskflow.engine.tracing import Traces
from taskflow.engine.worker.board import Board
from taskflow.engine.worker.poller import Stock
from taskflow.engine.worker.publisher import CONNECTION_LOST, Publisher
from taskflow.engine.worker.run import Reason, Run, TimeLimitReached
from taskflow.engine.worker.slots import SlotCrashedError, SlotPool
from taskflow.engine.worker.suspects import Suspects
from taskflow.settings import WorkerSettings

log = get_logger(__name__)

_SWALLOWED_AFTER = 1.0
_BETWEEN_TASKS = 0.005
_INSIDE_BATCH = 0.05


class Executor:
    """Runs the leases of one child."""

    def __init__(
        self,
        settings: WorkerSettings,
        stock: Stock,
        board: Board,
        publisher: Publisher,
        slots: SlotPool,
        *,
        begin_alone: Callable[[Lease], Awaitable[bool]],
        on_room: Callable[[], None],
        on_tainted: Callable[[], None],
        traces: Traces | None = None,
    ) -> None:
        """`begin_alone` marks a suspect's start, and tells whether its lease still holds.

        `on_room` hears that work may be claimed; `on_tainted` that a task is left behind in this process.
        """
        self._settings = settings
        self._stock = stock
        self._board = board
        self._publisher = publisher
        self._slots = slots
        self._begin_alone = begin_alone
        self._on_room = on_room
        self._on_tainted = on_tainted
        self._traces = traces
        self._buffer: deque[tuple[Lease, float]] = deque()
        self._low = 0  # ask for more when no more than so many wait
        self._suspects = Suspects(stock, settings.lease_seconds, self._hand_back)
        self._beginning: asyncio.Task[None] | None = None
        self.runs: dict[asyncio.Task[None], Run] = {}

    def feed(self, leases: Sequence[Lease]) -> None:
        """Take leases to run."""
        now = monotonic()
        for lease in leases:
            if lease.crash_count:
                self._suspects.take(lease, now)
                continue
            self._buffer.append((lease, now))
            self._stock.waiting[lease.dispatch_key] += 1
        self._low = len(self._buffer) // 2
        self._pump()

    def release_waiting(self) -> None:
        """Hand back what has not started."""
        while self._buffer:
            lease, _ = self._buffer.popleft()
            self._leave(lease)
            self._hand_back(lease)
        self._suspects.release()

    def stop_task(self, task_id: UUID, reason: Reason) -> None:
        """Stop a task that waits here or runs."""
        for lease, claimed_at in self._buffer:
            if lease.task_id == task_id:
                self._buffer.remove((lease, claimed_at))
                self._leave(lease)
                self._publisher.report(outcomes.cancelled(lease, None))
                return
        for lease in self._suspects.waiting():
            if lease.task_id == task_id:
                self._suspects.remove(lease)
                self._publisher.report(outcomes.cancelled(lease, None))
                self._on_room()
                return
        for run in list(self.runs.values()):
            if task_id in run.open and len(run.leases) == 1:
                self._stop(run, reason)

    def stop_overdue(self) -> None:
        """Stop what has used up its time. Looking ten times a second is cheaper than a timer for every task."""
        now = monotonic()
        for run in list(self.runs.values()):
            if now > run.deadline:
                self._stop(run, "timeout")

    def tend_suspects(self) -> None:
        """Let no suspect, and nobody for a suspect, wait too long."""
        if self._suspects.tend(monotonic()):
            self._on_room()

    def stop_all(self, reason: Reason) -> None:
        """Stop everything that runs or is about to."""
        if self._beginning is not None:
            self._beginning.cancel()
        for run in list(self.runs.values()):
            self._stop(run, reason)

    def patience(self) -> float:
        """Return how long (seconds) the end of one task may wait for others to be written with it; 0: none will come.

        Tasks that wait here will be run at once. A batch reports in bursts, and is in no hurry before its last one.
        """
        if self._buffer or self._suspects.wait:
            return _BETWEEN_TASKS
        return _INSIDE_BATCH if any(len(run.open) > 1 for run in self.runs.values()) else 0.0

    def long_running(self, seconds: float) -> list[Run]:
        """Return the calls that have been under way for so long."""
        before = monotonic() - seconds
        return [run for run in self.runs.values() if run.started < before]

    def _leave(self, lease: Lease) -> None:
        left = self._stock.waiting[lease.dispatch_key] - 1
        if left:
            self._stock.waiting[lease.dispatch_key] = left
        else:
            del self._stock.waiting[lease.dispatch_key]

    def _pump(self) -> None:
        while self._buffer and self._stock.running < self._settings.capacity:
            lease, claimed_at = self._buffer.popleft()
            self._leave(lease)
            definition = self._find(lease)
            if definition is None:
                continue
            leases = [(lease, claimed_at)]
            if definition.batch:
                leases += self._companions(lease, definition.batch - 1)
            self._start(definition, leases)
        if self._stock.reserved and self._suspects.may_start and not self._buffer and not self._stock.running:
            lease, claimed_at = self._suspects.begin(monotonic())
            self._beginning = asyncio.get_running_loop().create_task(self._isolate(lease, claimed_at))

    async def _isolate(self, lease: Lease, claimed_at: float) -> None:
        """Start a suspect that has this child to itself, once its row says that it runs."""
        try:
            definition = self._find(lease) if await self._mark(lease) else None
        except asyncio.CancelledError:
            self._hand_back(lease)
            raise
        if definition is not None:
            self._suspects.started(self._start(definition, [(lease, claimed_at)]))
            return
        self._suspects.ended()
        self._pump()
        self._on_room()

    async def _mark(self, lease: Lease) -> bool:
        """Say that a suspect starts; hand it back when that cannot be said, or when it is somebody else's by now."""
        pause = 0.05
        while True:
            try:
                if await self._begin_alone(lease):
                    return True
                break
            except CONNECTION_LOST as error:
                log.warning("suspect_not_begun_yet", task_id=str(lease.task_id), error=repr(error))
                await asyncio.sleep(pause)
                pause = min(2.0, pause * 2)
            except asyncpg.PostgresError as error:
                log.warning("suspect_not_begun", task_id=str(lease.task_id), error=repr(error))
                break
        self._hand_back(lease)
        return False

    def _find(self, lease: Lease) -> Task[..., Any] | None:
        """Return the definition of a task; without one its attempt fails."""
        definition = registry.find(lease.task_name)
        if definition is None:
            error = UnknownTaskError.title() + f" ({lease.task_name}; import its module in this worker)"
            self._publisher.report(outcomes.failed(lease, 0.0, error))
        return definition

    def _hand_back(self, lease: Lease, after: float | None = None) -> None:
        self._publisher.report(outcomes.released(lease, after))

    def _companions(self, first: Lease, most: int) -> list[tuple[Lease, float]]:
        """Take further tasks of the same name and dispatch key out of the buffer."""
        taken: list[tuple[Lease, float]] = []
        kept: deque[tuple[Lease, float]] = deque()
        while self._buffer:
            lease, claimed_at = self._buffer.popleft()
            same = lease.task_name == first.task_name and lease.dispatch_key == first.dispatch_key
            if same and len(taken) < most:
                self._leave(lease)
                taken.append((lease, claimed_at))
            else:
                kept.append((lease, claimed_at))
        self._buffer = kept
        return taken

    def _start(self, definition: Task[..., Any], claimed: list[tuple[Lease, float]]) -> Run:
        leases = [lease for lease, _ in claimed]
        run = Run(leases, float(leases[0].timeout_seconds))
        for lease in leases:
            run.open[lease.task_id] = self._board.start(lease.task_id, lease.lease_epoch, run.deadline)
        self._stock.running += 1
        if definition.batch:
            work = self._run_batch(definition, run, claimed)
        elif definition.is_async:
            work = self._run_async(definition, run)
        else:
            run.stop = asyncio.Event()
            work = self._run_sync(run)
        if self._traces is not None:
            work = self._traces.follow(leases, work)
        run.task = asyncio.get_running_loop().create_task(work)
        self.runs[run.task] = run
        run.task.add_done_callback(self._ended)
        return run

    def _stop(self, run: Run, reason: Reason) -> None:
        if run.reason is None:
            run.reason = reason
            if run.stop is not None:
                run.stop.set()
            elif run.task is not None:
                run.task.cancel()
                asyncio.get_running_loop().call_later(_SWALLOWED_AFTER, self._leave_behind, run)

    def _leave_behind(self, run: Run) -> None:
        """Write the outcome of a task that has swallowed its cancellation, and ask for a new process."""
        if run.task is None or run.task.done():
            return
        log.warning("task_swallowed_its_cancellation", task_name=run.leases[0].task_name)
        for lease in run.leases:
            self._report(run, self._stopped(run, lease))
        run.task.cancel()
        self._forget(run)
        self._on_tainted()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        run = self.runs.get(task)
        error = None if task.cancelled() else task.exception()
        if run is None:
            return  # left behind earlier
        for lease in run.leases:
            if lease.task_id in run.open:
                reason = f"{type(error).__name__}: {error}" if error else "The task was cancelled from within."
                stopped = self._stopped(run, lease) if run.reason else None
                self._report(run, stopped or outcomes.failed(lease, monotonic() - run.started, reason))
        self._forget(run)

    def _forget(self, run: Run) -> None:
        if run.task is not None and self.runs.pop(run.task, None) is not None:
            self._stock.running -= 1
            seconds = (monotonic() - run.started) / len(run.leases)
            self._stock.learn(run.leases[0].dispatch_key, seconds)
            if run is self._suspects.run:
                self._suspects.ended()
            self._pump()
            if self._stock.running < self._settings.capacity or len(self._buffer) <= self._low:
                self._on_room()

    def _report(self, run: Run, outcome: Outcome) -> None:
        """Hand on one outcome; only the first of a task counts."""
        entry = run.open.pop(outcome.lease.task_id, None)
        if entry is not None:
            self._board.end(entry)
            if self._traces is not None:
                self._traces.note(outcome)
            self._publisher.report(outcome)

    def _stopped(self, run: Run, lease: Lease) -> Outcome:
        seconds = monotonic() - run.started
        if run.reason == "cancel":
            return outcomes.cancelled(lease, seconds)
        if run.reason == "drain":
            return outcomes.released(lease, seconds=seconds)
        error = f"It took longer than its time limit of {lease.timeout_seconds} s."
        return outcomes.failed(lease, seconds, error, timed_out=True)

    def _failure(self, run: Run, lease: Lease, error: BaseException) -> Outcome:
        seconds = monotonic() - run.started
        if run.reason is not None:
            return self._stopped(run, lease)
        if isinstance(error, TimeLimitReached):
            run.reason = "timeout"
            return self._stopped(run, lease)
        if isinstance(error, Retry):
            return outcomes.failed(lease, seconds, str(error), after=error.after)
        stack = "".join(traceback.format_exception(error))
        sentence = f"{type(error).__name__}: {error}"
        return outcomes.failed(lease, seconds, sentence, stack=stack, retry=not isinstance(error, NoRetry))

    def _emitter(self, lease: Lease) -> Callable[[str, str, Any], None]:
        def emit(level: str, message: str, metadata: Any) -> None:
            text = str(message).replace("\x00", "\ufffd")[:10_000]
            data = None if metadata is None else check_json(metadata, "The log line's metadata")
            self._publisher.log(LogLine(uuid7(), lease.task_id, lease.lease_epoch, level, text, data, 0.0))

        return emit

    async def _run_async(self, definition: Task[..., Any], run: Run) -> None:
        lease = run.leases[0]
        attempt = lease.retry_count + lease.crash_count + 1
        current.set(TaskContext(lease.task_id, lease.task_name, lease.lease_epoch, attempt, self._emitter(lease)))
        try:
            result = await definition.function(**definition.validate(lease.args, lease.kwargs))
            if run.reason is not None:
                self._report(run, self._stopped(run, lease))
                return
            if result is not None:
                result = check_json(result, "The result")
            self._report(run, outcomes.completed(lease, monotonic() - run.started, result))
        except (KeyboardInterrupt, SystemExit, GeneratorExit) as error:
            self._report(run, self._failure(run, lease, error))
        except asyncio.CancelledError:
            return  # _ended knows why
        except (Exception, TimeLimitReached) as error:  # noqa: BLE001 - whatever a task raises is its outcome
            self._report(run, self._failure(run, lease, error))

    async def _run_sync(self, run: Run) -> None:
        lease = run.leases[0]
        assert run.stop is not None  # noqa: S101 - set by _start
        try:
            reply = await self._slots.run(lease, self._emitter(lease), run.stop)
        except SlotCrashedError as error:
            seconds = monotonic() - run.started
            self._report(run, outcomes.crashed(lease, seconds, str(error), self._settings.crash_limit))
            return
        seconds = monotonic() - run.started
        if run.reason is not None:
            outcome = self._stopped(run, lease)
        elif "ok" in reply:
            outcome = outcomes.completed(lease, seconds, reply["ok"])
        elif reply.get("interrupted"):
            outcome = outcomes.failed(lease, seconds, "The process of the task was sent SIGTERM.")
        else:
            outcome = outcomes.failed(
                lease, seconds, reply["error"], stack=reply.get("stack"), retry=reply["retry"], after=reply.get("after")
            )
        self._report(run, outcome)

    async def _run_batch(self, definition: Task[..., Any], run: Run, claimed: Sequence[tuple[Lease, float]]) -> None:
        items = [BatchItem(lease, claimed_at) for lease, claimed_at in claimed]
        batch = Batch(items, lambda outcome: self._report(run, outcome), self._settings.lease_seconds)
        try:
            await definition.function(batch)
        except asyncio.CancelledError:
            return
        except (Exception, TimeLimitReached) as error:  # noqa: BLE001 - whatever a task raises is its outcome
            for item in items:
                self._report(run, self._failure(run, item.lease, error))
        else:
            for item in items:
                batch.complete(item)
