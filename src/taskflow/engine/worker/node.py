"""A worker node: the parent process. It claims nothing itself; it starts children and looks after them.

- A child that dies is seen at once. What it had really started counts a crash (or a TIMEOUT, when its time was up),
  the rest of its claims goes back free, and another child starts, after a pause that grows while children keep dying.
  What counted a crash runs alone from then on (`suspects.py`), and is quarantined only when it crashed alone.
- A child whose loop stands still although a task of its is overdue is killed; that ends as above.
- SIGTERM drains: children stop claiming, finish what runs, hand back what waits. A second one stops hard.
- With `max_processes` it has more children while tasks wait, and fewer again later (`autoscaling/scaler.py`).
- A node that was declared dead (stopped for longer than its lease) kills its children and starts over as a new one.
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from redis.exceptions import RedisError

from taskflow.base.ending import end_tasks
from taskflow.base.health import serve_health
from taskflow.base.logging import get_logger
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.outages import TRANSIENT
from taskflow.db.pool import Database
from taskflow.engine.autoscaling.scaler import Scaler
from taskflow.engine.metering import Family
from taskflow.engine.worker.board import Counter
from taskflow.engine.worker.crew import Crew
from taskflow.engine.worker.estate import Estate
from taskflow.engine.worker.heartbeat import DeclaredDeadError, Heartbeat
from taskflow.engine.worker.metrics import NodeFigures, NodeMetrics
from taskflow.settings import Settings

log = get_logger(__name__)

_WATCH_SECONDS = 0.25
_SCALE_SECONDS = 0.5


class Node:
    """The parent of a worker node."""

    def __init__(self, settings: Settings, database: Database, broker: RedisBroker) -> None:
        """Wire it; `run` starts it."""
        self._settings = settings
        self._database = database
        self._broker = broker
        self._heartbeat = Heartbeat(database, broker, settings.worker)
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()
        self._crew = Crew(
            settings,
            Estate(settings.worker, database, broker, self._stopping),
            worker_id=lambda: self.worker_id,
            stopping=self._stopping,
            changed=self._changed,
        )

    @property
    def worker_id(self) -> UUID:
        """The id of the node's row."""
        return self._heartbeat.worker_id

    def figures(self) -> NodeFigures:
        """Return what the metrics show."""
        return NodeFigures(
            tally=self._crew.tally(),
            running=self._load(),
            held=self._crew.read(Counter.HELD),
            capacity=self._capacity(),
            processes=len(self._crew.children),
        )

    def report(self) -> dict[str, Any]:
        """Return the state of this node for `/health`."""
        alive = sum(child.board.last_tick > 0 for child in self._crew.children.values())
        return {
            "status": "ok" if alive else "degraded",
            "worker_id": str(self.worker_id),
            "node": self._status(),
            "processes": alive,
            "running": self._load(),
        }

    def stop(self) -> None:
        """Drain; called a second time, stop hard."""
        if self._stopping.is_set():
            log.warning("stopping_hard")
            self._crew.kill()
        self._stopping.set()

    def _shut_down(self) -> None:
        """Drain without patience: what runs is stopped and handed back."""
        self._stopping.set()
        self._crew.tell("shutdown")

    async def run(self) -> None:
        """Work until `stop`."""
        await self._register()
        log.info("worker_started", worker_id=str(self.worker_id), processes=self._settings.worker.processes)
        helpers = [
            asyncio.create_task(work()) for work in (self._crew.run, self._beat, self._listen, self._watch, self._scale)
        ]
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            done, _ = await asyncio.wait({stopping, *helpers}, return_when=asyncio.FIRST_COMPLETED)
            self._stopping.set()
            await self._crew.leave(self._settings.worker.drain_seconds + 15)
            for task in done:
                task.result()  # a part that stopped by itself has failed: say why, and let whoever runs us start anew
        finally:
            await self._crew.aclose()
            await end_tasks((stopping, *helpers))
            await self._heartbeat.sign_off()
            log.info("worker_stopped", worker_id=str(self.worker_id))

    async def _register(self) -> None:
        while True:
            try:
                await self._heartbeat.register([])
                return
            except TRANSIENT as error:
                log.warning("not_registered_yet", error=repr(error))
                await asyncio.sleep(1)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            for child in list(self._crew.children.values()):
                if child.is_stuck():
                    log.warning("child_stuck", process_id=str(child.process_id))
                    child.kill()

    async def _scale(self) -> None:
        """Want as many children as there is work for, where the settings leave a choice."""
        worker = self._settings.worker
        if worker.max_processes is None:
            await self._stopping.wait()
            return
        scaler = Scaler(worker.processes, worker.max_processes, worker.capacity, shrink_seconds=worker.shrink_seconds)
        while not self._stopping.is_set():
            await asyncio.sleep(_SCALE_SECONDS)
            if self._crew.paused:
                continue
            try:
                waiting = await self._broker.dispatch.waiting(worker.queues)
            except (RedisError, OSError) as error:
                log.warning("not_scaled", error=repr(error))
                continue
            self._crew.resize(scaler.look(time.monotonic(), self._load(), waiting))

    async def _beat(self) -> None:
        while True:
            self._changed.clear()
            try:
                await self._obey(
                    await self._heartbeat.beat(
                        self._status(), self._load(), self._capacity(), list(self._crew.children)
                    )
                )
            except DeclaredDeadError:
                await self._start_over()
            except TRANSIENT as error:
                log.warning("no_heartbeat", error=repr(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.worker.heartbeat_seconds):
                    await self._changed.wait()
                await asyncio.sleep(0.1)  # several changes make one beat

    def _load(self) -> int:
        return self._crew.read(Counter.RUNNING)

    def _capacity(self) -> int:
        return self._settings.worker.capacity * self._crew.wanted

    def _status(self) -> str:
        if self._stopping.is_set():
            return "DRAINING"
        if self._crew.paused:
            return "PAUSED"
        load = self._load()
        if not load:
            return "IDLE"
        return "BUSY" if load >= self._capacity() else "ACTIVE"

    async def _obey(self, wanted: str) -> None:
        """Do what the row wants."""
        if wanted == "DRAIN":
            self._stopping.set()
        elif wanted == "STOP":
            self._shut_down()
        elif (wanted == "PAUSE") != self._crew.paused:
            self._crew.paused = wanted == "PAUSE"
            self._crew.tell("pause" if self._crew.paused else "resume")
            self._changed.set()

    async def _listen(self) -> None:
        """Hear commands at once; the row is looked at with every beat anyway."""
        while True:
            try:
                async for verb in self._broker.worker_commands.commands(self.worker_id):
                    if verb.startswith("cancel:"):
                        self._crew.tell("cancel", task_id=verb.removeprefix("cancel:"))
                    else:
                        self._changed.set()
            except (RedisError, OSError) as error:
                log.warning("commands_unheard", error=repr(error))
                await asyncio.sleep(1)

    async def _start_over(self) -> None:
        """The rescuer has declared this node dead: its leases are void, so its children go and a new node begins."""
        log.warning("declared_dead", worker_id=str(self.worker_id))
        self._heartbeat = Heartbeat(self._database, self._broker, self._settings.worker)
        await self._register()
        self._crew.kill()


async def run(settings: Settings, families: Sequence[Family] = ()) -> None:
    """Run a node until SIGTERM or SIGINT; `families` are the metrics that its tasks count into.

    Raises:
        UnavailableError: PostgreSQL does not answer at the start.
    """
    async with (
        Database.open(settings.database, name="taskflow node") as database,
        RedisBroker.open(settings.redis) as broker,
    ):
        node = Node(settings, database, broker)
        metrics = NodeMetrics(node.figures, families)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, node.stop)
        async with serve_health(settings.worker.metrics_port, node.report, collect=metrics.expose):
            await node.run()
