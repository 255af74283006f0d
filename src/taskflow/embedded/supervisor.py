"""Everything in one place: `taskflow up` and `taskflow demo`.

    async with AllInOne(settings).running() as system:
        print(system.url)                               # the API answers
        await system.watch()                            # until cancelled

In order: the home, PostgreSQL and Redis (embedded, unless their URLs are given), the schema, the processes, the first
administrator. Backwards at the end: workers and API finish what they have, the servers go last. A process that
dies is started again; so is the guardian of the servers.
"""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
from pydantic import SecretStr

from taskflow.base.errors import ConfigurationError, UnavailableError
from taskflow.base.logging import get_logger
from taskflow.db import migrate, partitions
from taskflow.db.pool import Database
from taskflow.delivery.messages.models import QUEUE as MESSAGES
from taskflow.embedded.child import Child
from taskflow.embedded.home import Home
from taskflow.embedded.servers import EmbeddedServers
from taskflow.identity.first_start import ensure_cli_key, ensure_first_admin
from taskflow.settings import Settings

log = get_logger(__name__)

_READY_SECONDS = 120.0
_LOOK_SECONDS = 0.5
_STOP_MARGIN = 5.0  # seconds for what comes after a worker's drain
_NICENESS = "10"  # of workers that serve no single messages


class PortTakenError(ConfigurationError):
    """Another program listens on the port."""


