"""A worker node: the parent process. It claims nothing itself; it starts children and looks after them.

- A child that dies is seen at once. What it had really started counts a crash (or a TIMEOUT, when its time was up),
  the rest of its claims goes back free, and another child starts, after a pause that grows while children keep dying.
  What counted a crash runs alone from then on (`suspects.py`), and is quarantined only when it crashed alone.
- A child whose loop stands still although a task of its is overdue is killed; that ends as above.
- SIGTERM drains: children stop claiming, finish what runs, hand back what waits. A second one stops hard.
- A node that was declared dead (stopped for longer than its lease) kills its children and starts over as a new one.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections import Counter as Sums
from typing import Any
from uuid import UUID

import orjson
from redis.exceptions import RedisError

from taskflow.base.ending import end_tasks
from taskflow.base.health import serve_health
from taskflow.base.ids import uuid7
from taskflow.base.logging import get_logger
from taskflow.broker.redis.broker import RedisBroker
from taskflow.broker.redis.dispatch import Entry, Settled
from taskflow.db.pool import Database
from taskflow.engine import outcomes
from taskflow.engine.dependencies.release import Freed, announce
from taskflow.engine.states import TaskStatus
from taskflow.engine.store import Lease, Outcome, TaskStore
from taskflow.engine.worker.board import GAUGES, Board, Counter, make_board
from taskflow.engine.worker.child import EXIT_REPLACE, ChildConfig
from taskflow.engine.worker.heartbeat import DeclaredDeadError, Heartbeat, sql
from taskflow.engine.worker.metrics import NodeMetrics
from taskflow.engine.worker.publisher import CONNECTION_LOST
from taskflow.settings import Settings

log = get_logger(__name__)

_WATCH_SECONDS = 0.25
_STUCK_SECONDS = 1.2  # how long a loop may stand still past a deadline; the child's own watchdog comes first
_HEALTHY_SECONDS = 10.0
_LONGEST_PAUSE = 15.0


class ChildProcess:
    """One child as its parent sees it."""

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


class Node:
    """The parent of a worker node."""

    def __init__(self, settings: Settings, database: Database, broker: RedisBroker) -> None:
        """Wire it; `run` starts it."""
        self._settings = settings
        self._database = database
        self._broker = broker
        self._store = TaskStore(database)
        self._heartbeat = Heartbeat(database, broker, settings.worker)
        self._children: dict[UUID, ChildProcess] = {}
        self._former: Sums[Counter] = Sums()  # what children counted that are gone
        self._stopping = asyncio.Event()
        self._paused = False
        self._changed = asyncio.Event()

    @property
    def worker_id(self) -> UUID:
        """The id of the node's row."""
        return self._heartbeat.worker_id

    def counters(self) -> dict[str, int]:
        """Return the sums of the children's counters, also of those that are gone."""
        return {
            counter.name.lower(): self._former[counter]
            + sum(child.board.read(counter) for child in self._children.values())
            for counter in Counter
        }

    def report(self) -> dict[str, Any]:
        """Return the state of this node for `/health`."""
        alive = sum(child.board.last_tick > 0 for child in self._children.values())
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
            for child in self._children.values():
                child.kill()
        self._stopping.set()

    def _shut_down(self) -> None:
        """Drain without patience: what runs is stopped and handed back."""
        self._stopping.set()
        for child in self._children.values():
            child.tell("shutdown")

    async def run(self) -> None:
        """Work until `stop`."""
        await self._register()
        log.info("worker_started", worker_id=str(self.worker_id), processes=self._settings.worker.processes)
        keepers = [
            asyncio.create_task(self._keep_child(), name=f"child {n}") for n in range(self._settings.worker.processes)
        ]
        helpers = [asyncio.create_task(work()) for work in (self._beat, self._listen, self._watch)]
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            done, _ = await asyncio.wait({stopping, *keepers, *helpers}, return_when=asyncio.FIRST_COMPLETED)
            self._stopping.set()
            for child in self._children.values():
                child.tell("drain")
            await asyncio.wait(keepers, timeout=self._settings.worker.drain_seconds + 15)
            for task in done:
                task.result()  # a part that stopped by itself has failed: say why, and let whoever runs us start anew
        finally:
            for child in self._children.values():
                child.kill()
            if keepers:
                await asyncio.wait(keepers, timeout=5)
            await end_tasks((stopping, *keepers, *helpers))
            await self._heartbeat.sign_off()
            log.info("worker_stopped", worker_id=str(self.worker_id))

    async def _register(self) -> None:
        while True:
            try:
                await self._heartbeat.register([])
                return
            except CONNECTION_LOST as error:
                log.warning("not_registered_yet", error=repr(error))
                await asyncio.sleep(1)

    async def _keep_child(self) -> None:
        """Keep one child running: start it, wait for its end, settle what it left, start another."""
        pause = 0.0
        while not self._stopping.is_set():
            child = ChildProcess()
            worker_id = self.worker_id
            self._children[child.process_id] = child
            self._changed.set()
            try:
                await child.start(worker_id, self._settings)
                if self._paused:
                    child.tell("pause")
                assert child.process is not None  # noqa: S101 - just started
                code = await child.process.wait()
                if code not in (0, EXIT_REPLACE):
                    log.warning("child_died", process_id=str(child.process_id), status=code)
                await self._settle_estate(worker_id, child, code)
            finally:
                child.kill()
                del self._children[child.process_id]
                self._former.update({c: child.board.read(c) for c in Counter if c not in GAUGES})
                self._changed.set()
                child.close()
            healthy = code == EXIT_REPLACE or time.monotonic() - child.started_at > _HEALTHY_SECONDS
            pause = 0.0 if healthy else min(_LONGEST_PAUSE, max(0.2, pause * 2))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()

    async def _settle_estate(self, worker_id: UUID, child: ChildProcess, code: int) -> None:
        """Give back what a dead child held: started tasks crashed or ran out of time, the others were untouched."""
        started = {task.task_id: task for task in child.board.started()}
        now = time.monotonic()
        while True:
            try:
                rows = await self._database.hot.fetch(sql.leases_of_process, worker_id, child.process_id)
                ends: list[Outcome] = []
                for lease in (Lease(*row) for row in rows):
                    task = started.get(lease.task_id)
                    if task is None or task.lease_epoch != lease.lease_epoch:
                        ends.append(outcomes.released(lease))
                    elif now > task.deadline:
                        error = f"It took longer than its time limit of {lease.timeout_seconds} s."
                        ends.append(outcomes.failed(lease, float(lease.timeout_seconds), error, timed_out=True))
                    elif any(now > other.deadline for other in started.values()):
                        ends.append(outcomes.released(lease))  # it was killed for what its neighbour did
                    else:
                        error = f"The worker process ended with status {code} while it ran the task."
                        limit, alone = self._settings.worker.crash_limit, len(started) == 1
                        ends.append(outcomes.crashed(lease, None, error, limit, alone=alone))
                finished = await self._store.finish(ends)
                await self._database.hot.execute(sql.forget_process, worker_id, child.process_id)
                break
            except CONNECTION_LOST as error:
                if self._stopping.is_set():
                    return  # the rescuer does it
                log.warning("estate_not_settled_yet", error=repr(error))
                await asyncio.sleep(0.5)
        await self._announce([end for end in ends if end.lease.task_id not in finished.stale], finished.freed)
        if ends:
            log.info("estate_settled", tasks=len(ends), started=len(started))

    async def _announce(self, ends: list[Outcome], freed: list[Freed]) -> None:
        back = [
            Entry(end.lease.dispatch_key, end.lease.priority, str(end.lease.task_id))
            for end in ends
            if end.status is TaskStatus.PENDING
        ]
        gone = [
            Settled(end.lease.dispatch_key, str(end.lease.task_id), end.status.value)
            for end in ends
            if end.status is not TaskStatus.PENDING
        ]
        try:
            await self._broker.dispatch.settle(gone)
            await self._broker.dispatch.release(back)
            await announce(self._broker.dispatch, freed)
        except (RedisError, OSError) as error:
            log.warning("estate_not_announced", error=repr(error))  # the relay finds it

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            for child in list(self._children.values()):
                if child.is_stuck():
                    log.warning("child_stuck", process_id=str(child.process_id))
                    child.kill()

    async def _beat(self) -> None:
        while True:
            self._changed.clear()
            try:
                await self._obey(await self._heartbeat.beat(self._status(), self._load(), list(self._children)))
            except DeclaredDeadError:
                await self._start_over()
            except CONNECTION_LOST as error:
                log.warning("no_heartbeat", error=repr(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.worker.heartbeat_seconds):
                    await self._changed.wait()
                await asyncio.sleep(0.1)  # several changes make one beat

    def _load(self) -> int:
        return sum(child.board.read(Counter.RUNNING) for child in self._children.values())

    def _status(self) -> str:
        if self._stopping.is_set():
            return "DRAINING"
        if self._paused:
            return "PAUSED"
        load = self._load()
        if not load:
            return "IDLE"
        return "BUSY" if load >= self._settings.worker.capacity * self._settings.worker.processes else "ACTIVE"

    async def _obey(self, wanted: str) -> None:
        """Do what the row wants."""
        if wanted == "DRAIN":
            self._stopping.set()
        elif wanted == "STOP":
            self._shut_down()
        elif (wanted == "PAUSE") != self._paused:
            self._paused = wanted == "PAUSE"
            for child in self._children.values():
                child.tell("pause" if self._paused else "resume")
            self._changed.set()

    async def _listen(self) -> None:
        """Hear commands at once; the row is looked at with every beat anyway."""
        while True:
            try:
                async for verb in self._broker.worker_commands.commands(self.worker_id):
                    if verb.startswith("cancel:"):
                        for child in self._children.values():
                            child.tell("cancel", task_id=verb.removeprefix("cancel:"))
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
        for child in self._children.values():
            child.kill()


async def run(settings: Settings) -> None:
    """Run a node until SIGTERM or SIGINT.

    Raises:
        UnavailableError: PostgreSQL does not answer at the start.
    """
    async with (
        Database.open(settings.database, name="taskflow node") as database,
        RedisBroker.open(settings.redis) as broker,
    ):
        node = Node(settings, database, broker)
        metrics = NodeMetrics(node.counters)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, node.stop)
        async with serve_health(settings.worker.metrics_port, node.report, collect=metrics.expose):
            await node.run()
