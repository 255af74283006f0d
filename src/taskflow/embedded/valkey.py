"""The embedded Redis-protocol server: Valkey, or the Redis that is on PATH.

**Persistence: snapshots, no append-only file.** Everything in here can be rebuilt from PostgreSQL, so an append-only
file would pay on every write for what nobody needs. A clean stop writes a snapshot that is exact, and the next start
begins with warm queues. A snapshot left by a crash is up to five minutes old, a world that has since gone on; it is
thrown away, and the coordinator rebuilds: after a crash there is one path, the one that FLUSHALL takes too.
"""

import signal
import socket
from pathlib import Path

from taskflow.embedded import binaries
from taskflow.embedded.home import Account, Home
from taskflow.embedded.server import Server


class Valkey(Server):
    """Valkey on a Unix socket."""

    name = "redis"
    stop_signal = signal.SIGTERM  # saves, because there is a `save` line
    stop_seconds = 20.0

    def __init__(self, home: Home, account: Account, runtime: Path) -> None:
        """Find the program."""
        super().__init__(home, account, runtime)
        self._program = binaries.redis_server()
        self._socket = runtime / "redis.sock"

    @property
    def url(self) -> str:
        """The URL that redis-py reads."""
        return f"unix://{self._socket}?db=0"

    @property
    def folder(self) -> Path:
        """Where the snapshot is."""
        return self.home.path / "valkey"

    @property
    def _clean(self) -> Path:
        return self.folder / "stopped-cleanly"

    def prepare(self) -> None:
        """Keep the snapshot of a clean stop, drop any other."""
        self.own(self.folder)
        if not self._clean.exists():
            (self.folder / "dump.rdb").unlink(missing_ok=True)
        self._clean.unlink(missing_ok=True)
        self._socket.unlink(missing_ok=True)

    def ended(self, returncode: int) -> None:
        """Remember whether the snapshot is exact."""
        if returncode == 0:
            self._clean.touch()

    def command(self) -> list[str]:
        """Return the command line; there is no configuration file."""
        settings = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": ".",
            "maxmemory": "2gb",
            "maxmemory-policy": "noeviction",  # evicting would lose queues
            "save": "300 1",
            "appendonly": "no",
            "stop-writes-on-bgsave-error": "no",
            "daemonize": "no",
            "databases": "16",
            "loglevel": "notice",
        }
        program = binaries.within_reach_of_one(self._program, self.account, self.runtime)
        return [str(program), *(word for name, value in settings.items() for word in (f"--{name}", value))]

    def is_ready(self) -> bool:
        """Ask it."""
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(1.0)
                client.connect(str(self._socket))
                client.sendall(b"PING\r\n")
                return client.recv(7) == b"+PONG\r\n"
        except OSError:
            return False