class AllInOne:
    """The whole of TaskFlow on this machine."""

    def __init__(self, settings: Settings, *, nodes: int = 1, show_logs: bool = True) -> None:
        """Prepare a system of `nodes` worker nodes; without `show_logs` output goes to files under home/logs."""
        self.settings = settings
        self.home = Home(settings.home)
        self.admin_password: str | None = None
        """The generated password of the first administrator, when this start made one."""
        self._nodes = nodes
        self._show_logs = show_logs
        self._servers: EmbeddedServers | None = None
        self._children: list[Child] = []

    @property
    def url(self) -> str:
        """Where the API and the dashboard are."""
        host = self.settings.http.host
        shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104  # asks whether it is that
        return f"http://{f'[{shown}]' if ':' in shown else shown}:{self.settings.http.port}"

    @property
    def pids(self) -> dict[str, int]:
        """The processes alive now, by name: api, coordinator, worker-1…, sandbox, submission, postgresql, redis…."""
        servers = self._servers.pids if self._servers else {}
        return {child.name: child.pid for child in self._children if child.pid} | servers

    @asynccontextmanager
    async def running(self) -> AsyncIterator["AllInOne"]:
        """Start everything, hand it out when the API answers, stop it at the end.

        Raises:
            ConfigurationError: the home, a port or a setting is not usable.
            UnavailableError: a server or a process does not come up.
        """
        self.home.create()
        self._choose_ports()
        self._choose_key()
        async with AsyncExitStack() as stack:
            await self._start_servers(stack)
            await self._prepare_database()
            stack.push_async_callback(self._stop_children)
            self._start_children()
            await self._wait_until_ready()
            await self._let_people_in()
            yield self

    def kill(self) -> None:
        """End the processes now, without waiting for their work; the servers still stop cleanly."""
        for child in self._children:
            child.kill()

    async def watch(self) -> None:
        """Look after the guardian of the servers until cancelled; the children look after themselves."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if self._servers and not self._servers.alive:
                log.warning("guardian_died", action="start again")
                await asyncio.to_thread(self._servers.revive)

    def _choose_ports(self) -> None:
        """Fix the ports: children must agree on them, so 0 becomes a number here.

        Raises:
            PortTakenError: a port that was asked for is not free.
        """
        http, sandbox, submission = self.settings.http, self.settings.sandbox, self.settings.submission
        self.settings = self.settings.model_copy(
            update={
                "home": self.home.path,
                "http": http.model_copy(update={"port": _port(http.host, http.port, "TASKFLOW_HTTP_PORT")}),
                "sandbox": sandbox.model_copy(
                    update={"port": _port(sandbox.host, sandbox.port, "TASKFLOW_SANDBOX_PORT")}
                ),
                "submission": submission.model_copy(
                    update={"port": _port(submission.host, submission.port, "TASKFLOW_SUBMISSION_PORT")}
                ),
            }
        )

    def _choose_key(self) -> None:
        if self.settings.secret_key is None:
            key = SecretStr(self.home.make_secret_key())
            self.settings = self.settings.model_copy(update={"secret_key": key})

    async def _start_servers(self, stack: AsyncExitStack) -> None:
        database, redis = self.settings.database, self.settings.redis
        if database.url is not None and redis.url is not None:
            return
        self._servers = EmbeddedServers(self.home.path, postgresql=database.url is None, redis=redis.url is None)
        servers = await stack.enter_async_context(self._servers)
        if database.url is None:
            database = database.model_copy(update={"url": SecretStr(servers.database_url)})
        if redis.url is None:
            redis = redis.model_copy(update={"url": SecretStr(servers.redis_url)})
        self.settings = self.settings.model_copy(update={"database": database, "redis": redis})

    async def _prepare_database(self) -> None:
        await migrate.upgrade(_secret(self.settings.database.url))
        async with Database.open(self.settings.database, name="taskflow up") as database:
            await partitions.ensure(database.pool)

    async def _let_people_in(self) -> None:
        """Make the first administrator, last of all: a start that failed would have lost the password."""
        async with Database.open(self.settings.database, name="taskflow up") as database:
            self.admin_password = await ensure_first_admin(database, self.settings)
            await ensure_cli_key(database, self.settings)

    def _start_children(self) -> None:
        commands = {"api": ["api", "--no-first-admin"], "coordinator": ["coordinator"]}
        if self.settings.smtp.host is None:
            commands["sandbox"] = ["sandbox"]
        commands["submission"] = ["submission"]
        commands |= self._workers()
        for name, arguments in commands.items():
            child = Child(
                name=name,
                arguments=arguments,
                environment=self._environment(),
                log=None if self._show_logs else self.home.logs / f"{name}.log",
                drain_seconds=self.settings.worker.drain_seconds + _STOP_MARGIN,
                on_start=self._record,
            )
            self._children.append(child)
            child.start()

    def _workers(self) -> dict[str, list[str]]:
        """Return the worker nodes: one serves messages alone, so that no campaign delays them; or as settings say.

        The others stand back for it, and for the API: on a few processors a campaign takes all the time there is.
        """
        numbers = range(1, self._nodes + 1)
        if self.settings.worker.queues:
            return {f"worker-{number}": ["worker"] for number in numbers}
        others = ["worker", "--queues", f"!{MESSAGES}", "--nice", _NICENESS]
        ordinary = {f"worker-{number}": others for number in numbers}
        return ordinary | {"worker-messages": ["worker", "--queues", MESSAGES, "--processes", "1"]}

    def _environment(self) -> dict[str, str]:
        """Return what the children run with: ours, and what was decided here."""
        settings = self.settings
        decided = {
            "TASKFLOW_HOME": str(settings.home),
            "TASKFLOW_DATABASE_URL": _secret(settings.database.url),
            "TASKFLOW_REDIS_URL": _secret(settings.redis.url),
            "TASKFLOW_SECRET_KEY": _secret(settings.secret_key),
            "TASKFLOW_HTTP_HOST": settings.http.host,
            "TASKFLOW_HTTP_PORT": str(settings.http.port),
            "TASKFLOW_SANDBOX_HOST": settings.sandbox.host,
            "TASKFLOW_SANDBOX_PORT": str(settings.sandbox.port),
            "TASKFLOW_SUBMISSION_HOST": settings.submission.host,
            "TASKFLOW_SUBMISSION_PORT": str(settings.submission.port),
        }
        return os.environ | decided

    def _record(self) -> None:
        """Write `home/processes.json`: the process ids by name, for people and for tests that kill."""
        pids = {child.name: child.pid for child in self._children if child.pid}
        self.home.write_private(
            self.home.path / "processes.json", json.dumps({"up": os.getpid(), "url": self.url} | pids, indent=2)
        )

    async def _wait_until_ready(self) -> None:
        async with httpx.AsyncClient(base_url=self.url, timeout=2.0, trust_env=False) as client:
            try:
                async with asyncio.timeout(_READY_SECONDS):
                    while not await _answers(client):
                        for child in self._children:
                            child.check()
                        await asyncio.sleep(0.05)
            except TimeoutError:
                raise UnavailableError(
                    f"The API did not answer at {self.url}/ready within {_READY_SECONDS:.0f} s; "
                    f"look into {self.home.logs}, or run `taskflow doctor`."
                ) from None

    async def _stop_children(self) -> None:
        """Stop the processes side by side."""
        await asyncio.gather(*(child.stop() for child in self._children))
        (self.home.path / "processes.json").unlink(missing_ok=True)


async def _answers(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/ready")).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _port(host: str, port: int, variable: str) -> int:
    """Return `port`, or a free one for 0."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortTakenError(
                f"Port {port} of {host} cannot be used ({error.strerror}). "
                f"Stop the program that listens there, or set {variable} to another port (0 takes a free one)."
            ) from error
        return int(probe.getsockname()[1])


def _secret(value: SecretStr | None) -> str:
    if value is None:
        raise RuntimeError("decided before the processes start")
    return value.get_secret_value()
