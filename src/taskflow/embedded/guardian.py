"""The process between us and the servers: `python -m taskflow.embedded.guardian '<json>'`.

It has one thread on purpose (see `server`) and imports little, because it lives as long as the servers do.

    parent  --stdin--->  guardian     end of file means: the parent is gone or wants an end; stop the servers
    parent  <--stdout--  guardian     one JSON line: {"ready": {...}} or {"error": "…", "kind": "HomeInUseError"}

A fork of the parent could keep its end of the pipe open, so the guardian also looks whether its parent is still the
one that started it. A server that dies is started again at once, later with a growing pause.
"""

import json
import os
import select
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

from taskflow.base.errors import TaskFlowError
from taskflow.embedded.home import Home, Running
from taskflow.embedded.postgresql import PostgreSQL
from taskflow.embedded.server import Server, stop_leftover
from taskflow.embedded.valkey import Valkey

_LOOK_SECONDS = 0.5
_START_SECONDS = 300.0  # recovery after a crash reads up to max_wal_size


class _EndError(Exception):
    """The parent is gone, or a signal asks for an end."""


class Guardian:
    """Starts, watches and stops the servers of one home."""

    def __init__(self, home: Home, runtime: Path, parent: int, servers: list[Server]) -> None:
        """Take over `servers`; `parent` is the process whose end is ours."""
        self._home = home
        self._runtime = runtime
        self._parent = parent
        self._servers = servers
        self._restart_at: dict[str, float] = {}
        self._wake_reader, wake_writer = os.pipe()
        os.set_blocking(self._wake_reader, False)
        os.set_blocking(wake_writer, False)
        signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)

    def start(self) -> Running:
        """Start every server and wait until all answer.

        Raises:
            ConfigurationError: a server ended instead; its log is quoted.
        """
        for server in self._servers:
            server.spawn()
        deadline = time.monotonic() + _START_SECONDS
        for server in self._servers:
            while not server.is_ready():
                if server.exited() or time.monotonic() > deadline:
                    raise server.failure()
                self._wait(0.01)
        return self._record()

    def watch(self) -> None:
        """Start servers that die again, until the end."""
        while True:
            for server in self._servers:
                if server.exited():
                    self._note(f"{server.name} ended, next start in {server.back_off:.1f} s")
                    self._restart_at[server.name] = time.monotonic() + server.back_off
                if server.process is None and time.monotonic() >= self._restart_at[server.name]:
                    server.spawn()
                    self._record()
            pending = [self._restart_at[server.name] for server in self._servers if server.process is None]
            pause = min(pending, default=time.monotonic() + _LOOK_SECONDS) - time.monotonic()
            self._wait(min(_LOOK_SECONDS, max(0.0, pause)))

    def stop(self) -> None:
        """Stop the servers in the order they were not started in, and forget them."""
        for server in reversed(self._servers):
            server.stop()
        self._home.forget()

    def _wait(self, seconds: float) -> None:
        """Sleep until a signal, the parent's end, or for `seconds`; raise `_EndError` when it is time to stop."""
        readable, _, _ = select.select([0, self._wake_reader], [], [], seconds)
        if 0 in readable and not os.read(0, 1):
            raise _EndError
        if self._wake_reader in readable:
            numbers = set(os.read(self._wake_reader, 512))
            if numbers & {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}:
                raise _EndError
        if os.getppid() != self._parent:
            raise _EndError

    def _record(self) -> Running:
        urls = {server.name: server.url for server in self._servers}
        running = Running(
            guardian=os.getpid(),
            runtime=str(self._runtime),
            database_url=urls.get("postgresql"),
            redis_url=urls.get("redis"),
            pids={server.name: server.pid for server in self._servers if server.pid},
        )
        self._home.record(running)
        return running

    def _note(self, sentence: str) -> None:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        with (self._home.logs / "guardian.log").open("a") as log:
            log.write(f"{stamp} {sentence}\n")


def clear_leftovers(home: Home, runtime: Path) -> None:
    """Stop servers of a guardian that was killed and remove its folder of sockets; call it with the lock held."""
    last = home.running()
    if last is None:
        return
    for name, number in (("postgresql", PostgreSQL.stop_signal), ("redis", Valkey.stop_signal)):
        if pid := last.pids.get(name):
            stop_leftover(pid, last.runtime, number)
    if Path(last.runtime) != runtime and Path(last.runtime).name.startswith("taskflow-"):
        shutil.rmtree(last.runtime, ignore_errors=True)


def run(home: Home, runtime: Path, parent: int, options: dict[str, Any]) -> None:
    """Hold the home and guard its servers until the parent is gone."""
    with home.create().lock():
        clear_leftovers(home, runtime)
        runtime.mkdir(mode=0o700, exist_ok=True)
        account = home.account()
        if account.is_other:
            os.chown(runtime, account.uid, account.gid)
        servers: list[Server] = []
        if options["postgresql"]:
            servers.append(PostgreSQL(home, account, runtime, durable=options["durable"]))
        if options["redis"]:
            servers.append(Valkey(home, account, runtime))
        guardian = Guardian(home, runtime, parent, servers)
        try:
            _tell({"ready": vars(guardian.start())})
            guardian.watch()
        except _EndError:
            pass
        finally:
            guardian.stop()
            shutil.rmtree(runtime, ignore_errors=True)  # the parent may not be there to do it


def _tell(message: dict[str, Any]) -> None:
    """Write the one line that the parent waits for, and close the pipe."""
    os.write(1, json.dumps(message).encode() + b"\n")
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def main() -> int:
    """Run as a process."""
    options = json.loads(sys.argv[1])
    try:
        run(Home(Path(options["home"])), Path(options["runtime"]), options["parent"], options)
    except TaskFlowError as error:
        _tell({"error": str(error), "kind": type(error).__name__})
        return 1
    except OSError as error:
        _tell({"error": f"{error.filename or 'the embedded servers'}: {error.strerror}", "kind": "ConfigurationError"})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
