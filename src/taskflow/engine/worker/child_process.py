"""One child as its parent sees it."""

import asyncio
import contextlib
import os
import socket
import sys
import time
from uuid import UUID

import orjson

from taskflow.base.ids import uuid7
from taskflow.engine.worker.board import Board, make_board
from taskflow.engine.worker.child import ChildConfig
from taskflow.settings import Settings

_STUCK_SECONDS = 1.2  # how long a loop may stand still past a deadline; the child's own watchdog comes first


class ChildProcess:
    """A child, its board and the socket to it."""

    def __init__(self) -> None:
        """Make its identity, board and socket."""
        self.process_id: UUID = uuid7()
        self._descriptor = make_board()
        self.board = Board(self._descriptor)
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self.started_at = time.monotonic()
        self.process: asyncio.subprocess.Process | None = None

    async def start(self, worker_id: UUID, settings: Settings) -> None:
        """Start it."""
        config = ChildConfig(worker_id, self.process_id, self._descriptor, self._theirs.fileno(), settings.worker)
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "taskflow.engine.worker.child",
            config.dump(),
            pass_fds=(self._descriptor, self._theirs.fileno()),
            stdin=asyncio.subprocess.DEVNULL,
        )
        self._theirs.close()

    def tell(self, op: str, **details: str) -> None:
        """Send it an order; a child that is gone hears nothing."""
        with contextlib.suppress(OSError):
            self._ours.send(orjson.dumps({"op": op, **details}) + b"\n")

    def kill(self) -> None:
        """End it now."""
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()

    def is_stuck(self) -> bool:
        """Tell whether its loop stands still although a task of its is overdue."""
        now = time.monotonic()
        tick = self.board.last_tick
        return (
            tick > 0
            and now - tick > _STUCK_SECONDS
            and any(now - task.deadline > _STUCK_SECONDS for task in self.board.started())
        )

    def close(self) -> None:
        """Free what the parent holds of it."""
        self.board.close()
        self._ours.close()
        self._theirs.close()
        with contextlib.suppress(OSError):
            os.close(self._descriptor)
