"""The task executor: keeps leases in line and runs them, at most `capacity` calls at a time.

How functions are called is told in `calls.py`, what their ends mean in `verdicts.py`. Whatever stops a task (its time
is up, a cancel, a drain) marks the run with the reason first; the reason, not the exception that surfaces, decides the
outcome. An async task that swallows its cancellation is left behind after a second: its outcome is written, and the
child asks to be replaced. A task that was lost with a process before runs alone: see `suspects.py`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import Any
from uuid import UUID

import asyncpg

from taskflow.base.logging import get_logger
from taskflow.db.outages import TRANSIENT
from taskflow.engine import outcomes
from taskflow.engine.definition import Task, UnknownTaskError, registry
from taskflow.engine.middleware.stack import MiddlewareStack
from taskflow.engine.store import Lease, Outcome
from taskflow.engine.tracing import Traces
from taskflow.engine.worker import verdicts
from taskflow.engine.worker.board import Board
from taskflow.engine.worker.calls import Caller
from taskflow.engine.worker.line import Line
from taskflow.engine.worker.poller import Stock
from taskflow.engine.worker.publisher import Publisher
from taskflow.engine.worker.run import Reason, Run
from taskflow.engine.worker.slots import SlotPool
from taskflow.engine.worker.suspects import Suspects
from taskflow.settings import WorkerSettings

log = get_logger(__name__)

_SWALLOWED_AFTER = 1.0
_STALE_SECONDS = 1.0  # ten times what may be claimed ahead
_NEWER_VERSION_SECONDS = 10.0  # until another worker may be asked that knows newer arguments
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
        middleware: MiddlewareStack,
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
        self._middleware = middleware
        self._caller = Caller(settings, board, publisher, slots, middleware, self._report)
        self._begin_alone = begin_alone
        self._on_room = on_room
        self._on_tainted = on_tainted
        self._traces = traces
        self._line = Line(stock)
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
            self._line.append(lease, now)
        self._low = len(self._line) // 2
        self._pump()

    def release_waiting(self) -> None:
        """Hand back what has not started."""
        while self._line:
            self._hand_back(self._line.pop()[0])
        self._suspects.release()

    def return_stale(self) -> None:
        """Hand back what has waited too long behind tasks slower than expected: another child may be idle."""
        now = monotonic()
        for lease, claimed_at in self._line.stale(now - _STALE_SECONDS):
            self._stock.suppose(lease.dispatch_key, now - claimed_at)
            self._hand_back(lease)

    def stop_task(self, task_id: UUID, reason: Reason) -> None:
        """Stop a task that waits here or runs."""
        if (waiting := self._line.remove(task_id)) is not None:
            self._publisher.report(outcomes.cancelled(waiting, None))
            return
        for lease in self._suspects.waiting():
            if lease.task_id == task_id:
                self._suspects.remove(lease)
                self._publisher.report(outcomes.cancelled(lease, None))
                self._on_room()
                return
        for run in list(self.runs.values()):
            if task_id in run.open:
                if len(run.leases) == 1:
                    self._stop(run, reason)
                elif reason == "cancel":
                    run.unwanted.add(task_id)  # the batch function may look: `BatchItem.context.cancelled`

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
        if self._line or self._suspects.wait:
            return _BETWEEN_TASKS
        return _INSIDE_BATCH if any(len(run.open) > 1 for run in self.runs.values()) else 0.0

    def long_running(self, seconds: float) -> list[Run]:
        """Return the calls that have been under way for so long."""
        before = monotonic() - seconds
        return [run for run in self.runs.values() if run.started < before]

    def _pump(self) -> None:
        while self._line and self._stock.running < self._settings.capacity:
            lease, claimed_at = self._line.pop()
            definition = self._find(lease)
            if definition is None:
                continue
            leases = [(lease, claimed_at)]
            if definition.batch:
                leases += self._line.companions(lease, definition.batch - 1)
            self._start(definition, leases)
        if self._stock.reserved and self._suspects.may_start and not self._line and not self._stock.running:
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
            except TRANSIENT as error:
                log.warning("suspect_not_begun_yet", task_id=str(lease.task_id), error=repr(error))
                await asyncio.sleep(pause)
                pause = min(2.0, pause * 2)
            except asyncpg.PostgresError as error:
                log.warning("suspect_not_begun", task_id=str(lease.task_id), error=repr(error))
                break
        self._hand_back(lease)
        return False

    def _find(self, lease: Lease) -> Task[..., Any] | None:
        """Return the definition of a task; without one, or with arguments that are too large, its attempt fails.

        One whose arguments are of a version that is not known here yet goes back, for a worker that is newer.
        """
        if lease.refusal is not None:
            self._publisher.report(outcomes.failed(lease, 0.0, lease.refusal, retry=False))
            return None
        definition = registry.find(lease.task_name)
        if definition is None:
            error = UnknownTaskError.title() + f" ({lease.task_name}: name its module in TASKFLOW_WORKER_IMPORTS)"
            self._publisher.report(outcomes.failed(lease, 0.0, error))
        elif lease.payload_version is not None and lease.payload_version > definition.version:
            log.warning("newer_arguments", task_name=lease.task_name, version=lease.payload_version)
            self._hand_back(lease, _NEWER_VERSION_SECONDS)
            return None
        return definition

    def _hand_back(self, lease: Lease, after: float | None = None) -> None:
        self._publisher.report(outcomes.released(lease, after))

    def _start(self, definition: Task[..., Any], claimed: list[tuple[Lease, float]]) -> Run:
        leases = [lease for lease, _ in claimed]
        run = Run(leases, float(leases[0].timeout_seconds), definition.heartbeat)
        if definition.is_async:
            run.beat()
        for lease in leases:
            run.open[lease.task_id] = self._board.start(lease.task_id, lease.lease_epoch, run.deadline)
        self._stock.running += 1
        work = self._caller.call(definition, run, claimed)
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
            self._report(run, verdicts.stopped(run, lease))
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
                self._report(run, verdicts.ended(run, lease, error))
        self._forget(run)

    def _forget(self, run: Run) -> None:
        if run.task is not None and self.runs.pop(run.task, None) is not None:
            self._stock.running -= 1
            seconds = (monotonic() - run.started) / len(run.leases)
            self._stock.learn(run.leases[0].dispatch_key, seconds)
            if run is self._suspects.run:
                self._suspects.ended()
            self._pump()
            if self._stock.running < self._settings.capacity or len(self._line) <= self._low:
                self._on_room()

    def _report(self, run: Run, outcome: Outcome) -> None:
        """Hand on one outcome; only the first of a task counts."""
        entry = run.open.pop(outcome.lease.task_id, None)
        if entry is not None:
            self._board.end(entry)
            if self._traces is not None:
                self._traces.note(outcome, hidden=self._middleware.hides(outcome.lease.task_name))
            self._publisher.report(outcome)
