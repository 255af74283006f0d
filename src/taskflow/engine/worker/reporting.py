"""What a running task says of itself, on its way from the task's context to the publisher."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from typing import Any

from taskflow.base.ids import uuid7
from taskflow.engine.context import Level, Progress, TaskContext
from taskflow.engine.payload import check_json, keepable
from taskflow.engine.store import Lease, LogLine, ProgressLine
from taskflow.engine.worker.board import Board
from taskflow.engine.worker.publisher import Publisher
from taskflow.engine.worker.run import Run

_MAX_LINE = 10_000


class LeaseReporter:
    """Takes the words of one lease, under its epoch. Threads of an async task may speak too."""

    __slots__ = ("_board", "_lease", "_publisher", "_run", "_thread")

    def __init__(self, publisher: Publisher, board: Board, run: Run, lease: Lease) -> None:
        """Report for `lease`, which `run` runs; made on the child's loop."""
        self._publisher = publisher
        self._board = board
        self._run = run
        self._lease = lease
        self._thread = threading.get_ident()

    def context(self) -> TaskContext:
        """Return the context of the lease's attempt."""
        lease = self._lease
        attempt = lease.retry_count + lease.crash_count + 1
        return TaskContext(lease.task_id, lease.task_name, lease.lease_epoch, attempt, self)

    def log(self, level: Level, message: str, metadata: Mapping[str, Any] | None) -> None:
        """Take a log line."""
        text = keepable(str(message))[:_MAX_LINE]
        data = None if metadata is None else check_json(metadata, "The log line's metadata")
        lease = self._lease
        self._on_loop(self._publisher.log, LogLine(uuid7(), lease.task_id, lease.lease_epoch, level, text, data, 0.0))

    def progress(self, progress: Progress) -> None:
        """Take how far the attempt is; a sign of life, too."""
        self.heartbeat()
        self._on_loop(self._publisher.progress, ProgressLine(self._lease.task_id, self._lease.lease_epoch, *progress))

    def heartbeat(self) -> None:
        """Let the time without a sign of life start anew, for the child's watchdog and for its parent's."""
        self._run.beat()
        if self._run.heartbeat is not None:
            self._on_loop(self._extend, self._run.deadline)

    def is_cancelled(self) -> bool:
        """Tell whether the call was stopped, or this task of a batch was asked to."""
        return self._run.reason is not None or self._lease.task_id in self._run.unwanted

    def _extend(self, deadline: float) -> None:
        for entry in self._run.open.values():
            self._board.extend(entry, deadline)

    def _on_loop(self, take: Callable[[Any], None], thing: Any) -> None:
        if threading.get_ident() == self._thread:
            take(thing)
        elif self._run.task is not None:
            loop: asyncio.AbstractEventLoop = self._run.task.get_loop()
            loop.call_soon_threadsafe(take, thing)
