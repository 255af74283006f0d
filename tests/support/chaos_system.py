"""A whole TaskFlow in processes of its own, to be shot at: two coordinators, two worker nodes, the API, PostgreSQL,
Redis, and a mail server outside the product.

A thread starts what dies again after a moment, as systemd, Kubernetes or `taskflow up` would, and notes every end.
PostgreSQL and Redis are the guardian's. Each process signs in to PostgreSQL under a role of its own, so that the
database can say who wrote.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import redis

from support.chaos_ledger import Reading
from support.chaos_tasks import BODIES
from support.waiting import eventually_sync
from taskflow.db import migrate, partitions
from taskflow.db.pool import Database
from taskflow.embedded import EmbeddedServers
from taskflow.identity.first_start import ensure_cli_key, ensure_first_admin
from taskflow.settings import Settings
from taskflow.testing.databases import run

TESTS = Path(__file__).parents[1]
WITNESS = Path(__file__).with_name("chaos_witness.sql")
SECRET_KEY = "chaos-secret-key-of-32-characters-or-more"
FAILPOINT = "after_reply_before_commit"
DEAD_AFTER = 4.0
COORDINATORS = ("coordinator_a", "coordinator_b")
NODES = ("worker_a", "worker_b")
CAPACITY = 20
CONNECTIONS = 4
WINDOW = 10  # messages that a connection may have SENDING

SHORT = {
    "TASKFLOW_COORDINATOR_DEAD_AFTER_SECONDS": str(DEAD_AFTER),
    "TASKFLOW_COORDINATOR_RESCUER_SECONDS": "0.5",
    "TASKFLOW_WORKER_HEARTBEAT_SECONDS": "1",
    "TASKFLOW_WORKER_LEASE_SECONDS": str(DEAD_AFTER),
    "TASKFLOW_WORKER_PROCESSES": "1",
    "TASKFLOW_WORKER_CAPACITY": str(CAPACITY),
    "TASKFLOW_WORKER_QUEUES": '["chaos", "email"]',
    "TASKFLOW_WORKER_IMPORTS": '["support.chaos_tasks"]',
    "TASKFLOW_CAMPAIGN_SLICE": "200",
    "TASKFLOW_HTTP_RATE_LIMIT_IP_PER_MINUTE": "1000000",
    "TASKFLOW_HTTP_PUBLIC_URL": "https://mail.example.com",
    "TASKFLOW_SMTP_HOST": "127.0.0.1",
    "TASKFLOW_SMTP_SECURITY": "none",
    "TASKFLOW_SMTP_CONNECTIONS": str(CONNECTIONS),
    "TASKFLOW_LOG_LEVEL": "INFO",
    "TASKFLOW_LOG_FORMAT": "json",
}

_WEATHER = ('"level": "info"', "pool connection floor", "database_waits", "_repeated", "no_heartbeat", "care_skipped")


@dataclass
class Member:
    """A process that is wanted."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    ended_at: float = 0.0
    wanted: bool = True
    ends: list[tuple[float, int]] = field(default_factory=list)

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.process is not None
        return self.process.pid


