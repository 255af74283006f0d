"""One supervised process: started, watched, started again with a growing pause, stopped."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from taskflow.base.errors import UnavailableError
from taskflow.base.logging import get_logger

log = get_logger(__name__)

_LOG_LIMIT = 16 * 1024**2  # bytes; the log before is kept beside it
_TAIL = 2000  # bytes quoted in an error
_SHORTEST, _LONGEST = 0.2, 10.0  # seconds between two starts
_HEALTHY = 30.0  # seconds of life after which a death counts as the first again
_GIVE_UP = 5  # deaths in a row before the first readiness


class ChildKeepsEndingError(UnavailableError):
    """A process of TaskFlow ends again and again instead of starting."""


_OURSELVES = (sys.executable, "-P", "-m", "taskflow.cli.main")


@dataclass
class Child:
    """A `taskflow` command kept alive."""

    name: str
    arguments: list[str]
    environment: Mapping[str, str]
    log: Path | None
    """Where its output goes; None leaves it on ours."""
    drain_seconds: float
    """How long SIGTERM may take before SIGKILL."""
    on_start: Callable[[], None]
    program: tuple[str, ...] = _OURSELVES
    process: Process | None = None
    deaths: int = 0
    _ended: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    _keeper: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self.process.pid if self.process and self.process.returncode is None else None

    def start(self) -> None:
        """Begin to keep it alive, until `stop` or `kill`."""
        self._keeper = asyncio.create_task(self._keep(), name=self.name)

    async def _keep(self) -> None:
        while not self._ended.is_set():
            started = time.monotonic()
            try:
                self.process = await self._spawn()
            except OSError as error:  # no more processes or files, for now
                log.warning("process_not_started", name=self.name, error=str(error))
            else:
                with contextlib.suppress(OSError):  # what it writes down is for people
                    self.on_start()
                await self.process.wait()
            if self._ended.is_set():
                return
            self.deaths = 1 if time.monotonic() - started > _HEALTHY else self.deaths + 1
            await asyncio.sleep(min(_LONGEST, _SHORTEST * 2 ** (self.deaths - 1)))

    async def _spawn(self) -> Process:
        command = [sys.executable, "-P", "-m", "taskflow.embedded.leash", str(os.getpid())]
        command += [*self.program, *self.arguments]
        # A session of its own: Ctrl-C reaches the supervisor, which stops the others in the right order.
        if self.log is None:
            return await asyncio.create_subprocess_exec(
                *command, env=self.environment, stdin=DEVNULL, start_new_session=True
            )
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *command, env=self.environment, stdin=DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def check(self) -> None:
        """Complain when it cannot even start.

        Raises:
            ChildKeepsEndingError: with the end of its log.
        """
        if self.deaths < _GIVE_UP:
            return
        code = self.process.returncode if self.process else None
        sentence = f"`taskflow {' '.join(self.arguments)}` keeps ending (exit code {code})."
        if self.log is not None:
            sentence += f" Its log ({self.log}) ends with:\n{tail(self.log)}"
        raise ChildKeepsEndingError(sentence)

    async def stop(self) -> None:
        """Ask it to end, wait, insist."""
        self._ended.set()
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self.process.wait(), self.drain_seconds)
            except TimeoutError:
                self.kill()
                await self.process.wait()
        if self._keeper is not None:
            self._keeper.cancel()  # it may be in a pause between two starts
            await asyncio.gather(self._keeper, return_exceptions=True)

    def kill(self) -> None:
        """End it and everything it started, now."""
        self._ended.set()
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)


def tail(log: Path) -> str:
    """Return the end of a log."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL))
        return file.read().decode(errors="replace").strip()
