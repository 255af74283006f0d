"""The crew of a node: as many children as are wanted, each replaced when it ends, the surplus drained."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from taskflow.base.ending import end_tasks
from taskflow.base.logging import get_logger
from taskflow.engine.worker.board import Counter
from taskflow.engine.worker.child import EXIT_REPLACE
from taskflow.engine.worker.child_process import ChildProcess
from taskflow.engine.worker.estate import Estate
from taskflow.engine.worker.tally import Tally, tally_of
from taskflow.settings import Settings

log = get_logger(__name__)

_HEALTHY_SECONDS = 10.0
_LONGEST_PAUSE = 15.0
_KILLED_SECONDS = 5.0


@dataclass(slots=True)
class _Place:
    """A place in the crew, and who holds it now; a retired one is not filled again."""

    child: ChildProcess | None = None
    retired: bool = False

    @property
    def load(self) -> int:
        return self.child.board.read(Counter.RUNNING) if self.child is not None else 0


class Crew:
    """Keeps children running."""

    def __init__(
        self,
        settings: Settings,
        estate: Estate,
        *,
        worker_id: Callable[[], UUID],
        stopping: asyncio.Event,
        changed: asyncio.Event,
    ) -> None:
        """`stopping`: nobody is replaced any more; `changed` is set when a child comes or goes."""
        self._settings = settings
        self._estate = estate
        self._worker_id = worker_id
        self._stopping = stopping
        self._changed = changed
        self._resized = asyncio.Event()
        self._places: dict[asyncio.Task[None], _Place] = {}
        self.children: dict[UUID, ChildProcess] = {}
        self._former = Tally()  # of children that are gone
        self.wanted = settings.worker.processes
        self.paused = False

    def resize(self, wanted: int) -> None:
        """Want so many children."""
        if wanted != self.wanted:
            log.info("processes_wanted", now=self.wanted, wanted=wanted)
            self.wanted = wanted
            self._resized.set()
            self._changed.set()

    def read(self, gauge: Counter) -> int:
        """Return the sum of a gauge over all children."""
        return sum(child.board.read(gauge) for child in self.children.values())

    def tally(self) -> Tally:
        """Return what attempts came to, those of children that are gone included."""
        tally = Tally()
        tally.update(self._former)
        for child in self.children.values():
            tally.update(tally_of(child.board))
        return tally

    def tell(self, op: str, **details: str) -> None:
        """Send an order to every child."""
        for child in self.children.values():
            child.tell(op, **details)

    def kill(self) -> None:
        """End every child now."""
        for child in self.children.values():
            child.kill()

    async def run(self) -> None:
        """Keep as many as are wanted until the node stops; raises what keeps a child from being started."""
        while not self._stopping.is_set():
            self._resized.clear()
            self._fit()
            resized = asyncio.create_task(self._until_resized())
            try:
                done, _ = await asyncio.wait({resized, *self._places}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                resized.cancel()
            for task in done - {resized}:
                del self._places[task]
                task.result()

    async def leave(self, seconds: float) -> None:
        """Drain every child, and wait at most so long for their ends."""
        self.tell("drain")
        if self._places:
            await asyncio.wait(self._places, timeout=seconds)

    async def aclose(self) -> None:
        """Kill whoever is left."""
        self.kill()
        if self._places:
            await asyncio.wait(self._places, timeout=_KILLED_SECONDS)
        await end_tasks(self._places)

    async def _until_resized(self) -> None:
        await self._resized.wait()

    def _fit(self) -> None:
        """Open places or retire some: the least loaded, of those the newest."""
        held = [place for place in self._places.values() if not place.retired]
        for _ in range(self.wanted - len(held)):
            place = _Place()
            self._places[asyncio.create_task(self._fill(place), name="child")] = place
        surplus = len(held) - self.wanted
        newest_first = held[::-1]
        for place in sorted(newest_first, key=lambda one: one.load)[: max(0, surplus)]:
            place.retired = True
            if place.child is not None:
                place.child.tell("drain")

    def _is_open(self, place: _Place) -> bool:
        return not (self._stopping.is_set() or place.retired)

    async def _fill(self, place: _Place) -> None:
        """Keep one child running: start it, wait for its end, settle what it left, start another."""
        pause = 0.0
        while self._is_open(place):
            place.child = child = ChildProcess()
            worker_id = self._worker_id()
            self.children[child.process_id] = child
            self._changed.set()
            try:
                await child.start(worker_id, self._settings)
                if self.paused:
                    child.tell("pause")
                if place.retired:
                    child.tell("drain")
                assert child.process is not None  # noqa: S101 - just started
                code = await child.process.wait()
                if code not in (0, EXIT_REPLACE):
                    log.warning("child_died", process_id=str(child.process_id), status=code)
                self._former.update(await self._estate.settle(worker_id, child, code))
            finally:
                place.child = None
                child.kill()
                del self.children[child.process_id]
                self._former.update(tally_of(child.board))
                self._changed.set()
                child.close()
            healthy = code == EXIT_REPLACE or time.monotonic() - child.started_at > _HEALTHY_SECONDS
            pause = 0.0 if healthy else min(_LONGEST_PAUSE, max(0.2, pause * 2))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
