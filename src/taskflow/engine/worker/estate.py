"""What a dead child leaves behind: its claims are settled by its parent at once, without waiting for the rescuer."""

import asyncio
import time
from uuid import UUID

from redis.exceptions import RedisError

from taskflow.base.logging import get_logger
from taskflow.broker.redis.broker import RedisBroker
from taskflow.broker.redis.dispatch import Entry, Settled
from taskflow.db.outages import TRANSIENT
from taskflow.db.pool import Database
from taskflow.engine import outcomes
from taskflow.engine.dependencies.release import Freed, announce
from taskflow.engine.states import TaskStatus
from taskflow.engine.store import Lease, Outcome, TaskStore
from taskflow.engine.worker.child_process import ChildProcess
from taskflow.engine.worker.heartbeat import sql
from taskflow.engine.worker.tally import Tally
from taskflow.settings import WorkerSettings

log = get_logger(__name__)


class Estate:
    """Gives back what dead children held."""

    def __init__(
        self, settings: WorkerSettings, database: Database, broker: RedisBroker, stopping: asyncio.Event
    ) -> None:
        """`stopping`: from then on a lost connection is not waited for."""
        self._settings = settings
        self._database = database
        self._broker = broker
        self._store = TaskStore(database)
        self._stopping = stopping

    async def settle(self, worker_id: UUID, child: ChildProcess, code: int) -> Tally:
        """Give back what a dead child held: started tasks crashed or ran out of time, the others were untouched.

        Return what its attempts came to.
        """
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
                        limit, alone = self._settings.crash_limit, len(started) == 1
                        ends.append(outcomes.crashed(lease, None, error, limit, alone=alone))
                finished = await self._store.finish(ends)
                await self._database.hot.execute(sql.forget_process, worker_id, child.process_id)
                break
            except TRANSIENT as error:
                if self._stopping.is_set():
                    return Tally()  # the rescuer does it
                log.warning("estate_not_settled_yet", error=repr(error))
                await asyncio.sleep(0.5)
        await self._announce([end for end in ends if end.lease.task_id not in finished.stale], finished.freed)
        if ends:
            log.info("estate_settled", tasks=len(ends), started=len(started))
        return Tally.of(ends, finished.stale)

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
