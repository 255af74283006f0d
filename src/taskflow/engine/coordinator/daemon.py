"""The coordinator process: stand for election, lead, step down, stand again; until it is told to stop.

While it leads, each duty has an asyncio task of its own: run, run again at once while there is something to do (up to
a bound), then wait for the interval or a wake-up from Redis. A duty that fails is tried again with growing pauses and
takes nobody down with it. PostgreSQL or Redis being away is weather: it is logged once, and the end of it too.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from taskflow.base.ending import end_tasks
from taskflow.base.logging import get_logger
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.outages import DATABASE_AWAY
from taskflow.db.pool import Database
from taskflow.engine.coordinator import metrics
from taskflow.engine.coordinator.duty import Duty, DutyContext, RuleSource
from taskflow.engine.coordinator.election import ROLE, Election, LeadershipLostError, Lease
from taskflow.settings import Settings

log = get_logger(__name__)

OUTAGES = (*DATABASE_AWAY, RedisConnectionError, RedisTimeoutError)
_ROUNDS = 50  # runs in a row without a pause
_LONGEST_PAUSE = 5.0
_STEP_DOWN_SECONDS = 5.0
_WAKE_SECONDS = 5.0


@dataclass(slots=True)
class DutyState:
    """How a duty is doing in this process."""

    woken: asyncio.Event = field(default_factory=asyncio.Event)
    failures: int = 0
    succeeded_at: float | None = None

    def report(self) -> dict[str, Any]:
        """Return what `/health` shows."""
        age = None if self.succeeded_at is None else round(time.monotonic() - self.succeeded_at, 3)
        return {"failures": self.failures, "seconds_since_success": age}


class Coordinator:
    """Stands for election and runs duties while it leads."""

    def __init__(
        self,
        database: Database,
        broker: RedisBroker,
        settings: Settings,
        duties: Sequence[Duty],
        *,
        rule_sources: Sequence[RuleSource] = (),
        role: str = ROLE,
    ) -> None:
        """`role`: coordinators with the same role compete; one with other duties needs another."""
        self._database = database
        self._broker = broker
        self._settings = settings
        self._duties = duties
        self._rule_sources = rule_sources
        self._states = {duty.name: DutyState() for duty in duties}
        for duty in duties:
            metrics.LAST_SUCCESS.labels(duty.name)  # a duty that never succeeds shows too
        self._election = Election(database, seconds=settings.coordinator.term_seconds, role=role)
        self._lease: Lease | None = None
        self._database_away = False

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set."""
        log.info(
            "coordinator_started",
            role=self._election.role,
            holder=str(self._election.holder),
            duties=[duty.name for duty in self._duties],
        )
        while not stop.is_set():
            lease = await self._stand(stop)
            if lease is not None:
                await self._lead(lease, stop)
        log.info("coordinator_stopped")

    def report(self) -> dict[str, Any]:
        """Return the state of this process for `/health`."""
        leads = self._lease is not None and self._lease.is_held
        failing = self._database_away or (leads and any(state.failures for state in self._states.values()))
        return {
            "status": "degraded" if failing else "ok",
            "role": self._election.role,
            "leader": leads,
            "term": self._lease.term if self._lease else None,
            "duties": {name: state.report() for name, state in self._states.items()} if leads else {},
        }

    async def _stand(self, stop: asyncio.Event) -> Lease | None:
        """Stand until elected; None when told to stop."""
        pause = self._settings.coordinator.term_seconds / 6
        while not stop.is_set():
            try:
                lease = await self._election.stand()
            except (*OUTAGES, asyncpg.PostgresError) as error:
                if not self._database_away:
                    log.warning("election_waits_for_postgresql", error=f"{type(error).__name__}: {error}")
                self._database_away = True
            else:
                if self._database_away:
                    log.info("postgresql_is_back")
                self._database_away = False
                if lease is not None:
                    return lease
            await _wait(stop, pause)
        return None

    async def _lead(self, lease: Lease, stop: asyncio.Event) -> None:
        """Run the duties until the lease is lost or `stop` is set."""
        self._lease = lease
        metrics.LEADER.set(1)
        metrics.TERM.set(lease.term)
        log.info("leading", term=lease.term)
        context = DutyContext(self._database, self._broker, self._settings, lease, self._rule_sources)
        tasks = [
            asyncio.create_task(stop.wait(), name="stop"),
            asyncio.create_task(self._keep(lease), name="lease"),
            asyncio.create_task(self._listen(lease), name="wake-ups"),
            *(asyncio.create_task(self._attend(duty, context), name=duty.name) for duty in self._duties),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            metrics.LEADER.set(0)
            await self._step_down(lease, tasks)

    async def _step_down(self, lease: Lease, tasks: list["asyncio.Task[Any]"]) -> None:
        late = await end_tasks(tasks, seconds=_STEP_DOWN_SECONDS)
        for task in set(tasks) - late:
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("leader_task_failed", task=task.get_name(), exc_info=error)
        if late:
            log.warning("duties_slow_to_stop", tasks=[task.get_name() for task in late])
        if lease.is_held and not late:
            with suppress(*OUTAGES, asyncpg.PostgresError):
                await lease.release(self._database)
            log.info("stepped_down", term=lease.term)
        else:
            log.warning("leadership_lost", term=lease.term)

    async def _keep(self, lease: Lease) -> None:
        """Renew the lease until that fails for good."""
        pause = self._settings.coordinator.term_seconds / 3
        while lease.is_held:
            await asyncio.sleep(min(pause, lease.remaining))
            try:
                async with asyncio.timeout(lease.remaining):
                    if not await lease.renew(self._database):
                        return
                pause = self._settings.coordinator.term_seconds / 3
            except (*OUTAGES, asyncpg.PostgresError) as error:
                pause = self._settings.coordinator.term_seconds / 24
                log.warning("lease_not_renewed", seconds_left=round(lease.remaining, 1), error=str(error))

    async def _listen(self, lease: Lease) -> None:
        """Wake the duties that somebody calls for."""
        while lease.is_held:
            try:
                name = await self._broker.coordinator_call(_WAKE_SECONDS)
            except (RedisError, *OUTAGES):
                await asyncio.sleep(1)  # the duties report the outage
                continue
            if name in self._states:
                self._states[name].woken.set()

    async def _attend(self, duty: Duty, context: DutyContext) -> None:
        """Run one duty again and again."""
        state, rounds = self._states[duty.name], 0
        state.failures = 0
        interval = duty.interval(self._settings.coordinator)
        while context.lease.is_held:
            state.woken.clear()
            try:
                done = await self._run(duty, context)
            except LeadershipLostError:
                return
            except OUTAGES as error:
                if not state.failures:
                    log.warning("duty_waits", duty=duty.name, error=f"{type(error).__name__}: {error}")
                await self._back_off(state, interval)
                continue
            except Exception as error:
                if context.lease.remaining <= 0:  # its session was ended under it, most likely
                    log.warning("duty_cut_short", duty=duty.name, error=f"{type(error).__name__}: {error}")
                    return
                log.exception("duty_failed", duty=duty.name)
                await self._back_off(state, interval)
                continue
            if state.failures:
                log.info("duty_recovered", duty=duty.name, failures=state.failures)
            state.failures, state.succeeded_at = 0, time.monotonic()
            rounds = rounds + 1 if done > 0 else 0
            if 0 < rounds < _ROUNDS:
                await asyncio.sleep(0)
                continue
            rounds = 0
            await _wait(state.woken, interval)

    @staticmethod
    async def _run(duty: Duty, context: DutyContext) -> int:
        started = time.monotonic()
        metrics.RUNS.labels(duty.name).inc()
        try:
            done = await duty.run_once(context)
        except LeadershipLostError:
            raise
        except Exception:
            metrics.ERRORS.labels(duty.name).inc()
            raise
        finally:
            metrics.SECONDS.labels(duty.name).observe(time.monotonic() - started)
        metrics.ITEMS.labels(duty.name).inc(done)
        metrics.LAST_SUCCESS.labels(duty.name).set_to_current_time()
        return done

    @staticmethod
    async def _back_off(state: DutyState, interval: float) -> None:
        state.failures += 1
        await asyncio.sleep(min(_LONGEST_PAUSE, max(interval, 0.1 * 2 ** min(state.failures, 10))))


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for `event`, at most so long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
