"""Traces: the run of a task is the child of its enqueueing, a batch links to each, nobody else notices."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NoOpTracer, SpanKind, StatusCode, format_trace_id

from support import sample_tasks as tasks
from support.processes import running
from support.receiver import receiving
from support.waiting import eventually
from taskflow.base.errors import ConfigurationError
from taskflow.base.ids import uuid7
from taskflow.db.pool import Database
from taskflow.engine import Engine, PayloadEncryption, outcomes, tracing
from taskflow.engine.middleware.stack import MiddlewareStack
from taskflow.engine.store import Lease
from taskflow.engine.tracing.otel import OpenTelemetryTracer

_ALONE = """
import sys
sys.modules["opentelemetry.sdk"] = sys.modules["opentelemetry.exporter"] = None  # what the extra brings
import taskflow.api.app, taskflow.engine.worker.child, taskflow.engine.worker.node, taskflow.cli.coordinator
print("taskflow.engine.tracing.otel" in sys.modules)
"""


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """Spans of this process, by a tracer provider of this test's own."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing._Active.tracer = OpenTelemetryTracer(provider.get_tracer("test"))
    yield exporter
    tracing.disable()
    provider.shutdown()


def lease(task_id: object, name: str = "noop") -> Lease:
    return Lease(task_id, 3, name, "slow/campaign:1", 5, 1, 5, 300, 0, None, None, None)  # type: ignore[arg-type]


async def nothing() -> None:
    """Run."""


def attributes(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


def test_everything_runs_without_the_extra() -> None:
    done = subprocess.run([sys.executable, "-c", _ALONE], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


async def test_without_tracing_no_context_is_kept(engine: Engine, database: Database) -> None:
    await engine.enqueue(tasks.noop)
    assert tracing.Traces.open(database) is None
    assert await database.pool.fetchval("SELECT count(*) FROM task_traces") == 0


def test_enabling_without_the_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "taskflow.engine.tracing.otel", None)
    with pytest.raises(ConfigurationError, match=r"taskflow-platform\[otel\]"):
        tracing.enable()


async def test_a_run_is_the_child_of_its_enqueueing(
    engine: Engine, database: Database, spans: InMemorySpanExporter
) -> None:
    handle = await engine.enqueue(tasks.noop.options(queue="slow"))
    [produced] = spans.get_finished_spans()
    assert (produced.name, produced.kind) == ("enqueue slow", SpanKind.PRODUCER)
    assert attributes(produced) == {
        "messaging.system": "taskflow",
        "messaging.operation.type": "send",
        "messaging.operation.name": "enqueue",
        "messaging.destination.name": "slow",
        "messaging.message.id": str(handle.task_id),
        "taskflow.task.name": "noop",
    }
    traces = tracing.Traces.open(database)
    assert traces is not None
    await traces.follow([lease(handle.task_id)], nothing())
    _, consumed = spans.get_finished_spans()
    assert (consumed.name, consumed.kind, consumed.status.status_code) == (
        "run slow",
        SpanKind.CONSUMER,
        StatusCode.UNSET,
    )
    assert consumed.parent is not None
    assert consumed.parent.span_id == produced.context.span_id
    assert consumed.context.trace_id == produced.context.trace_id
    assert attributes(consumed)["taskflow.task.attempt"] == 2


async def test_a_batch_links_to_each_enqueueing_instead(
    engine: Engine, database: Database, spans: InMemorySpanExporter
) -> None:
    handles = [await engine.enqueue(tasks.noop) for _ in range(3)]
    await database.pool.execute("DELETE FROM task_traces WHERE task_id = $1", handles[2].task_id)
    traces = tracing.Traces.open(database)
    assert traces is not None
    await traces.follow([lease(handle.task_id) for handle in handles], nothing())
    *produced, consumed = spans.get_finished_spans()
    assert consumed.parent is None
    assert {link.context.span_id for link in consumed.links} == {span.context.span_id for span in produced[:2]}
    assert attributes(consumed)["messaging.batch.message_count"] == 3


async def test_many_tasks_enqueued_at_once_share_one_span(
    engine: Engine, database: Database, spans: InMemorySpanExporter
) -> None:
    await engine.enqueue_many(tasks.noop, [{}] * 5)
    await engine.enqueue_many(tasks.noop, [])
    [produced] = spans.get_finished_spans()
    assert attributes(produced)["messaging.batch.message_count"] == 5
    kept = await database.pool.fetch("SELECT DISTINCT traceparent FROM task_traces")
    assert [row["traceparent"].split("-")[1] for row in kept] == [format_trace_id(produced.context.trace_id)]
    assert await database.pool.fetchval("SELECT count(*) FROM task_traces") == 5


async def test_an_attempt_that_fails_is_an_error_of_its_class(database: Database, spans: InMemorySpanExporter) -> None:
    traces, one = tracing.Traces.open(database), lease(uuid7())
    assert traces is not None

    async def fails() -> None:
        traces.note(outcomes.failed(one, 0.1, "ValueError: no order 7"))

    await traces.follow([one], fails())
    [span] = spans.get_finished_spans()
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "ValueError: no order 7")
    assert (attributes(span)["error.type"], attributes(span)["taskflow.task.status"]) == ("ValueError", "SCHEDULED")


