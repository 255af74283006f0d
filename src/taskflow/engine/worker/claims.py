"""Claims: ids that Redis suggests become leases in PostgreSQL.

What is no longer PENDING is a ghost and leaves Redis. What waited in the wrong line goes back to wait in the right one
(`engine/limits/routing.py`): it must not run uncounted. Ids whose number is limited are claimed under the life of the
dispatch that suggested them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar
from uuid import UUID

from redis.exceptions import RedisError

from taskflow.base.ids import uuid7
from taskflow.base.logging import get_logger
from taskflow.broker.redis.broker import RedisBroker
from taskflow.broker.redis.dispatch import Claimed, Settled
from taskflow.db.outages import TRANSIENT
from taskflow.engine.dependencies.release import announce
from taskflow.engine.middleware.stack import MiddlewareStack
from taskflow.engine.states import TERMINAL
from taskflow.engine.store import Lease, TaskStore

log = get_logger(__name__)

T = TypeVar("T")
Reroute = Callable[[Lease, str], str | None]
"""Given a lease and the dispatch key that suggested it: the key under which it should have waited, or None."""


class Claims:
    """Claims for one child."""

    def __init__(
        self,
        store: TaskStore,
        broker: RedisBroker,
        middleware: MiddlewareStack,
        *,
        worker_id: UUID,
        process_id: UUID,
        reroute: Reroute,
    ) -> None:
        """Take what they are made with."""
        self._store = store
        self._broker = broker
        self._middleware = middleware
        self._worker_id = worker_id
        self._process_id = process_id
        self._reroute = reroute
        self.under_way: Mapping[str, str] = {}  # ids that are being claimed → their dispatch keys

    async def take(self, claimed: Claimed) -> tuple[UUID, list[Lease]]:
        """Claim what was suggested; return the claim's id, and the leases to run in the order of the suggestion."""
        claim_id = uuid7()
        suggested = {task_id: key for key, group in claimed.groups for task_id in group}
        generation = claimed.generation if claimed.is_limited else None
        self.under_way = suggested
        await self._middleware.before_claim(list(suggested))
        leases = await _repeated(
            lambda: self._store.claim(
                claim_id, self._worker_id, self._process_id, list(suggested), generation=generation
            )
        )
        won = {str(lease.task_id): lease for lease in leases}
        astray: list[tuple[Lease, str]] = []
        for task_id, lease in won.items():
            if (key := self._reroute(lease, suggested[task_id])) is not None:
                astray.append((lease, key))
        if astray:
            await self._send_away(astray, suggested)
        if len(won) < len(suggested):
            try:
                await self._broker.dispatch.forget(claimed, won)
            except (RedisError, OSError) as error:
                log.warning("ghosts_left", ids=len(suggested) - len(won), error=repr(error))
        for lease, _ in astray:
            del won[str(lease.task_id)]
        await self._middleware.after_claim(list(won.values()))
        self.under_way = {}  # from here on the caller holds them
        return claim_id, [won[task_id] for task_id in suggested if task_id in won]

    async def _send_away(self, astray: Sequence[tuple[Lease, str]], suggested: Mapping[str, str]) -> None:
        """Let tasks that waited in the wrong line wait in the right one."""
        moved, freed = await _repeated(lambda: self._store.reroute(astray))
        log.info("tasks_rerouted", tasks=len(moved), dispatch_key=astray[0][1])
        left = [(suggested[str(task.task_id)], task) for task in moved]
        dispatch = self._broker.dispatch
        try:
            await dispatch.settle(
                Settled(key, str(task.task_id), task.status if task.status in TERMINAL else "") for key, task in left
            )
            await announce(dispatch, [*(task for task in moved if task.status not in TERMINAL), *freed])
        except (RedisError, OSError) as error:
            log.warning("reroute_left_to_the_relay", tasks=len(moved), error=repr(error))


async def _repeated(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask PostgreSQL; when the answer is lost, ask the same again until it comes."""
    pause = 0.05
    while True:
        try:
            return await ask()
        except TRANSIENT as error:
            log.warning("claim_repeated", error=repr(error))
            await asyncio.sleep(pause)
            pause = min(2.0, pause * 2)
