"""Traces: a span where a task is enqueued, a span where it runs, and the thread between them kept with the task.

Nothing here imports OpenTelemetry. `enable` does, where it is installed (`pip install taskflow-platform[otel]`) and
wanted; until then `producing` and `Traces.open` do nothing, no statement is run and no column is read. The context is
kept in a table of its own, so that tasks without traces pay nothing for those with.
"""

from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from importlib import import_module
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import asyncpg

from taskflow.base.errors import ConfigurationError
from taskflow.base.logging import get_logger
from taskflow.db.outages import DATABASE_AWAY
from taskflow.db.pool import Connection, Database, Pool
from taskflow.db.queries import load
from taskflow.engine.requests import TaskRow
from taskflow.engine.store import Lease, Outcome

sql = load(__file__)
log = get_logger(__name__)


class Carrier(NamedTuple):
    """A W3C trace context."""

    traceparent: str
    tracestate: str | None


class RunSpan(Protocol):
    """The span of one call; hears how its tasks ended."""

    def note(self, outcome: Outcome, *, hidden: bool) -> None:
        """Take in an end; of one that is `hidden`, not what its error says."""
        ...


class Tracer(Protocol):
    """What a tracing library does for us."""

    def producing(self, rows: Sequence[TaskRow]) -> AbstractContextManager[Carrier | None]:
        """Open the span of an enqueueing; yield the context to keep with its tasks, None when it has none."""
        ...

    def consuming(self, leases: Sequence[Lease], carriers: Mapping[UUID, Carrier]) -> AbstractContextManager[RunSpan]:
        """Open the span of a call."""
        ...


class _Active:
    tracer: Tracer | None = None


def enable(service_name: str | None = None) -> None:
    """Trace in this process from now on.

    Args:
        service_name: export spans over OTLP under this name, to where the `OTEL_*` variables say. Without it they go to
            the tracer provider that the application has set up.

    Raises:
        ConfigurationError: OpenTelemetry is not installed.
    """
    try:
        otel = import_module("taskflow.engine.tracing.otel")
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "TASKFLOW_TRACING_ENABLED needs OpenTelemetry: pip install 'taskflow-platform[otel]'."
        ) from error
    _Active.tracer = otel.make_tracer(service_name)


def disable() -> None:
    """Trace no more."""
    _Active.tracer = None


@asynccontextmanager
async def producing(connection: Connection, rows: Sequence[TaskRow]) -> AsyncIterator[None]:
    """Trace the insertion of tasks, and keep the context with them; nothing without a tracer."""
    if _Active.tracer is None or not rows:
        yield
        return
    with _Active.tracer.producing(rows) as carrier:
        if carrier is not None:
            ids = sorted(row.task_id for row in rows)
            await connection.execute(sql.insert_traces, ids, carrier.traceparent, carrier.tracestate)
        yield


class Traces:
    """Traces the runs of one worker process."""

    def __init__(self, tracer: Tracer, pool: Pool) -> None:
        """Use `open`."""
        self._tracer = tracer
        self._pool = pool
        self._spans: dict[UUID, RunSpan] = {}

    @classmethod
    def open(cls, database: Database) -> "Traces | None":
        """Return the traces of this process, or None when it does not trace."""
        return None if _Active.tracer is None else cls(_Active.tracer, database.hot)

    async def follow(self, leases: Sequence[Lease], work: Coroutine[Any, Any, None]) -> None:
        """Run a call inside its span."""
        try:
            carriers = await self._carriers(leases)
        except BaseException:
            work.close()
            raise
        with self._tracer.consuming(leases, carriers) as span:
            self._spans |= {lease.task_id: span for lease in leases}
            try:
                await work
            finally:
                for lease in leases:
                    self._spans.pop(lease.task_id, None)

    def note(self, outcome: Outcome, *, hidden: bool = False) -> None:
        """Tell the span of a task how it ended; what a `hidden` one's error says is for no other system."""
        if (span := self._spans.get(outcome.lease.task_id)) is not None:
            span.note(outcome, hidden=hidden)

    async def _carriers(self, leases: Sequence[Lease]) -> dict[UUID, Carrier]:
        try:
            rows = await self._pool.fetch(sql.traces_of, sorted(lease.task_id for lease in leases))
        except (*DATABASE_AWAY, asyncpg.PostgresError) as error:
            log.warning("trace_context_unread", error=repr(error))
            return {}
        return {row["task_id"]: Carrier(row["traceparent"], row["tracestate"]) for row in rows}
