"""Killable slots for sync tasks: a pool of processes forked from a preloaded server.

A stop goes by steps: SIGTERM at the deadline or on a cancel, SIGKILL a second later, and a new slot for the next
task. A slot that dies by itself has crashed, and its task with it; nobody else notices.
"""

import asyncio
import contextlib
import multiprocessing
import os
import signal
from collections.abc import Sequence
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from typing import Any

import orjson

from taskflow.base.logging import get_logger
from taskflow.engine.context import Progress, Reporter
from taskflow.engine.store import Lease
from taskflow.engine.worker.slot import CANCEL, serve

log = get_logger(__name__)

_KILL_AFTER = 1.0
_START_TIMEOUT = 30.0


class SlotCrashedError(Exception):
    """The slot's process ended while it ran the task."""


class SlotUnavailableError(Exception):
    """No slot could be started: a lifespan hook failed there."""


class Slot:
    """One process and its pipe."""

    def __init__(self, modules: Sequence[str]) -> None:
        """Fork it; `ready` must be awaited before its first task."""
        context = multiprocessing.get_context("forkserver")
        self._pipe: Connection[Any, Any]
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, list(modules)), daemon=True)
        self._process.start()
        theirs.close()
        self._readable = asyncio.Event()
        self.watches = False  # the function has asked whether it is cancelled, and will look again
        asyncio.get_running_loop().add_reader(self._pipe.fileno(), self._readable.set)

    @property
    def is_alive(self) -> bool:
        """Tell whether its process still runs."""
        return self._process.is_alive()

    async def ready(self) -> None:
        """Wait until it has imported the tasks.

        Raises:
            SlotUnavailableError: it cannot serve.
        """
        async with asyncio.timeout(_START_TIMEOUT):
            reply = await self._receive()
        if "failed" in reply:
            raise SlotUnavailableError(reply["failed"])

    async def run(self, request: dict[str, Any], reporter: Reporter) -> dict[str, Any]:
        """Run one task and return its reply.

        Raises:
            SlotCrashedError: the process ended instead.
        """
        self.watches = False
        try:
            self._pipe.send_bytes(orjson.dumps(request))
        except OSError as error:
            raise SlotCrashedError(self._epitaph()) from error
        while True:
            match await self._receive():
                case {"log": [level, message, metadata]}:
                    reporter.log(level, message, metadata)
                case {"progress": [*values]}:
                    reporter.progress(Progress(*values))
                case {"heartbeat": _}:
                    reporter.heartbeat()
                case {"watches": _}:
                    self.watches = True
                case reply:
                    return reply

    def ask_to_stop(self) -> None:
        """Raise the flag that `TaskContext.cancelled` reads."""
        with contextlib.suppress(OSError):
            self._pipe.send_bytes(CANCEL)

    async def _receive(self) -> dict[str, Any]:
        while True:
            self._readable.clear()
            try:
                if self._pipe.poll():
                    message: dict[str, Any] = orjson.loads(self._pipe.recv_bytes())
                    return message
            except (EOFError, OSError) as error:
                raise SlotCrashedError(self._epitaph()) from error
            await self._readable.wait()

    def _epitaph(self) -> str:
        self._process.join(timeout=1)
        code = self._process.exitcode
        if code is None:
            return "The process of the task closed its pipe."
        if code < 0:
            return f"The process of the task was killed by {signal.Signals(-code).name}."
        return f"The process of the task exited with status {code}."

    def signal(self, number: signal.Signals) -> None:
        """Send the process a signal, if it still runs."""
        pid = self._process.pid
        if pid is not None and self._process.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def hang_up(self) -> None:
        """Close the pipe: an idle slot closes what it has opened, and ends."""
        if not self._pipe.closed:
            asyncio.get_running_loop().remove_reader(self._pipe.fileno())
            self._pipe.close()

    def close(self, *, patience: float = 0.0) -> None:
        """End the process, by force when it has not ended by itself within `patience` seconds."""
        self.hang_up()
        if patience:
            self._process.join(timeout=patience)
        self.signal(signal.SIGKILL)
        self._process.join(timeout=1)


class SlotPool:
    """Slots made as they are needed, at most one per running task, and reused."""

    def __init__(self, modules: Sequence[str], *, grace: float = 0.0) -> None:
        """`modules` define the tasks; `grace`: seconds in which one that watches its cancel flag may return."""
        self._modules = list(modules)
        self._grace = grace
        self._idle: list[Slot] = []

    @staticmethod
    def prepare(modules: Sequence[str]) -> None:
        """Start the fork server with the tasks loaded; call it before threads and the loop start."""
        multiprocessing.set_forkserver_preload(["taskflow.engine.worker.slot", *modules])
        forkserver.ensure_running()

    async def run(
        self, lease: Lease, args: Any, kwargs: Any, max_result_bytes: int, reporter: Reporter, stop: asyncio.Event
    ) -> dict[str, Any]:
        """Run a sync task in a slot of its own; `stop` being set ends it, by force if need be.

        Raises:
            SlotCrashedError: its process ended.
            SlotUnavailableError: no process could be started.
        """
        slot = await self._take()
        request = {
            "task_id": str(lease.task_id), "name": lease.task_name, "epoch": lease.lease_epoch,
            "attempt": lease.retry_count + lease.crash_count + 1, "args": args, "kwargs": kwargs,
            "version": lease.payload_version, "limit": max_result_bytes,
        }  # fmt: skip
        reporter.heartbeat()
        running = asyncio.ensure_future(slot.run(request, reporter))
        stopping = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                slot.ask_to_stop()
                if slot.watches and self._grace:
                    await asyncio.wait({running}, timeout=self._grace)
            if not running.done():
                slot.signal(signal.SIGTERM)
                await asyncio.wait({running}, timeout=_KILL_AFTER)
            if not running.done():
                slot.signal(signal.SIGKILL)
            reply = await running
        except SlotCrashedError:
            slot.close()
            if stop.is_set():
                return {"interrupted": True}
            raise
        except BaseException:
            running.cancel()
            slot.close()
            raise
        finally:
            stopping.cancel()
        if stop.is_set():
            slot.close()  # what it was stopped in the middle of may have left anything behind
        else:
            self._idle.append(slot)
        return reply

    async def _take(self) -> Slot:
        while self._idle:
            slot = self._idle.pop()
            if slot.is_alive:
                return slot
            slot.close()
        slot = Slot(self._modules)
        try:
            await slot.ready()
        except BaseException:
            slot.close()
            raise
        return slot

    def close(self) -> None:
        """End every idle slot; what was opened there is closed."""
        for slot in self._idle:
            slot.hang_up()
        while self._idle:
            self._idle.pop().close(patience=_KILL_AFTER)
