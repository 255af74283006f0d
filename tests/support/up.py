"""A running `taskflow up` and what tests ask of it: its API, its database, its mail server, its processes."""

import json
import os
import signal
import smtplib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import orjson
import redis

from support.processes import TESTS
from support.waiting import eventually_sync
from taskflow.embedded import EmbeddedServers
from taskflow.testing.databases import Databases, run

COMMAND = [sys.executable, "-P", "-m", "taskflow.cli.main"]
PASSWORD = "correct horse battery"
ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT"}


@dataclass
class System:
    """A running `taskflow up`."""

    process: subprocess.Popen[str]
    environment: Mapping[str, str]
    rows: dict[str, str]
    """What it printed: "API", "Dashboard", "Password", …"""

    def __post_init__(self) -> None:
        self.home = Path(self.environment["TASKFLOW_HOME"])
        self.url = self.rows["Dashboard"]
        key = (self.home / "cli-key").read_text().strip()
        self.http = httpx.Client(
            base_url=f"{self.url}/api/v1", headers={"Authorization": f"Bearer {key}"}, trust_env=False, timeout=30
        )

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Return the JSON of a successful answer; the caller is the key of the command line."""
        answer = self.http.request(method, path, **options)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def get(self, path: str, **query: Any) -> Any:
        return self.call("GET", path, params=query)

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        return self.call("POST", path, json=body, **options)

    def user(self, role: str = "admin") -> str:
        """Add a user with `PASSWORD` and return the address."""
        email = f"{role}-{uuid4().hex[:8]}@example.com"
        self.post("/users", {"email": email, "password": PASSWORD, "role": role})
        return email

    def submit(self, task_name: str, **args: Any) -> str:
        """Submit one of the sample tasks and return its id."""
        return str(self.post("/tasks", {"task_name": task_name, "args": args})["task_id"])

    def ended(self, task_id: str) -> Any:
        """Wait until a task has ended, and return it."""
        return eventually_sync(
            lambda: task if (task := self.get(f"/tasks/{task_id}"))["status"] in ENDED else None,
            seconds=30,
            every=0.1,
            what=f"the end of {task_id}",
        )

    def campaign(self, csv: str, *, filename: str = "people.csv", **fields: Any) -> Any:
        """Create a campaign from a CSV file and return it."""
        form = {
            "name": "Black Friday",
            "template_subject": "{{ first_name }}, early access",
            "template_body": "<h1>Hello {{ first_name }}</h1>",
            "from_email": "news@example.com",
            "rate_limit_per_minute": "null",
            **fields,
        }
        return self.call("POST", "/campaigns", data=form, files={"recipients": (filename, csv.encode(), "text/csv")})

    def completed(self, campaign_id: str, status: str = "COMPLETED") -> Any:
        """Wait until a campaign has a status, and return it."""
        return eventually_sync(
            lambda: found if (found := self.get(f"/campaigns/{campaign_id}"))["status"] == status else None,
            seconds=60,
            every=0.1,
            what=f"{campaign_id} {status}",
        )

    def mail(self, message: str, *, to: str) -> None:
        """Hand a raw message to the sandbox inbox, as any sender could."""
        host, _, port = self.rows["Sandbox SMTP"].rpartition(":")
        with smtplib.SMTP(host, int(port), local_hostname="localhost") as client:
            client.sendmail("someone@example.com", [to], message.encode())

    def execute(self, statement: str, *arguments: Any) -> None:
        """Run SQL in its database."""

        async def work() -> None:
            connection = await asyncpg.connect(self.environment["TASKFLOW_DATABASE_URL"])
            try:
                await connection.execute(statement, *arguments)
            finally:
                await connection.close()

        run(work())

    def pids(self) -> dict[str, int]:
        """Return its processes by name."""
        found = orjson.loads((self.home / "processes.json").read_bytes())
        return {name: pid for name, pid in found.items() if isinstance(pid, int)}

    @contextmanager
    def without_api(self) -> Iterator[None]:
        """Kill the API for the length of a block; its keeper is held, else it would be back in a moment."""
        os.kill(self.process.pid, signal.SIGSTOP)
        try:
            os.killpg(self.pids()["api"], signal.SIGKILL)
            yield
        finally:
            os.kill(self.process.pid, signal.SIGCONT)
            eventually_sync(self._ready, seconds=60, every=0.1, what="the API is back")

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/ready", trust_env=False).is_success
        except httpx.HTTPError:
            return False


@contextmanager
def up(environment: Mapping[str, str]) -> Iterator[System]:
    """Run `taskflow up`, with the sample tasks, for the length of a block."""
    path = os.pathsep.join(filter(None, (str(TESTS), environment.get("PYTHONPATH"))))
    modules = [f"support.{name}_tasks" for name in ("sample", "option", "house")]
    full = {**environment, "PYTHONPATH": path, "TASKFLOW_WORKER_IMPORTS": json.dumps(modules)}
    with subprocess.Popen([*COMMAND, "up"], env=full, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        rows = {}
        for line in process.stdout:
            if line.startswith("Ctrl-C"):
                break
            name, _, value = line.strip().partition("  ")
            rows[name] = value.strip()
        else:
            raise AssertionError(f"`taskflow up` ended with {process.wait()}")
        system = System(process, full, rows)
        try:
            yield system
        finally:
            system.http.close()
            process.terminate()
            process.wait(60)


@contextmanager
def up_beside(servers: EmbeddedServers, databases: Databases, folder: Path, **settings: str) -> Iterator[System]:
    """Run `taskflow up` on the tests' servers for as long as several tests last.

    Its Redis is not the one that other tests fill and empty: two coordinators with a database each would fight over it.
    """
    redis_url = servers.redis_url.replace("db=0", "db=1")
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    with databases.copy() as database_url:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("TASKFLOW_")},
            "TASKFLOW_HOME": str(folder / "home"),
            "TASKFLOW_DATABASE_URL": database_url,
            "TASKFLOW_REDIS_URL": redis_url,
            "TASKFLOW_REDIS_KEY_PREFIX": "beside:",  # channels know no databases
            "TASKFLOW_HTTP_PORT": "0",
            "TASKFLOW_SANDBOX_PORT": "0",
            "TASKFLOW_SUBMISSION_PORT": "0",
            "TASKFLOW_LOG_LEVEL": "WARNING",
            **settings,
        }
        with up(environment) as running:
            yield running
