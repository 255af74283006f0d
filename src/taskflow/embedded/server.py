"""A server process as the guardian sees it: spawned, watched, stopped, and never left behind.

On Linux the kernel sends `death_signal` to the server when the guardian dies (PR_SET_PDEATHSIG, which the child sets
for itself just before it becomes the server and then looks whether its parent is still there). That holds only because
the guardian has one thread: the signal follows the thread that spawned. Elsewhere a server that outlived its guardian
is found by `servers.json` at the next start and stopped.
"""

import contextlib
import ctypes
import os
import platform
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

from taskflow.base.errors import ConfigurationError
from taskflow.embedded.home import Account, Home

LINUX = platform.system() == "Linux"  # not sys.platform: mypy would drop the other branch
_PR_SET_PDEATHSIG = 1
_LOG_LIMIT = 16 * 1024**2  # bytes of a server's log; the one before is kept beside it
_TAIL = 2000  # bytes of the log that an error message may quote


class Server(ABC):
    """One embedded server of a home."""

    name: str
    stop_signal: signal.Signals
    """Asks for a clean stop; also what the kernel sends when the guardian dies."""
    kill_signal: signal.Signals = signal.SIGKILL
    """Ends a server that did not stop in time."""
    stop_seconds: float = 30.0

    def __init__(self, home: Home, account: Account, runtime: Path) -> None:
        """Keep where the data lives (`home`), who runs (`account`) and the folder of the sockets (`runtime`)."""
        self.home = home
        self.account = account
        self.runtime = runtime
        self.process: subprocess.Popen[bytes] | None = None
        self.failures = 0
        self._spawned_at = 0.0

    @property
    @abstractmethod
    def url(self) -> str:
        """How clients reach it."""

    @property
    @abstractmethod
    def folder(self) -> Path:
        """The data folder; also the server's working folder."""

    @abstractmethod
    def prepare(self) -> None:
        """Bring the data folder into a state the server can start from; called before every start."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return the program and its arguments."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Return whether the running process answers clients."""

    @property
    def pid(self) -> int | None:
        """The process id, or None while it does not run."""
        return self.process.pid if self.process and self.process.poll() is None else None

    @property
    def _log(self) -> Path:
        return self.home.logs / f"{self.name}.log"

    def spawn(self) -> None:
        """Start the process; it is ready when `is_ready` says so."""
        self.prepare()
        if self._log.exists() and self._log.stat().st_size > _LOG_LIMIT:
            self._log.replace(self._log.with_suffix(".log.1"))
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603  # a fixed command
                self.command(),
                cwd=self.folder,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent(self.stop_signal),  # noqa: PLW1509  # one thread: safe, and needed
                **identity(self.account),
            )
        self._spawned_at = time.monotonic()

    def exited(self) -> bool:
        """Return whether the process has ended by itself, and count how soon for the back-off."""
        if self.process is None or self.process.poll() is None:
            return False
        self.failures = self.failures + 1 if time.monotonic() - self._spawned_at < 10.0 else 0
        self.ended(self.process.returncode)
        self.process = None
        return True

    def ended(self, returncode: int) -> None:  # noqa: B027  # a hook, empty on purpose
        """React to the end of the process, whoever caused it."""

    @property
    def back_off(self) -> float:
        """Seconds to wait before the next start: none after a single death, up to 5 when it keeps dying."""
        return 0.0 if self.failures == 0 else min(5.0, 0.1 * 2 ** min(self.failures - 1, 10))

    def failure(self) -> ConfigurationError:
        """Return an error that quotes the end of the server's log."""
        with self._log.open("rb") as log:
            log.seek(max(0, self._log.stat().st_size - _TAIL))
            tail = log.read().decode(errors="replace").strip()
        return ConfigurationError(f"The embedded {self.name} did not start. Its log ({self._log}) ends with:\n{tail}")

    def stop(self) -> None:
        """Ask the process to stop, insist when it does not within `stop_seconds`."""
        if self.process is None:
            return
        for number, seconds in ((self.stop_signal, self.stop_seconds), (self.kill_signal, 5.0), (signal.SIGKILL, 5.0)):
            self.process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
                break
        self.ended(self.process.wait())
        self.process = None

    def own(self, folder: Path) -> None:
        """Make a 0700 folder that belongs to the server's user."""
        folder.mkdir(exist_ok=True, mode=0o700)
        if self.account.is_other:
            os.chown(folder, self.account.uid, self.account.gid)


def identity(account: Account) -> dict[str, Any]:
    """Return the arguments of `subprocess` that make a child run as `account`."""
    if not account.is_other:
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def environment() -> dict[str, str]:
    """Return a fresh environment: nothing of the user's PG* variables or locale reaches a server."""
    return {"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath}


def _die_with_parent(number: signal.Signals) -> Callable[[], None]:
    parent = os.getpid()
    prctl = ctypes.CDLL(None).prctl if LINUX else None

    def arm() -> None:
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
            if os.getppid() != parent:  # it died before the call above
                os._exit(1)

    return arm


def stop_leftover(pid: int, runtime: str, number: signal.Signals, seconds: float = 30.0) -> None:
    """Stop a server that outlived its guardian; `runtime` in its command line proves that it is ours."""
    deadline = time.monotonic() + seconds
    while runtime in command_line(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number if time.monotonic() < deadline else signal.SIGKILL)
        time.sleep(0.02)


def command_line(pid: int) -> str:
    """Return the command line of a process, or "" when there is none."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        if LINUX:
            return ""
    shown = subprocess.run(["/bin/ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S603
    return shown.stdout.strip()
