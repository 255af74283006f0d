"""The watchdog: breaks an async task that blocks the event loop past its deadline.

Nothing on a blocked loop can cancel anything. A thread therefore watches whether the loop turns; when it stands still
and a task is overdue, it signals the main thread. The handler runs between two bytecodes of whatever blocks, looks
who that is, and raises `TimeLimitReached` inside it if it is the overdue task. A task stuck in C code, or one that
catches even that, is left to the parent, which kills the child.
"""

import asyncio
import signal
import threading
import time
from types import FrameType

from taskflow.engine.worker.executor import Executor
from taskflow.engine.worker.run import TimeLimitReached

_TICK = 0.1
_STANDS_STILL = 0.4
_SIGNAL = signal.SIGUSR1


class Watchdog:
    """Watches the loop of one child."""

    def __init__(self, executor: Executor) -> None:
        """Watch the tasks of `executor`."""
        self._executor = executor
        self._turned = time.monotonic()
        self._main = threading.get_ident()
        self._stopped = threading.Event()

    def start(self) -> None:
        """Install the handler and start watching; call it from the main thread, inside the loop."""
        signal.signal(_SIGNAL, self._break_in)
        self._turn()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def stop(self) -> None:
        """Stop watching."""
        self._stopped.set()

    def _turn(self) -> None:
        self._turned = time.monotonic()
        asyncio.get_running_loop().call_later(_TICK, self._turn)

    def _watch(self) -> None:
        while not self._stopped.wait(_TICK):
            now = time.monotonic()
            if now - self._turned > _STANDS_STILL and any(
                now > run.deadline for run in list(self._executor.runs.values())
            ):
                signal.pthread_kill(self._main, _SIGNAL)

    def _break_in(self, _number: int, _frame: FrameType | None) -> None:
        try:
            task = asyncio.current_task()
        except RuntimeError:
            return
        run = self._executor.runs.get(task) if task is not None else None
        if run is not None and time.monotonic() > run.deadline and run.open:
            raise TimeLimitReached