async def test_what_the_error_of_an_encrypted_task_says_is_told_to_no_tracing_system(
    database: Database, spans: InMemorySpanExporter
) -> None:
    traces, one = tracing.Traces.open(database), lease(uuid7())
    assert traces is not None
    seals = MiddlewareStack(PayloadEncryption({"k": bytes(32)}, current="k", tasks=[one.task_name]))

    async def fails() -> None:
        outcome = outcomes.failed(one, 0.1, "ValueError: no card 4111")
        traces.note(outcome, hidden=seals.hides(one.task_name))

    await traces.follow([one], fails())
    [span] = spans.get_finished_spans()
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "encrypted")
    assert not seals.hides("another")


async def test_tasks_are_enqueued_and_run_where_opentelemetry_makes_no_spans(
    engine: Engine, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing._Active, "tracer", OpenTelemetryTracer(NoOpTracer()))
    handle = await engine.enqueue(tasks.noop)
    assert await database.pool.fetchval("SELECT count(*) FROM task_traces") == 0
    traces, one, ran = tracing.Traces.open(database), lease(handle.task_id), []
    assert traces is not None

    async def runs() -> None:
        ran.append(one)

    await traces.follow([one], runs())
    assert ran == [one]


async def test_workers_export_over_otlp_what_they_run(
    engine: Engine, database: Database, spans: InMemorySpanExporter, environment: dict[str, str]
) -> None:
    async with receiving() as collector:
        traced = environment | {
            "TASKFLOW_TRACING_ENABLED": "true",
            "TASKFLOW_TRACING_SERVICE_NAME": "shop-workers",
            "TASKFLOW_WORKER_PROCESSES": "1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.port}",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }

        def exported() -> list[tuple[str, Span]]:
            requests = [
                ExportTraceServiceRequest.FromString(m.body) for m in collector.messages if m.path == "/v1/traces"
            ]
            return [
                (resource.resource.attributes[0].value.string_value, span)
                for request in requests
                for resource in request.resource_spans
                for scope in resource.scope_spans
                for span in scope.spans
            ]

        async with running(traced, "worker"):
            good = await engine.enqueue(tasks.add, 1, right=2)
            bad = await engine.enqueue(tasks.fails_for_good)
            found = await eventually(lambda: exported() if len(exported()) >= 2 else None, seconds=60, what="two spans")
    produced = {str(attributes(span)["messaging.message.id"]): span for span in spans.get_finished_spans()}
    consumed = {
        next(a.value.string_value for a in span.attributes if a.key == "messaging.message.id"): span
        for _, span in found
    }
    for handle, code in ((good, Span().status.STATUS_CODE_UNSET), (bad, Span().status.STATUS_CODE_ERROR)):
        parent, child = produced[str(handle.task_id)], consumed[str(handle.task_id)]
        assert child.parent_span_id == parent.context.span_id.to_bytes(8, "big")
        assert child.trace_id == parent.context.trace_id.to_bytes(16, "big")
        assert child.status.code == code
        assert child.kind == Span.SPAN_KIND_CONSUMER
