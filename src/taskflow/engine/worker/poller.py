"""The task poller: takes ids that Redis suggests, claims them in PostgreSQL, and keeps a short stock of work.

The stock is measured in time: never more than `prefetch_seconds` of work per slot beyond what runs, judged by how long
tasks of each dispatch key have taken lately. Quick tasks are thus claimed by the hundred and slow ones one by one. What
is claimed and not yet committed is bounded too, so a slow database holds the poller back.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from uuid import UUID

from redis.exceptions import RedisError

from taskflow.base.logging import get_logger
from taskflow.broker.redis.broker import RedisBroker
from taskflow.broker.redis.dispatch import Claimed
from taskflow.db.outages import TRANSIENT
from taskflow.engine.middleware.stack import MiddlewareStack
from taskflow.engine.store import Lease, Outcome, TaskStore
from taskflow.engine.worker.claims import Claims, Reroute
from taskflow.settings import WorkerSettings

log = get_logger(__name__)

_UNKNOWN_SECONDS = 0.02  # assumed of a dispatch key that has not been seen yet
_NET_SECONDS = 1.0  # a lost wake-up costs at most this
_FORGET_EVERY = 1.0


class Stock:
    """How much work this child has, and how long work of each key takes."""

    def __init__(self, settings: WorkerSettings) -> None:
        """Start empty."""
        self._capacity = settings.capacity
        self._budget = settings.prefetch_seconds * settings.capacity
        self._most_held = settings.max_batch * 2
        self._seconds: dict[str, float] = {}
        self.waiting: defaultdict[str, int] = defaultdict(int)
        self.running = 0
        self.held = 0
        self.reserved = False  # for suspects: see `suspects.py`

    def learn(self, dispatch_key: str, seconds: float) -> None:
        """Take in how long one task of a key took (a moving average; a fifth is news)."""
        known = self._seconds.get(dispatch_key)
        if known is None and len(self._seconds) > 200:
            self._seconds.pop(next(iter(self._seconds)))
        self._seconds[dispatch_key] = seconds if known is None else known * 0.8 + seconds * 0.2

    def suppose(self, dispatch_key: str, seconds: float) -> None:
        """Take tasks of a key for at least so slow, until some have told better."""
        if self._seconds.get(dispatch_key, 0.0) < seconds:
            self.learn(dispatch_key, seconds)
            self._seconds[dispatch_key] = seconds

    def room(self) -> tuple[int, int, dict[str, int]]:
        """Return (limit, quota of an unknown key, quotas of known keys) for the next claim; limit 0: claim nothing."""
        if self.reserved:
            return 0, 0, {}
        waiting = sum(self.waiting.values())
        free = max(0, self._capacity - self.running - waiting)
        stocked = sum(n * self._seconds.get(key, _UNKNOWN_SECONDS) for key, n in self.waiting.items())
        budget = self._budget - stocked
        limit = self._most_held - self.held
        if (free == 0 and budget < self._budget / 2) or (limit < self._most_held // 4 and free == 0) or limit <= 0:
            return 0, 0, {}
        budget = max(0.0, budget)
        quotas = {key: free + int(budget / max(seconds, 1e-6)) for key, seconds in self._seconds.items()}
        quotas = {key: min(limit, n) for key, n in quotas.items()}
        return limit, min(limit, free + int(budget / _UNKNOWN_SECONDS)), quotas


class Poller:
    """Claims work for one child."""

    def __init__(
        self,
        store: TaskStore,
        broker: RedisBroker,
        settings: WorkerSettings,
        stock: Stock,
        middleware: MiddlewareStack,
        *,
        worker_id: UUID,
        process_id: UUID,
        feed: Callable[[Sequence[Lease]], None],
        reroute: Reroute = lambda _lease, _suggested: None,
    ) -> None:
        """`feed` takes leases as they are won; `reroute` names the dispatch key of one that waited in a wrong line."""
        self._store = store
        self._broker = broker
        self._settings = settings
        self._stock = stock
        self._claims = Claims(store, broker, middleware, worker_id=worker_id, process_id=process_id, reroute=reroute)
        self._consumer = str(process_id)
        self._feed = feed
        self._attention = asyncio.Event()
        self._paused = False
        self._stopping = False
        self._stopped = asyncio.Event()
        self._held: dict[UUID, tuple[Lease, UUID]] = {}  # task → its lease and claim
        self._open: dict[UUID, int] = {}  # claim → tasks not settled
        self._done: list[UUID] = []

    def pause(self) -> None:
        """Claim nothing more."""
        self._paused = True

    def resume(self) -> None:
        """Claim again."""
        self._paused = False
        self._attention.set()

    async def stop(self) -> None:
        """Claim nothing more; return when a claim that is under way has come to its end, and its leases are fed."""
        self._stopping = True
        self._attention.set()
        await self._stopped.wait()

    def wake(self) -> None:
        """There is room, or something to claim."""
        self._attention.set()

    def settled(self, outcomes: Sequence[Outcome]) -> None:
        """Free the leases of committed outcomes."""
        self._stock.held -= len(outcomes)
        for outcome in outcomes:
            held = self._held.pop(outcome.lease.task_id, None)
            if held is not None:
                claim = held[1]
                left = self._open[claim] = self._open[claim] - 1
                if not left:
                    del self._open[claim]
                    self._done.append(claim)
        self._attention.set()

    async def run(self) -> None:
        """Claim until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._poll())
            group.create_task(self._listen())
            group.create_task(self._forget())

    async def _poll(self) -> None:
        while not self._stopping:
            self._attention.clear()
            limit, quota, quotas = self._stock.room()
            if self._paused or limit == 0:
                await self._attention.wait()
                continue
            try:
                claimed = await self._broker.dispatch.claim(
                    self._consumer,
                    limit=min(limit, self._settings.max_batch),
                    quota=quota,
                    quotas=quotas,
                    lease=self._settings.lease_seconds,
                    queues=self._settings.queues,
                )
            except (RedisError, OSError) as error:
                log.warning("redis_away", error=repr(error))
                await asyncio.sleep(0.5)
                continue
            if claimed.state == "OK":
                await self._take(claimed)
            else:
                await self._rest(claimed.wait or _NET_SECONDS)
        self._stopped.set()

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(min(seconds, _NET_SECONDS)):
                await self._attention.wait()
        except TimeoutError:
            return

    async def _take(self, claimed: Claimed) -> None:
        """Turn suggested ids into leases, and feed them."""
        claim_id, leases = await self._claims.take(claimed)
        if not leases:
            self._done.append(claim_id)
            return
        self._open[claim_id] = len(leases)
        self._held.update((lease.task_id, (lease, claim_id)) for lease in leases)
        self._stock.held += len(leases)
        self._feed(leases)

    async def _listen(self) -> None:
        """Wait on this consumer's wake list; the net is in `_rest`."""
        while not self._stopping:
            try:
                if await self._broker.waiting.wait(self._consumer, _NET_SECONDS):
                    self._attention.set()
            except (RedisError, OSError):
                await asyncio.sleep(0.5)

    async def _forget(self) -> None:
        """Delete journal rows of claims that are settled, and keep the leases of the others alive in Redis."""
        renew_every = self._settings.lease_seconds / 3
        next_renewal = renew_every
        elapsed = 0.0
        while True:
            await asyncio.sleep(_FORGET_EVERY)
            elapsed += _FORGET_EVERY
            done, self._done = self._done, []
            try:
                if done:
                    await self._store.forget_claims(done)
            except TRANSIENT as error:
                self._done += done
                log.warning("claims_kept", claims=len(done), error=repr(error))
            if elapsed >= next_renewal:
                next_renewal = elapsed + renew_every
                await self._renew()

    async def _renew(self) -> None:
        held: defaultdict[str, list[str]] = defaultdict(list)
        for lease, _ in self._held.values():
            held[lease.dispatch_key].append(str(lease.task_id))
        for task_id, key in self._claims.under_way.items():
            held[key].append(task_id)
        try:
            await self._broker.dispatch.renew(held, self._settings.lease_seconds)
        except (RedisError, OSError) as error:
            log.warning("leases_not_renewed", error=repr(error))
