"""A child process of a worker node: claims, runs, publishes. Started by `node.py` as `python -m …child <config>`.

Its parent hears of it through the board (shared memory) and tells it what to do over a socket: one JSON object a
line, `{"op": "pause" | "resume" | "drain" | "shutdown"}` or `{"op": "cancel", "task_id": …}`.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import orjson
import uvloop
from redis.exceptions import RedisError

from taskflow.base.ending import end_tasks
from taskflow.base.errors import UnavailableError
from taskflow.base.logging import configure_logging, get_logger
from taskflow.base.process import calm_collector, die_with_parent
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.outages import TRANSIENT
from taskflow.db.pool import Database
from taskflow.engine.client import Engine
from taskflow.engine.context import WorkerContext, worker
from taskflow.engine.default import default_engine
from taskflow.engine.definition import registry
from taskflow.engine.lifespan import open_child
from taskflow.engine.limits.overrides import Overrides
from taskflow.engine.limits.publishing import publish_limits
from taskflow.engine.limits.routing import reroute
from taskflow.engine.metering import Meter
from taskflow.engine.middleware.stack import stack as middleware
from taskflow.engine.modules import TaskModuleError, import_tasks
from taskflow.engine.queues.meeting import QueueMeeter
from taskflow.engine.store import Lease, Outcome, TaskStore
from taskflow.engine.tracing import Traces, enable
from taskflow.engine.worker.board import Board, Counter
from taskflow.engine.worker.executor import Executor
from taskflow.engine.worker.poller import Poller, Stock
from taskflow.engine.worker.publisher import Publisher
from taskflow.engine.worker.slots import SlotPool
from taskflow.engine.worker.watchdog import Watchdog
from taskflow.settings import Settings, WorkerSettings

log = get_logger(__name__)

EXIT_REPLACE = 75  # "start another one in my place"
_TICK = 0.1
_CARE = 1.0
_LONG = 1.0
_END_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class ChildConfig:
    """What the parent tells a child at its start."""

    worker_id: UUID
    process_id: UUID
    board: int
    control: int
    worker: WorkerSettings

    def dump(self) -> str:
        """Write it as the child's one argument."""
        return orjson.dumps(
            {
                "worker_id": self.worker_id,
                "process_id": self.process_id,
                "board": self.board,
                "control": self.control,
                "worker": self.worker.model_dump(mode="json"),
            }
        ).decode()

    @classmethod
    def parse(cls, raw: str) -> "ChildConfig":
        """Read it back."""
        data = orjson.loads(raw)
        return cls(
            UUID(data["worker_id"]),
            UUID(data["process_id"]),
            data["board"],
            data["control"],
            WorkerSettings.model_validate(data["worker"]),
        )


