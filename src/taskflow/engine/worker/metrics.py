"""Prometheus metrics of a worker node: what its children have counted on their boards, dead children included."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from taskflow.engine.worker.board import GAUGES, Counter

_ENDS = [counter for counter in Counter if counter not in GAUGES]


class NodeMetrics(Collector):
    """Reads the boards when it is asked."""

    def __init__(self, counters: Callable[[], Mapping[str, int]]) -> None:
        """`counters` returns the node's sums by the lower-case names of `Counter`."""
        self._counters = counters
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """Yield the families."""
        now = self._counters()
        ends = CounterMetricFamily(
            "taskflow_worker_attempts",
            "Attempts by how they ended; stale: the lease was gone, so the completion was rejected.",
            labels=["outcome"],
        )
        for counter in _ENDS:
            name = counter.name.lower()
            ends.add_metric([name], now.get(name, 0))
        yield ends
        yield GaugeMetricFamily("taskflow_worker_running", "Calls under way.", value=now.get("running", 0))
        yield GaugeMetricFamily("taskflow_worker_held", "Tasks claimed and not yet settled.", value=now.get("held", 0))

    def expose(self) -> bytes:
        """Return everything in Prometheus's text format."""
        return generate_latest(self._registry)
