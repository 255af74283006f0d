"""`/metrics` for Prometheus: what this process served, and the gauges of the whole installation.

Open to a scraper on this machine; from elsewhere it takes an administrator or an API key with the scope `metrics`.
A request that a proxy on this machine passed on comes from elsewhere.
"""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics import MetricWrapperBase

from taskflow.api.stats import QueueStats, Stats, StatsCounter
from taskflow.base.errors import ForbiddenError, UnauthenticatedError
from taskflow.delivery.router.board import RouteBoard, RoutesUnseenError
from taskflow.delivery.router.metrics import RouteMetrics
from taskflow.delivery.router.models import DomainState, RouteState
from taskflow.delivery.router.recipient_domains import RecipientDomains
from taskflow.identity.access import service
from taskflow.identity.models import METRICS, Principal, Role

router = APIRouter(tags=["metrics"])

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_MOST_QUEUES = 199  # that have a label of their own
_FORWARDED = ("x-forwarded-for", "forwarded", "x-real-ip")


class HttpMetrics:
    """Counts what this process serves; its registry is its own, so that two applications can live in one process."""

    def __init__(self) -> None:
        """Make the collectors."""
        self.registry = CollectorRegistry()
        self._routes = RouteMetrics()
        self.registry.register(self._routes)
        self._requests = Counter(
            "taskflow_http_requests", "Requests.", ["operation", "method", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "taskflow_http_request_seconds", "Duration.", ["operation"], buckets=_SECONDS, registry=self.registry
        )
        self._tasks = Gauge(
            "taskflow_tasks",
            "Tasks that have not ended: ready, scheduled, running. From the 200th queue on, `other`.",
            ["queue", "state"],
            registry=self.registry,
        )
        self._oldest = Gauge(
            "taskflow_queue_oldest_seconds",
            "How long the oldest ready task of a queue has waited.",
            ["queue"],
            registry=self.registry,
        )
        self._throughput = Gauge(
            "taskflow_queue_completed_per_second",
            "Completions of a queue, over the last minute.",
            ["queue"],
            registry=self.registry,
        )
        self._gauges = {
            name: Gauge(f"taskflow_{name}", text, registry=self.registry)
            for name, text in {
                "workers_active": "Worker nodes that live.",
                "workers_capacity": "Tasks that they can run at a time.",
                "workers_load": "Tasks that they run.",
                "campaigns_running": "Campaigns under way.",
                "messages_uncertain": "UNCERTAIN messages, of campaigns and without one: somebody has to decide.",
                "dead_letters": "Dead letters that nobody has requeued.",
                "tasks_failed_last_hour": "Tasks that ended FAILED or TIMEOUT within an hour.",
                "tasks_completed_per_second": "Completions, over the last minute.",
            }.items()
        }

    @property
    def collectors(self) -> tuple[MetricWrapperBase, ...]:
        """All of them, for the reference."""
        return (
            self._requests, self._seconds, self._tasks, self._oldest, self._throughput, *self._gauges.values()
        )  # fmt: skip

    def observe(self, operation: str, method: str, status: int, seconds: float) -> None:
        """Count one request."""
        self._requests.labels(operation, method, str(status)).inc()
        self._seconds.labels(operation).observe(seconds)

    def expose(self, stats: Stats, routes: Sequence[RouteState], domains: Sequence[DomainState]) -> bytes:
        """Return everything in Prometheus's text format."""
        self._show_queues(stats.tasks.queues)
        self._routes.states, self._routes.domains = routes, domains
        values = {
            "workers_active": stats.workers.active,
            "workers_capacity": stats.workers.capacity,
            "workers_load": stats.workers.load,
            "campaigns_running": stats.campaigns.running,
            "messages_uncertain": stats.messages.uncertain,
            "dead_letters": stats.dead_letters,
            "tasks_failed_last_hour": stats.tasks.failed_last_hour,
            "tasks_completed_per_second": stats.tasks.completed_per_second,
        }
        for name, value in values.items():
            self._gauges[name].set(value)
        return generate_latest(self.registry)

    def _show_queues(self, queues: Sequence[QueueStats]) -> None:
        for gauge in (self._tasks, self._oldest, self._throughput):
            gauge.clear()
        for queue in _bounded(queues):
            for state in ("ready", "scheduled", "running"):
                self._tasks.labels(queue.queue, state).set(getattr(queue, state))
            self._oldest.labels(queue.queue).set(queue.oldest_seconds or 0.0)
            self._throughput.labels(queue.queue).set(queue.completed_per_second)


class MetricsGuard:
    """Lets scrapers in."""

    async def __call__(self, request: Request) -> None:
        """Refuse callers from elsewhere without the right.

        Raises:
            UnauthenticatedError, ForbiddenError: as they say.
        """
        principal: Principal | None = request.state.principal
        if principal is None:
            if not _is_local(request):
                raise UnauthenticatedError
        elif (principal.role is not Role.ADMIN or principal.is_narrow) and METRICS not in principal.scopes:
            raise ForbiddenError(f"This needs an administrator or an API key with the scope `{METRICS}`.")


@router.get(
    "/metrics",
    dependencies=[Depends(MetricsGuard())],
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def get_metrics(
    metrics: Annotated[HttpMetrics, service(HttpMetrics)],
    counter: Annotated[StatsCounter, service(StatsCounter)],
    board: Annotated[RouteBoard, service(RouteBoard)],
    recipients: Annotated[RecipientDomains, service(RecipientDomains)],
) -> Response:
    """Get metrics in Prometheus's text format."""
    try:
        routes, domains = await board.look(), await recipients.look()
    except RoutesUnseenError:
        routes, domains = [], []
    return Response(metrics.expose(await counter.read(), routes, domains), media_type=CONTENT_TYPE_LATEST)


def _bounded(queues: Sequence[QueueStats]) -> Sequence[QueueStats]:
    """Return the queues, those beyond the most that have a label as one."""
    rest = queues[_MOST_QUEUES:]
    if not rest:
        return queues
    other = QueueStats(
        queue="other",
        ready=sum(queue.ready for queue in rest),
        scheduled=sum(queue.scheduled for queue in rest),
        running=sum(queue.running for queue in rest),
        paused=all(queue.paused for queue in rest),
        oldest_seconds=max(queue.oldest_seconds or 0.0 for queue in rest),
        completed_per_second=sum(queue.completed_per_second for queue in rest),
    )
    return [*queues[:_MOST_QUEUES], other]


def _is_local(request: Request) -> bool:
    peer = request.client.host if request.client else "127.0.0.1"
    try:
        local = ip_address(peer).is_loopback
    except ValueError:
        local = False
    return local and not any(name in request.headers for name in _FORWARDED)