class System:
    """Everything, started by `start` and gone after `stop`."""

    def __init__(self, folder: Path) -> None:
        """Live under `folder`."""
        self.folder = folder
        self.home = folder / "home"
        self.servers = EmbeddedServers(self.home)
        self.members: dict[str, Member] = {}
        self._ports: dict[str, int] = {}
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._keeper: threading.Thread | None = None
        self.key = ""

    # -- life

    def start(self) -> "System":
        """Bring everything up and wait until it works."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "once").mkdir()
        self.disarm()
        self.servers.start()
        try:
            run(self._prepare())
            self._add("sink", sys.executable, "-m", "support.chaos_sink", str(self.port("sink")), str(self.sink_path))
            for name in COORDINATORS:
                self.add(name, "coordinator")
            for name in NODES:
                self.add(name, "worker")
            self.add("api", "api")
            self._keeper = threading.Thread(target=self._keep, name="chaos-supervisor", daemon=True)
            self._keeper.start()
            eventually_sync(self._is_up, seconds=60, every=0.1, what="the system is up")
        except BaseException:
            self.stop()
            raise
        return self

    async def _prepare(self) -> None:
        await migrate.upgrade(self.servers.database_url)
        settings = self.settings()
        async with Database.open(settings.database, name="chaos") as database:
            await partitions.ensure(database.pool)
            await database.pool.execute(WITNESS.read_text())
            for role in (*COORDINATORS, *NODES, "api", "worker_c", "worker_d"):
                await database.pool.execute(f"CREATE ROLE {role} LOGIN SUPERUSER")
            await ensure_first_admin(database, settings)
            self.key = (await ensure_cli_key(database, settings)).read_text().strip()
            await database.pool.execute("UPDATE api_keys SET rate_limit_per_minute = 1000000")

    def _is_up(self) -> bool:
        with suppress(OSError, ValueError):
            is_ready = self.fetch(self.url("/ready"))["status"] == "ready"
            return is_ready and self.leader() is not None and self._nodes_beat()
        return False

    def _nodes_beat(self) -> bool:
        return all(self.fetch(self.monitor(name, "health"))["status"] == "ok" for name in NODES)

    def stop(self) -> None:
        """End everything, hard where needed; leave the logs."""
        self._closing.set()
        if self._keeper is not None:
            self._keeper.join()
        for member in self.members.values():
            self._signal_group(member, signal.SIGCONT)
            self._signal_group(member, signal.SIGTERM)
        deadline = time.monotonic() + 8
        for member in self.members.values():
            if member.process is not None:
                with suppress(subprocess.TimeoutExpired):
                    member.process.wait(max(0.0, deadline - time.monotonic()))
                self._signal_group(member, signal.SIGKILL)
                member.process.wait()
        self.servers.stop()

    # -- processes

    def settings(self) -> Settings:
        """Return settings for code in this process."""
        return Settings.model_validate(
            {
                "home": self.home,
                "secret_key": SECRET_KEY,
                "database": {"url": self.servers.database_url, "pool_size": 4, "hot_pool_size": 2},
                "redis": {"url": self.servers.redis_url},
            }
        )

    def environment(self, role: str) -> dict[str, str]:
        """Return the environment of a process that signs in to PostgreSQL as `role`."""
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("TASKFLOW_")},
            **SHORT,
            "PYTHONPATH": str(TESTS),
            "TASKFLOW_HOME": str(self.home),
            "TASKFLOW_SECRET_KEY": SECRET_KEY,
            "TASKFLOW_DATABASE_URL": self.servers.database_url.replace("//taskflow@", f"//{role}@"),
            "TASKFLOW_REDIS_URL": self.servers.redis_url,
            "TASKFLOW_HTTP_PORT": str(self.port("api")),
            "TASKFLOW_SMTP_PORT": str(self.port("sink")),
            "TASKFLOW_COORDINATOR_METRICS_PORT": str(self.port(role)),
            "TASKFLOW_WORKER_METRICS_PORT": str(self.port(role)),
            "TASKFLOW_FAILPOINTS": f"{FAILPOINT}=kill%0.05",
            "TASKFLOW_FAILPOINTS_ONCE": str(self.folder / "once"),
            BODIES: str(self.bodies_path),
        }

    def add(self, name: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Member:
        """Start `taskflow <arguments>` under the role `name` and keep it running."""
        return self._add(
            name, sys.executable, "-m", "taskflow.cli.main", *arguments, environment=dict(environment or {})
        )

    def _add(self, name: str, *command: str, environment: Mapping[str, str] | None = None) -> Member:
        member = Member(name, command, {**self.environment(name), **(environment or {})})
        with self._lock:
            self.members[name] = member
            self._spawn(member)
        return member

    def remove(self, name: str) -> None:
        """End a process for good."""
        with self._lock:
            member = self.members.pop(name)
            member.wanted = False
        self._signal_group(member, signal.SIGCONT)
        self._signal_group(member, signal.SIGTERM)
        assert member.process is not None
        with suppress(subprocess.TimeoutExpired):
            member.process.wait(5)
        self._signal_group(member, signal.SIGKILL)
        member.process.wait()

    def _spawn(self, member: Member) -> None:
        with (self.folder / f"{member.name}.log").open("ab") as log:
            member.process = subprocess.Popen(
                member.command,
                env=member.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _keep(self) -> None:
        while not self._closing.wait(0.05):
            with self._lock:
                for member in self.members.values():
                    process = member.process
                    if process is not None and (code := process.poll()) is not None:
                        member.ends.append((time.time(), code))
                        member.process, member.ended_at = None, time.monotonic()
                    elif process is None and time.monotonic() - member.ended_at > 0.3:
                        self._spawn(member)

    @staticmethod
    def _signal_group(member: Member, number: signal.Signals) -> None:
        if member.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(member.process.pid, number)

    def send(self, name: str, number: signal.Signals, *, group: bool = False) -> int:
        """Send a signal to a member (or all of its group); return its process id."""
        with self._lock:
            pid = self.members[name].pid
        (os.killpg if group else os.kill)(pid, number)
        return pid

    @staticmethod
    def send_to(pid: int, number: signal.Signals) -> None:
        """Send a signal to one process."""
        os.kill(pid, number)

    def children(self, name: str) -> list[int]:
        """Return the worker children of a node."""
        pid = self.members[name].pid
        with suppress(OSError):
            found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            return [int(child) for child in found if b"worker.child" in Path(f"/proc/{child}/cmdline").read_bytes()]
        return []

    def ends(self, since: float) -> dict[str, int]:
        """Return how often each member has ended since an instant."""
        with self._lock:
            counts = {name: sum(at >= since for at, _ in m.ends) for name, m in self.members.items()}
        return {name: count for name, count in counts.items() if count}

    # -- looking

    def port(self, name: str) -> int:
        """Return the port of a member: free when first asked for, the same ever after."""
        if name not in self._ports:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self._ports[name] = probe.getsockname()[1]
        return self._ports[name]

    def url(self, path: str) -> str:
        """Return a URL of the API."""
        return f"http://127.0.0.1:{self.port('api')}{path}"

    def monitor(self, name: str, path: str) -> str:
        """Return a URL of a member's own port."""
        return f"http://127.0.0.1:{self.port(name)}/{path}"

    @staticmethod
    def fetch(url: str) -> Any:
        """GET JSON; a 503 has a body too."""
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own port
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return json.loads(error.read())

    def leader(self, *, among: tuple[str, ...] = COORDINATORS) -> str | None:
        """Return the coordinator that says it leads."""
        for name in among:
            with suppress(OSError, ValueError):
                if self.fetch(self.monitor(name, "health"))["leader"]:
                    return name
        return None

    def attempts(self, name: str) -> dict[str, int]:
        """Return a node's counts of ended attempts by outcome, from its /metrics."""
        with urllib.request.urlopen(self.monitor(name, "metrics"), timeout=2) as answer:  # noqa: S310
            text = answer.read().decode()
        head = 'taskflow_worker_attempts_total{outcome="'
        lines = [line.removeprefix(head) for line in text.splitlines() if line.startswith(head)]
        return {name: int(float(value)) for name, value in (line.split('"} ') for line in lines)}

    @property
    def bodies_path(self) -> Path:
        """The ledger of task bodies."""
        return self.folder / "bodies.jsonl"

    @property
    def sink_path(self) -> Path:
        """The ledger of the mail server."""
        return self.folder / "sink.jsonl"

    def bodies(self) -> Reading:
        """Read the bodies' ledger from here on."""
        return Reading(self.bodies_path)

    def sink(self) -> Reading:
        """Read the mail server's ledger from here on."""
        return Reading(self.sink_path)

    async def connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        """Connect to PostgreSQL, however long it recovers."""
        deadline = time.monotonic() + 30
        while True:
            try:
                connection = await asyncpg.connect(self.servers.database_url)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.1)
                continue
            await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
            return connection

    def redis(self) -> "redis.Redis[bytes]":
        """Return a client of Redis."""
        return redis.Redis.from_url(self.servers.redis_url)

    # -- the failpoint between SMTP's 250 and the commit

    @property
    def _fired(self) -> Path:
        return self.folder / "once" / FAILPOINT

    def disarm(self) -> None:
        """Let the failpoint believe that it has fired."""
        self._fired.touch()

    def arm(self) -> None:
        """Let it fire once, in whichever process comes by."""
        self._fired.unlink(missing_ok=True)

    @property
    def has_fired(self) -> bool:
        """Whether it has."""
        return self._fired.exists()

    def warnings(self, lines: int = 60) -> str:
        """Return what the logs warn of, for a failure's message."""
        parts = []
        for path in sorted(self.folder.glob("*.log")):
            text = path.read_text(errors="replace").splitlines()
            loud = [line[:600] for line in text if not any(word in line for word in _WEATHER)]
            parts += [f"── {path.name}", *loud[-lines:]]
        return "\n".join(parts)
