"""The embedded PostgreSQL: its data folder, its settings, its command."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

from taskflow.base.errors import ConfigurationError
from taskflow.embedded import binaries
from taskflow.embedded.home import Account, Home
from taskflow.embedded.server import Server, command_line, environment, identity

MB = 1024**2
USER = DATABASE = "taskflow"
_HERE = "/proc/self/cwd"


class OtherMajorError(ConfigurationError):
    """The data was made by another major version of PostgreSQL."""


class PostgreSQL(Server):
    """PostgreSQL on a Unix socket.

    Trust authentication is safe here: the only way in is a socket inside a folder that only the server's user (and
    root) may enter.
    """

    name = "postgresql"
    stop_signal = signal.SIGINT  # "fast": sessions are ended, then a checkpoint
    kill_signal = signal.SIGQUIT  # "immediate": recovery at the next start

    def __init__(self, home: Home, account: Account, runtime: Path, *, durable: bool = True) -> None:
        """Prepare a server; `durable=False` (tests only) leaves writes to the operating system's good luck."""
        super().__init__(home, account, runtime)
        self.durable = durable
        original = binaries.postgresql_prefix()
        self._major = binaries.postgresql_major(original)
        self._prefix = binaries.within_reach(original, account, runtime)

    @property
    def url(self) -> str:
        """The connection URI, in the form that both libpq and asyncpg read."""
        return f"postgresql://{USER}@/{DATABASE}?host={quote(str(self.runtime), safe='/')}"

    @property
    def folder(self) -> Path:
        """The data folder."""
        return self.home.path / "postgresql"

    def prepare(self) -> None:
        """Make the data folder at first start; later look at its version and clear a stale pid file away.

        Raises:
            OtherMajorError: the folder is another major version's.
        """
        if not (self.folder / "PG_VERSION").exists():
            self._initialise()
        found = (self.folder / "PG_VERSION").read_text().strip()
        if found != self._major:
            raise OtherMajorError(
                f"The data in {self.folder} was made by PostgreSQL {found}, this TaskFlow brings {self._major}. "
                f"Start it once more with the TaskFlow that made it and save it with `pg_dump --format=custom "
                f'--file=taskflow.dump "$URL"` (`taskflow doctor` prints the URL); move {self.folder} away, start '
                f'this version, and load it with `pg_restore --clean --if-exists --dbname="$URL" taskflow.dump`. '
                f"The programs are in {binaries.postgresql_prefix() / 'bin'}."
            )
        self._clear_stale_pid()

    def _clear_stale_pid(self) -> None:
        # After kill -9 of everything the number in the file may by now be any process of this user, and PostgreSQL
        # would take it for a living server. We hold the lock of the home: only a postgres can still be one.
        file = self.folder / "postmaster.pid"
        if file.exists():
            first = file.read_text().split("\n", 1)[0].strip()
            if not first.isdigit() or "postgres" not in command_line(int(first)):
                file.unlink(missing_ok=True)

    def _initialise(self) -> None:
        """Build the cluster beside its place and move it there, so that a kill in between leaves nothing half made."""
        draft = self.folder.with_name("postgresql.new")
        shutil.rmtree(draft, ignore_errors=True)
        if self.folder.exists() and not any(self.folder.iterdir()):
            self.folder.rmdir()
        if self.folder.exists():
            raise ConfigurationError(f"{self.folder} holds something that is no PostgreSQL data: move it away.")
        self.own(draft)
        self._run(
            draft,
            ["initdb", "-D", self._data(draft), f"--username={USER}", "--auth=trust", "--no-instructions"]
            + ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
            + ([] if self.durable else ["--no-sync"]),
        )
        # Every database is copied from template1, so all of them have the statistics.
        self._run(
            draft,
            ["postgres", "--single", "-D", self._data(draft), "template1"],
            f"CREATE EXTENSION pg_stat_statements;\nCREATE DATABASE {DATABASE};\n",
        )
        draft.rename(self.folder)

    def _run(self, folder: Path, command: list[str], given: str = "") -> None:
        done = subprocess.run(  # noqa: S603  # our own wheel's programs
            [str(self._prefix / "bin" / command[0]), *command[1:]],
            cwd=folder,
            env=environment(),
            input=given,
            capture_output=True,
            text=True,
            check=False,
            **identity(self.account),
        )
        if done.returncode != 0 or "ERROR" in done.stderr:
            raise ConfigurationError(f"{command[0]} failed in {folder}:\n{done.stderr.strip()}")

    def _data(self, folder: Path) -> str:
        """Return how the server names its data folder.

        Root's home may lie under folders the server's user cannot walk through; the working folder, set before the
        user changes, needs no walk.
        """
        if sys.platform == "linux" and not binaries.reachable(folder.parent, self.account):
            return _HERE
        return str(folder)

    def command(self) -> list[str]:
        """Return the command line; all settings are here, none in the data folder."""
        settings = [f"-c{name}={value}" for name, value in self.settings().items()]
        return [str(self._prefix / "bin" / "postgres"), "-D", self._data(self.folder), *settings]

    def settings(self) -> dict[str, str]:
        """Return the server's settings, sized by the memory of the machine or container."""
        memory = memory_bytes() // MB
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.runtime),
            "unix_socket_permissions": "0700",
            "max_connections": "300",
            "shared_preload_libraries": "pg_stat_statements",
            "shared_buffers": f"{min(1024, max(128, memory // 8))}MB",
            "effective_cache_size": f"{max(256, memory // 2)}MB",
            "work_mem": "16MB",
            "maintenance_work_mem": f"{min(512, max(64, memory // 32))}MB",
            "max_wal_size": "4GB",
            "checkpoint_timeout": "15min",
            "wal_compression": "off",  # the wheel has no lz4, and pglz costs more than it saves here
            "synchronous_commit": "on",
            "random_page_cost": "1.1",
            "jit": "off",  # compiling a plan costs more than our short statements take
            "max_parallel_workers_per_gather": "0",  # steady latency, and containers with a 64 MB /dev/shm
            "autovacuum_naptime": "15s",  # queue tables turn over quickly
            "autovacuum_vacuum_cost_limit": "2000",
            "autovacuum_vacuum_insert_scale_factor": "0.4",
            "log_min_duration_statement": "2s",
            "log_line_prefix": "%m [%p] ",
            "log_checkpoints": "off",
            "log_timezone": "UTC",
            "timezone": "UTC",
        }
        if not self.durable:
            settings |= {"fsync": "off", "full_page_writes": "off", "shared_buffers": "128MB", "max_wal_size": "1GB"}
        return settings

    def is_ready(self) -> bool:
        """Read the status line of postmaster.pid, as pg_ctl does."""
        try:
            lines = (self.folder / "postmaster.pid").read_text().split("\n")
        except OSError:
            return False
        return len(lines) > 7 and lines[0] == str(self.pid) and lines[7].strip() == "ready"


def memory_bytes() -> int:
    """Return the memory this process may use: the machine's, or less where the container says so."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return physical
    return min(physical, int(limit)) if limit.isdigit() else physical
