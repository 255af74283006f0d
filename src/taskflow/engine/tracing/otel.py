"""Spans by OpenTelemetry, named by its semantic conventions for messaging (1.30).

A task's run is the child of its enqueueing. A batch has many, so it links to each instead. Only ids and names are
attributes: no arguments, no results.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from uuid import UUID

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from taskflow import __version__
from taskflow.engine.requests import TaskRow
from taskflow.engine.states import TaskStatus
from taskflow.engine.store import Lease, Outcome
from taskflow.engine.tracing import Carrier, RunSpan

_PROPAGATOR = TraceContextTextMapPropagator()
_SYSTEM = "taskflow"


class _Call:
    """The span of a call: an error when one of its tasks did not end well."""

    def __init__(self, span: Span) -> None:
        self._span = span

    def note(self, outcome: Outcome, *, hidden: bool) -> None:
        """Take in an end; of one that is `hidden`, not what its error says."""
        self._span.set_attribute("taskflow.task.status", outcome.status.value)
        if outcome.error is not None:
            self._span.set_attribute("error.type", outcome.fault.error_class or outcome.execution)
            self._span.set_status(StatusCode.ERROR, "encrypted" if hidden else outcome.error[:500])
        elif outcome.status is TaskStatus.CANCELLED:
            self._span.set_status(StatusCode.ERROR, "cancelled")


class OpenTelemetryTracer:
    """Makes the spans."""

    def __init__(self, tracer: trace.Tracer) -> None:
        """Take OpenTelemetry's."""
        self._tracer = tracer

    @contextmanager
    def producing(self, rows: Sequence[TaskRow]) -> Iterator[Carrier | None]:
        """Open the span of an enqueueing; without a provider, or with the SDK disabled, it has no context."""
        first = rows[0]
        attributes = _attributes("send", "enqueue", first.queue, first.task_name)
        attributes |= _which(first.task_id, len(rows))
        with self._tracer.start_as_current_span(
            f"enqueue {first.queue}", kind=SpanKind.PRODUCER, attributes=attributes
        ):
            carrier: dict[str, str] = {}
            _PROPAGATOR.inject(carrier)
            yield Carrier(carrier["traceparent"], carrier.get("tracestate")) if carrier else None

    @contextmanager
    def consuming(self, leases: Sequence[Lease], carriers: Mapping[UUID, Carrier]) -> Iterator[RunSpan]:
        """Open the span of a call."""
        first = leases[0]
        queue = first.dispatch_key.partition("/")[0]
        attributes = _attributes("process", "run", queue, first.task_name) | _which(first.task_id, len(leases))
        parent, links = Context(), []
        if len(leases) == 1:
            attributes["taskflow.task.attempt"] = first.retry_count + first.crash_count + 1
            attributes["taskflow.task.lease_epoch"] = first.lease_epoch
            if first.task_id in carriers:
                parent = _context(carriers[first.task_id])
        else:
            links = [Link(trace.get_current_span(_context(one)).get_span_context()) for one in carriers.values()]
        with self._tracer.start_as_current_span(
            f"run {queue}",
            context=parent,
            kind=SpanKind.CONSUMER,
            attributes=attributes,
            links=links,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield _Call(span)


def make_tracer(service_name: str | None) -> OpenTelemetryTracer:
    """Return a tracer; with a name, one that exports over OTLP by itself."""
    provider: trace.TracerProvider = trace.get_tracer_provider()
    if service_name is not None:
        own = TracerProvider(resource=Resource.create({SERVICE_NAME: service_name}))
        own.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        trace.set_tracer_provider(own)  # so that spans of tasks' own code go there too
        provider = own
    return OpenTelemetryTracer(provider.get_tracer("taskflow", __version__))


def _attributes(kind: str, name: str, queue: str, task_name: str) -> dict[str, str | int]:
    return {
        "messaging.system": _SYSTEM,
        "messaging.operation.type": kind,
        "messaging.operation.name": name,
        "messaging.destination.name": queue,
        "taskflow.task.name": task_name,
    }


def _which(task_id: UUID, count: int) -> dict[str, str | int]:
    return {"messaging.message.id": str(task_id)} if count == 1 else {"messaging.batch.message_count": count}


def _context(carrier: Carrier) -> Context:
    headers = {"traceparent": carrier.traceparent}
    if carrier.tracestate:
        headers["tracestate"] = carrier.tracestate
    return _PROPAGATOR.extract(headers, Context())
