"""The result publisher: group commit of ends, of what tasks said before, and then their announcement.

Outcomes collect while a flush is under way and go with the next one. A lone task is thus written at once; a child that
has more to run gives a flush a moment to fill, because a statement of a hundred costs a tenth of a hundred statements.
A lease is free only once its flush has committed. A lost connection repeats
the same batch (`TaskStore.finish` is safe to repeat); a batch that PostgreSQL refuses for what is in it is halved until
the one bad outcome stands alone and is written as a failure that says so.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic
from typing import NamedTuple
from uuid import UUID

import asyncpg
from redis.exceptions import RedisError

from taskflow.base.failpoints import failpoint
from taskflow.base.logging import get_logger
from taskflow.broker.redis.dispatch import UNBOUND, Bound, Dispatch, Entry, Settled
from taskflow.broker.redis.events import Event, EventStream
from taskflow.db.outages import TRANSIENT
from taskflow.engine.dependencies.release import announce
from taskflow.engine.middleware.stack import MiddlewareStack
from taskflow.engine.states import TaskStatus
from taskflow.engine.store import Finished, LogLine, Outcome, ProgressLine, TaskStore
from taskflow.engine.worker.board import Board
from taskflow.engine.worker.progress import ProgressBuffer
from taskflow.engine.worker.tally import Tally

log = get_logger(__name__)

NOTHING = Finished(set(), [])


class Announcement(NamedTuple):
    """What the world hears after a commit."""

    outcomes: Sequence[Outcome]
    finished: Finished
    progress: Sequence[ProgressLine] = ()
    bound: Bound = UNBOUND


class Publisher:
    """Writes outcomes, log lines and progress of one child."""

    def __init__(
        self,
        store: TaskStore,
        dispatch: Dispatch,
        events: EventStream,
        board: Board,
        middleware: MiddlewareStack,
        *,
        max_batch: int,
        patience: Callable[[], float],
        on_settled: Callable[[Sequence[Outcome]], None],
    ) -> None:
        """`patience`: seconds worth waiting for more outcomes; `on_settled` hears which leases a commit has freed."""
        self._store = store
        self._dispatch = dispatch
        self._events = events
        self._board = board
        self._middleware = middleware
        self._max_batch = max_batch
        self._enough = max(1, max_batch // 2)
        self._patience = patience
        self._on_settled = on_settled
        self._outcomes: deque[Outcome] = deque()
        self._logs: deque[LogLine] = deque()
        self._progress = ProgressBuffer()
        self._progress_due: asyncio.TimerHandle | None = None
        self._announcements: deque[Announcement] = deque()
        self._work = asyncio.Event()
        self._full = asyncio.Event()
        self._to_announce = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._is_flushing = False
        self._refused: set[UUID] = set()  # tasks of which PostgreSQL accepts no end at all

    def report(self, outcome: Outcome) -> None:
        """Take an outcome for the next flush."""
        self._outcomes.append(outcome)
        self._idle.clear()
        self._work.set()
        if len(self._outcomes) >= self._enough or not self._patience():
            self._full.set()

    def log(self, line: LogLine) -> None:
        """Take a log line; it is written with the next flush, at the latest within a second."""
        self._logs.append(line)
        self._idle.clear()
        self._work.set()

    def progress(self, line: ProgressLine) -> None:
        """Take how far a task is; it is written within about a second, and before the task's end."""
        self._progress.put(line)
        self._await_progress()

    async def drained(self) -> None:
        """Wait until everything reported so far is committed and announced."""
        await self._idle.wait()

    async def run(self) -> None:
        """Flush and announce until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._write())
            group.create_task(self._announce())

    async def _write(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            while self._outcomes or self._logs:
                await self._gather()
                await self._write_batch()
            if lines := self._progress.take(monotonic()):
                await self._write_progress(lines)
            self._await_progress()
            self._check_idle()

    async def _write_batch(self) -> None:
        outcomes = [self._outcomes.popleft() for _ in range(min(self._max_batch, len(self._outcomes)))]
        logs = [self._logs.popleft() for _ in range(min(1000, len(self._logs)))]
        self._is_flushing = True
        if lines := self._progress.take(monotonic(), {outcome.lease.task_id for outcome in outcomes}):
            await self._write_progress(lines)
        await self._middleware.before_complete(outcomes)
        bound = self._dispatch.bound  # before the commit: from then on nobody renews these leases
        finished = await self._flush(outcomes, logs)
        if self._refused:  # they stay ours, and their claims in the journal, until this process ends
            outcomes = [o for o in outcomes if o.lease.task_id not in self._refused]
        failpoint("ended_before_announcement")
        if outcomes:
            self._count(outcomes, finished.stale)
            self._on_settled(outcomes)
            self._announce_later(Announcement(outcomes, finished, bound=bound))
            await self._middleware.after_complete([o for o in outcomes if o.lease.task_id not in finished.stale])
        self._is_flushing = False

    async def _write_progress(self, lines: Sequence[ProgressLine]) -> None:
        """Write how far tasks are. It is news, not truth: when PostgreSQL is away, the next word will do."""
        try:
            taken = await self._store.write_progress(lines)
        except TRANSIENT as error:
            log.warning("progress_dropped", tasks=len(lines), error=repr(error))
        except asyncpg.PostgresError as error:
            log.error("progress_refused", tasks=len(lines), error=repr(error))  # noqa: TRY400 - its words say it
        else:
            self._announce_later(Announcement((), NOTHING, [line for line in lines if line.task_id in taken]))

    def _await_progress(self) -> None:
        """Come back when the next progress is due."""
        if self._progress_due is None and (seconds := self._progress.wait(monotonic())) is not None:
            self._progress_due = asyncio.get_running_loop().call_later(seconds, self._progress_is_due)

    def _progress_is_due(self) -> None:
        self._progress_due = None
        self._work.set()

    def _announce_later(self, announcement: Announcement) -> None:
        self._announcements.append(announcement)
        self._idle.clear()
        self._to_announce.set()

    async def _gather(self) -> None:
        """Let a busy child fill the batch; an idle one need not wait."""
        seconds = self._patience()
        if len(self._outcomes) >= self._enough or not seconds:
            return
        self._full.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._full.wait()

    def _check_idle(self) -> None:
        if not (self._outcomes or self._logs or self._announcements or self._is_flushing):
            self._idle.set()

    async def _flush(self, outcomes: list[Outcome], logs: list[LogLine]) -> Finished:
        pause = 0.05
        while True:
            try:
                return await self._store.finish(outcomes, logs)
            except TRANSIENT as error:
                log.warning("flush_repeated", tasks=len(outcomes), error=repr(error), pause=pause)
                await asyncio.sleep(pause)
                pause = min(2.0, pause * 2)
            except (asyncpg.PostgresError, ValueError, TypeError) as error:
                return await self._bisect(outcomes, logs, error)

    async def _bisect(self, outcomes: list[Outcome], logs: list[LogLine], error: Exception) -> Finished:
        if logs and not outcomes:
            if len(logs) == 1:
                log.error("log_line_refused", task_id=str(logs[0].task_id), error=str(error))
                return NOTHING
            half = len(logs) // 2
            await self._flush([], logs[:half])
            await self._flush([], logs[half:])
            return NOTHING
        if logs:
            await self._flush([], logs)
            return await self._flush(outcomes, [])
        if len(outcomes) > 1:
            half = len(outcomes) // 2
            first, second = await self._flush(outcomes[:half], []), await self._flush(outcomes[half:], [])
            return Finished(first.stale | second.stale, first.freed + second.freed)
        outcome = outcomes[0]
        if outcome.execution == "FAILED" and outcome.stack is None and outcome.dead:
            log.error("outcome_refused", task_id=str(outcome.lease.task_id), error=str(error))
            self._refused.add(outcome.lease.task_id)
            return NOTHING
        log.warning("result_refused", task_id=str(outcome.lease.task_id), error=str(error))
        outcome.status, outcome.execution, outcome.dead = TaskStatus.FAILED, "FAILED", True
        outcome.retries, outcome.delay, outcome.result, outcome.stack = 0, None, None, None
        outcome.error = f"PostgreSQL refused the result: {type(error).__name__}."
        return await self._flush([outcome], [])

    def _count(self, outcomes: Sequence[Outcome], stale: set[UUID]) -> None:
        tally = Tally.of(outcomes, stale)
        for (task_name, counter), by in tally.ends.items():
            self._board.count(counter, by)
            self._board.tally(task_name, counter, by)
        for task_name, seconds in tally.seconds.items():
            self._board.tally_seconds(task_name, seconds)

    async def _announce(self) -> None:
        """Tell Redis after the commit, in order; while it is away, keep what is to be told."""
        pause = 0.05
        while True:
            await self._to_announce.wait()
            self._to_announce.clear()
            while self._announcements:
                announcement = self._announcements[0]
                try:
                    await self._tell(announcement)
                except (RedisError, OSError) as error:
                    log.warning("announcement_repeated", tasks=len(announcement.outcomes), error=repr(error))
                    await asyncio.sleep(pause)
                    pause = min(2.0, pause * 2)
                    continue
                pause = 0.05
                self._announcements.popleft()
            self._check_idle()

    async def _tell(self, announcement: Announcement) -> None:
        if announcement.progress:
            await self._events.publish(_progress_event(line) for line in announcement.progress)
        if not announcement.outcomes:
            return
        ended: list[Settled] = []
        back: list[Entry] = []
        for outcome in announcement.outcomes:
            lease = outcome.lease
            task_id = str(lease.task_id)
            if lease.task_id in announcement.finished.stale:
                continue  # whoever took the lease away has settled it, and somebody else may hold another by now
            if outcome.status is TaskStatus.PENDING:
                back.append(Entry(lease.dispatch_key, lease.priority, task_id))
            else:
                ended.append(Settled(lease.dispatch_key, task_id, outcome.status.value))
        await self._dispatch.settle(ended, announcement.bound)
        await self._dispatch.release(back, announcement.bound)
        await announce(self._dispatch, announcement.finished.freed)


def _progress_event(line: ProgressLine) -> Event:
    data = {
        "task_id": str(line.task_id),
        "percent": line.percent,
        "done": line.done,
        "total": line.total,
        "message": line.message,
    }
    return Event(f"task:{line.task_id}", "task.progress", data)
