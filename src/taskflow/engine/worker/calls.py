"""How a task's function is called: async on the child's loop, sync in a slot, a batch as one call.

What is around a call lives here: its context, middleware, the reading of its arguments, what it depends on, and what
becomes of its result. Whoever has none of those pays for none.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from time import monotonic
from typing import Any

from taskflow.engine import outcomes
from taskflow.engine.batch import Batch, BatchItem
from taskflow.engine.context import current
from taskflow.engine.definition import Task
from taskflow.engine.middleware.base import Call
from taskflow.engine.middleware.stack import MiddlewareStack
from taskflow.engine.payload import check_result
from taskflow.engine.sealed import SealedError
from taskflow.engine.store import Lease, Outcome
from taskflow.engine.worker import verdicts
from taskflow.engine.worker.board import Board
from taskflow.engine.worker.publisher import Publisher
from taskflow.engine.worker.reporting import LeaseReporter
from taskflow.engine.worker.run import Run, TimeLimitReached
from taskflow.engine.worker.slots import SlotCrashedError, SlotPool
from taskflow.settings import WorkerSettings

Report = Callable[[Run, Outcome], None]


class Caller:
    """Calls functions for one child's executor."""

    def __init__(
        self,
        settings: WorkerSettings,
        board: Board,
        publisher: Publisher,
        slots: SlotPool,
        middleware: MiddlewareStack,
        report: Report,
    ) -> None:
        """`report` takes each outcome; only the first of a task counts."""
        self._settings = settings
        self._board = board
        self._publisher = publisher
        self._slots = slots
        self._middleware = middleware
        self._report = report

    def call(
        self, definition: Task[..., Any], run: Run, claimed: Sequence[tuple[Lease, float]]
    ) -> Coroutine[Any, Any, None]:
        """Return the work of a run; `claimed` are its leases and when they were claimed (monotonic)."""
        if definition.batch:
            return self._batch(definition, run, claimed)
        if definition.is_async:
            return self._async(definition, run)
        run.stop = asyncio.Event()
        return self._sync(definition, run)

    def _reporter(self, run: Run, lease: Lease) -> LeaseReporter:
        return LeaseReporter(self._publisher, self._board, run, lease)

    async def _async(self, definition: Task[..., Any], run: Run) -> None:
        lease = run.leases[0]
        current.set(self._reporter(run, lease).context())
        try:
            if self._middleware.sees_runs or lease.returned:
                result = await self._surrounded(definition, lease)
            else:
                result = await _called(definition, lease.args, lease.kwargs, lease.payload_version)
            if run.reason is not None:
                self._report(run, verdicts.stopped(run, lease))
                return
            result = self._kept(definition, result)
            self._report(run, outcomes.completed(lease, monotonic() - run.started, result, definition.result_ttl))
        except (KeyboardInterrupt, SystemExit, GeneratorExit) as error:
            self._report(run, verdicts.failed(run, lease, error))
        except asyncio.CancelledError:
            return  # the executor knows why
        except (Exception, TimeLimitReached) as error:  # noqa: BLE001 - whatever a task raises is its outcome
            self._report(run, verdicts.failed(run, lease, error))

    async def _surrounded(self, definition: Task[..., Any], lease: Lease) -> Any:
        """Call a function with middleware before and after it."""
        call = await self._opened(lease)
        try:
            call.result = await _called(definition, call.args, call.kwargs, lease.payload_version)
        except BaseException as error:
            call.error = verdicts.sentence(error)
            await self._middleware.after_run(call)
            raise
        await self._middleware.after_run(call)
        return call.result

    async def _opened(self, lease: Lease) -> Call:
        """Return a call as middleware has made it.

        Raises:
            SealedError: what its parents returned is sealed, and nobody has opened it.
        """
        call = Call(lease, lease.args, lease.kwargs, returned=lease.returned)
        await self._middleware.before_run(call)
        if call.returned:
            raise SealedError(f"{lease.task_name} takes results that are encrypted, and this worker opens none.")
        return call

    def _kept(self, definition: Task[..., Any], result: Any) -> Any:
        """Return what is to be kept of a result."""
        if result is None or not definition.keep_result:
            return None
        return check_result(result, definition.max_result_bytes or self._settings.result_max_bytes)

    async def _sync(self, definition: Task[..., Any], run: Run) -> None:
        lease = run.leases[0]
        assert run.stop is not None  # noqa: S101 - set by `call`
        limit = definition.max_result_bytes or self._settings.result_max_bytes
        try:
            call = await self._opened(lease)
            reply = await self._slots.run(lease, call.args, call.kwargs, limit, self._reporter(run, lease), run.stop)
            if self._middleware.sees_runs and run.reason is None and not reply.get("interrupted"):
                call.result, call.error = reply.get("ok"), reply.get("error")
                await self._middleware.after_run(call)
                if "ok" in reply:
                    reply = {"ok": self._kept(definition, call.result)}
        except SlotCrashedError as error:
            seconds = monotonic() - run.started
            self._report(run, outcomes.crashed(lease, seconds, str(error), self._settings.crash_limit))
            return
        except Exception as error:  # noqa: BLE001 - middleware, or a slot that could not start
            self._report(run, verdicts.failed(run, lease, error))
            return
        self._report(run, _outcome_of(reply, definition, run, lease))

    async def _batch(self, definition: Task[..., Any], run: Run, claimed: Sequence[tuple[Lease, float]]) -> None:
        items: list[BatchItem] = []
        for lease, claimed_at in claimed:
            item = BatchItem(lease, claimed_at, self._reporter(run, lease).context())
            try:
                await self._open(definition, item)
            except Exception as error:  # noqa: BLE001 - one that cannot be read does not spoil the others
                self._report(run, verdicts.failed(run, lease, error))
            else:
                items.append(item)
        batch = Batch(
            items,
            lambda outcome: self._report(run, outcome),
            self._settings.lease_seconds,
            keep=lambda result: self._kept(definition, result),
            result_ttl=definition.result_ttl,
        )
        try:
            if definition.injection is None:
                await definition.function(batch)
            else:
                async with definition.injection.opened() as provided:
                    await definition.function(batch, **provided)
        except asyncio.CancelledError:
            return
        except (Exception, TimeLimitReached) as error:  # noqa: BLE001 - whatever a task raises is its outcome
            for item in items:
                self._report(run, verdicts.failed(run, item.lease, error))
        else:
            for item in items:
                batch.complete(item)

    async def _open(self, definition: Task[..., Any], item: BatchItem) -> None:
        """Let middleware and upgrades change the arguments of a batch's task."""
        lease = item.lease
        if self._middleware.sees_runs or lease.returned:
            call = await self._opened(lease)
            item.args, item.kwargs = call.args, call.kwargs
        if lease.payload_version is not None and lease.payload_version < definition.version:
            item.args, item.kwargs = None, definition.read(item.args, item.kwargs, lease.payload_version)


async def _called(definition: Task[..., Any], args: Any, kwargs: Any, version: int | None) -> Any:
    arguments = definition.read(args, kwargs, version)
    if definition.injection is None:
        return await definition.function(**arguments)
    async with definition.injection.opened() as provided:
        return await definition.function(**arguments, **provided)


def _outcome_of(reply: dict[str, Any], definition: Task[..., Any], run: Run, lease: Lease) -> Outcome:
    """Read what a slot has answered."""
    seconds = monotonic() - run.started
    if run.reason is not None:
        return verdicts.stopped(run, lease)
    if "ok" in reply:
        return outcomes.completed(lease, seconds, reply["ok"], definition.result_ttl)
    if reply.get("interrupted"):
        return outcomes.failed(lease, seconds, "The process of the task was sent SIGTERM.")
    return outcomes.failed(
        lease, seconds, reply["error"], stack=reply.get("stack"), retry=reply["retry"], after=reply.get("after")
    )
