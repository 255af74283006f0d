"""The embedded servers, as their user sees them.

with EmbeddedServers(home) as servers:          # or `async with`
    connect(servers.database_url, servers.redis_url)
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from taskflow.base.errors import ConfigurationError, UnavailableError
from taskflow.embedded.home import Home, HomeInUseError, HomeNotWritableError, Running
from taskflow.embedded.postgresql import OtherMajorError

_SOCKET_LIMIT = 103  # bytes of a socket's path: 107 on Linux, 103 on macOS
_LONGEST_NAME = "/.s.PGSQL.5432.lock"
_STOP_SECONDS = 60.0
_KINDS = {kind.__name__: kind for kind in (HomeInUseError, HomeNotWritableError, OtherMajorError)}


class EmbeddedServers:
    """PostgreSQL and Valkey of one home, running between `start` and `stop`.

    Whatever happens to this process, the servers stop: its guardian sees the pipe between them close.
    """

    def __init__(self, home: Path, *, durable: bool = True, postgresql: bool = True, redis: bool = True) -> None:
        """Name the home and the servers wanted; `durable=False` turns fsync off, for tests."""
        self._home = Home(home)
        self._options = {"durable": durable, "postgresql": postgresql, "redis": redis}
        self._guardian: subprocess.Popen[bytes] | None = None
        self._runtime: Path | None = None
        self._running: Running | None = None

    @property
    def database_url(self) -> str:
        """Where PostgreSQL is: `postgresql://taskflow@/taskflow?host=<folder of the socket>`."""
        return self._url(self._running.database_url if self._running else None)

    @property
    def redis_url(self) -> str:
        """Where Valkey is: `unix://<socket>?db=0`."""
        return self._url(self._running.redis_url if self._running else None)

    @staticmethod
    def _url(value: str | None) -> str:
        if value is None:
            raise RuntimeError("this embedded server was not started")
        return value

    @property
    def pids(self) -> dict[str, int]:
        """The processes alive now: `guardian`, `postgresql`, `redis`; a restarted server has a new number."""
        running = self._home.running()
        return {"guardian": running.guardian, **running.pids} if running else {}

    @property
    def alive(self) -> bool:
        """Whether the guardian runs; a server that died meanwhile is its business."""
        return self._guardian is not None and self._guardian.poll() is None

    def start(self) -> Self:
        """Start the servers and wait until they answer: about 1.5 s the first time, 0.2 s later.

        Raises:
            HomeInUseError, HomeNotWritableError, OtherMajorError, ConfigurationError: each says what to do.
        """
        if self._runtime is None:
            self._runtime = _private_folder()
        options = self._options | {
            "home": str(self._home.path),
            "runtime": str(self._runtime),
            "parent": os.getpid(),
        }
        self._guardian = subprocess.Popen(  # noqa: S603  # ourselves
            [sys.executable, "-P", "-m", "taskflow.embedded.guardian", json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C in the terminal is for us; the servers go last
        )
        try:
            self._running = self._answer()
        except BaseException:
            self.stop()
            raise
        return self

    def _answer(self) -> Running:
        if self._guardian is None or self._guardian.stdout is None:
            raise RuntimeError("the guardian has no pipe")
        with self._guardian.stdout as stdout:
            line = stdout.readline()
        answer = json.loads(line or b'{"error": "The guardian of the embedded servers ended without a word."}')
        if "ready" in answer:
            return Running(**answer["ready"])
        raise _KINDS.get(answer.get("kind", ""), ConfigurationError)(answer["error"])

    def stop(self) -> None:
        """Stop the servers cleanly and remove their sockets; safe to call twice."""
        if self._guardian is not None:
            if self._guardian.stdin:
                self._guardian.stdin.close()
            try:
                self._guardian.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._guardian.kill()  # its servers get their own signal from the kernel
                self._guardian.wait()
            if self._guardian.stdout:
                self._guardian.stdout.close()
            self._guardian = None
        if self._runtime is not None:
            shutil.rmtree(self._runtime, ignore_errors=True)
            self._runtime = None
        self._running = None

    def revive(self) -> bool:
        """Start a guardian again that was killed, under the same URLs; return whether that was needed.

        Raises:
            UnavailableError: it does not start.
        """
        if self._guardian is None or self.alive:
            return False
        for stream in (self._guardian.stdin, self._guardian.stdout):
            if stream:
                stream.close()
        try:
            self.start()
        except ConfigurationError as error:
            raise UnavailableError(str(error)) from error
        return True

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    async def __aenter__(self) -> Self:
        """Start, without holding the event loop."""
        starting = asyncio.ensure_future(asyncio.to_thread(self.start))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:  # the thread goes on: let it finish, then undo it
            await asyncio.gather(starting, return_exceptions=True)
            await asyncio.to_thread(self.stop)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, without holding the event loop."""
        await asyncio.to_thread(self.stop)


def _private_folder() -> Path:
    """Make a 0700 folder for the sockets whose path is short enough for them."""
    for parent in (tempfile.gettempdir(), "/tmp"):  # noqa: S108  # mkdtemp makes the folder private
        if len(os.fsencode(parent)) + len("/taskflow-12345678") + len(_LONGEST_NAME) <= _SOCKET_LIMIT:
            return Path(tempfile.mkdtemp(prefix="taskflow-", dir=parent))
    raise ConfigurationError(
        "The path of the temporary folder is too long for a Unix socket: set TMPDIR to a short one."
    )