class Child:
    """The parts of a child, wired."""

    def __init__(self, config: ChildConfig, context: WorkerContext, board: Board) -> None:
        """Build them; nothing runs yet."""
        settings = config.worker
        self._settings = settings
        self._context = context
        self._board = board
        self._store = TaskStore(context.database)
        self._stock = Stock(settings)
        self._slots = SlotPool(settings.imports, grace=settings.cancel_grace_seconds)
        self._publisher = Publisher(
            self._store,
            context.broker.dispatch,
            context.broker.events,
            board,
            middleware,
            max_batch=settings.max_batch,
            patience=lambda: self._executor.patience(),  # noqa: PLW0108 - it is made below
            on_settled=self._settled,
        )
        self._poller = Poller(
            self._store,
            context.broker,
            settings,
            self._stock,
            middleware,
            worker_id=config.worker_id,
            process_id=config.process_id,
            feed=self._feed,
            reroute=lambda lease, suggested: reroute(lease, suggested, self._overrides.subjects),
        )
        self._executor = Executor(
            settings,
            self._stock,
            board,
            self._publisher,
            self._slots,
            middleware,
            begin_alone=self._store.begin_alone,
            on_room=self._poller.wake,
            on_tainted=self._replace,
            traces=Traces.open(context.database),
        )
        self._overrides = Overrides()
        self._queues = QueueMeeter(context.database)
        self._queues.see([name for name in settings.queues if not name.startswith("!")])
        self._draining = asyncio.Event()
        self._hurry = asyncio.Event()
        self._exit_code = 0

    def _feed(self, leases: Sequence[Lease]) -> None:
        self._queues.see({lease.dispatch_key for lease in leases})
        self._executor.feed(leases)

    def _settled(self, outcomes: Sequence[Outcome]) -> None:
        self._poller.settled(outcomes)

    def _replace(self) -> None:
        self._exit_code = EXIT_REPLACE
        self._draining.set()

    @property
    def is_tainted(self) -> bool:
        """Tell whether a task was left behind in this process."""
        return self._exit_code == EXIT_REPLACE

    async def run(self, control: socket.socket) -> int:
        """Work until told to drain; return the exit status."""
        await self._overrides.refresh(self._context.database.pool)
        watchdog = Watchdog(self._executor)
        watchdog.start()
        publishing = asyncio.create_task(self._publisher.run())
        working = [
            asyncio.create_task(self._poller.run()),
            asyncio.create_task(self._obey(control)),
            asyncio.create_task(self._tick()),
            asyncio.create_task(self._care()),
        ]
        draining = asyncio.create_task(self._draining.wait())
        try:
            done, _ = await asyncio.wait({draining, publishing, *working}, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {draining}:
                task.result()  # a part that stopped by itself has failed: say why, and let the parent start anew
            await self._drain()
        finally:
            watchdog.stop()
            await end_tasks((draining, publishing, *working), seconds=_END_SECONDS)
            self._slots.close()
            with contextlib.suppress(RedisError, OSError):
                await self._context.broker.dispatch.forget_consumer(
                    str(self._context.process_id), self._settings.queues
                )
        return self._exit_code

    async def _drain(self) -> None:
        """Let what runs finish, hand the rest back, write it all down."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_SECONDS):
                await self._poller.stop()
        self._executor.release_waiting()
        give_up = time.monotonic() + self._settings.drain_seconds
        hurry = asyncio.create_task(self._hurry.wait())
        while self._executor.runs and time.monotonic() < give_up and not self._hurry.is_set():
            await asyncio.wait(
                {hurry, *self._executor.runs}, timeout=give_up - time.monotonic(), return_when=asyncio.FIRST_COMPLETED
            )
        hurry.cancel()
        self._executor.stop_all("drain")
        give_up = time.monotonic() + 3
        while self._executor.runs and time.monotonic() < give_up:
            await asyncio.wait(self._executor.runs, timeout=0.1)
        async with asyncio.timeout(10):
            await self._publisher.drained()

    async def _obey(self, control: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=control)
        try:
            while line := await reader.readline():
                order = orjson.loads(line)
                match order["op"]:
                    case "pause":
                        self._poller.pause()
                        self._executor.release_waiting()
                    case "resume":
                        self._poller.resume()
                    case "drain":
                        self._draining.set()
                    case "shutdown":
                        self._hurry.set()
                        self._draining.set()
                    case "cancel":
                        self._executor.stop_task(UUID(order["task_id"]), "cancel")
            self._draining.set()  # the parent has closed its end
            await asyncio.Event().wait()
        finally:
            writer.close()

    async def _tick(self) -> None:
        while True:
            self._board.tick()
            self._board.set(Counter.RUNNING, self._stock.running)
            self._board.set(Counter.HELD, self._stock.held)
            self._executor.stop_overdue()
            self._executor.tend_suspects()
            self._executor.return_stale()
            await asyncio.sleep(_TICK)

    async def _care(self) -> None:
        """Once a second: new queues, cancels that no command has brought, notes on what runs for a while."""
        while True:
            await asyncio.sleep(_CARE)
            try:
                await self._queues.run_once()
                await self._overrides.refresh(self._context.database.pool)
            except TRANSIENT as error:
                log.warning("queues_not_cared_for", error=repr(error))
            now = time.monotonic()
            leases = [
                (lease, now - run.started) for run in self._executor.long_running(_LONG) for lease in run.leases[:1]
            ]
            if not leases:
                continue
            try:
                for task_id in await self._store.cancel_requested([lease.task_id for lease, _ in leases]):
                    self._executor.stop_task(task_id, "cancel")
                notes: dict[UUID, dict[str, str | int]] = {
                    lease.task_id: {
                        "status": "RUNNING",
                        "worker_id": str(self._context.worker_id),
                        "task_name": lease.task_name,
                        "retry_count": lease.retry_count,
                        "started_at": datetime.fromtimestamp(time.time() - age, UTC).isoformat(),
                    }
                    for lease, age in leases
                }
                await self._context.broker.workers.note_running(notes)
            except (*TRANSIENT, RedisError) as error:
                log.warning("care_skipped", error=repr(error))


async def _main(config: ChildConfig, settings: Settings) -> int:
    board = Board(config.board)
    async with (
        Database.open(settings.database, name="taskflow worker") as database,
        RedisBroker.open(settings.redis) as broker,
    ):
        await publish_limits(database, broker, [registry.get(name) for name in registry.names()])
        context = WorkerContext(database, broker, settings, config.worker_id, config.process_id, Meter(board.add))
        worker.set(context)
        async with AsyncExitStack() as lifespan:
            lifespan.enter_context(default_engine(Engine(database, broker)))  # tasks enqueue tasks
            try:
                await open_child(lifespan, context)
            except Exception:
                log.exception("lifespan_hook_failed")
                return 1
            child = Child(config, context, board)
            try:
                code = await child.run(socket.socket(fileno=config.control))
            finally:
                if child.is_tainted:
                    # A task was left behind that swallows its cancellation: whatever waits for it waits for ever.
                    logging.shutdown()
                    os._exit(EXIT_REPLACE)
                await context.aclose()
    return code


def main() -> None:
    """Run a child."""
    die_with_parent(signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    config = ChildConfig.parse(sys.argv[1])
    settings = Settings().model_copy(update={"worker": config.worker})
    configure_logging(settings.log.level, settings.log.format)
    try:
        import_tasks(config.worker.imports)
    except TaskModuleError as error:
        log.error("child_cannot_start", error=str(error))  # noqa: TRY400 - the sentence names the line
        sys.exit(1)
    if any(not registry.get(name).is_async for name in registry.names()):
        SlotPool.prepare(config.worker.imports)
    if settings.tracing.enabled:
        enable(settings.tracing.service_name)
    calm_collector()
    try:
        code = uvloop.run(_main(config, settings))
    except UnavailableError as error:
        log.warning("child_cannot_start", error=str(error))
        code = 1
    sys.exit(code)


if __name__ == "__main__":
    main()
