"""Prometheus metrics of a worker node: what its children have counted on their boards, dead children included.

Labels hold no ids: outcomes are eight, task names at most a hundred a process. Families of task libraries come with
them (`engine.metering`).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from taskflow.engine.metering import Family, exposed
from taskflow.engine.worker.board import ENDS
from taskflow.engine.worker.tally import Tally


class NodeFigures(NamedTuple):
    """A node at this moment.

    Attributes:
        running: calls under way; a batch is one.
        held: tasks claimed and not yet settled.
        capacity: calls that may be under way at a time.
    """

    tally: Tally
    running: int
    held: int
    capacity: int
    processes: int


class NodeMetrics(Collector):
    """Reads the boards when it is asked."""

    def __init__(self, figures: Callable[[], NodeFigures], families: Sequence[Family] = ()) -> None:
        """`figures` returns those of the node; `families` are those that its tasks count into."""
        self._figures = figures
        self._families = families
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """Yield the families."""
        now = self._figures()
        attempts = CounterMetricFamily(
            "taskflow_worker_attempts",
            "Attempts by how they ended; stale: the lease was gone, so the completion was rejected.",
            labels=["outcome"],
        )
        ends = now.tally.ends
        for counter in ENDS:
            total = sum(count for (_, end), count in ends.items() if end is counter)
            attempts.add_metric([counter.name.lower()], total)
        yield attempts
        tasks = CounterMetricFamily(
            "taskflow_worker_task_attempts",
            "Attempts by task name and how they ended; from the hundredth name of a process on, `other`.",
            labels=["task_name", "outcome"],
        )
        for (name, counter), count in sorted(ends.items()):
            tasks.add_metric([name, counter.name.lower()], count)
        yield tasks
        seconds = CounterMetricFamily(
            "taskflow_worker_task_seconds", "Seconds that attempts of a task name ran.", labels=["task_name"]
        )
        for name, total_seconds in sorted(now.tally.seconds.items()):
            seconds.add_metric([name], total_seconds)
        yield seconds
        yield GaugeMetricFamily("taskflow_worker_running", "Calls under way: how busy the node is.", value=now.running)
        yield GaugeMetricFamily("taskflow_worker_capacity", "Calls that may be under way.", value=now.capacity)
        yield GaugeMetricFamily("taskflow_worker_held", "Tasks claimed and not yet settled.", value=now.held)
        yield GaugeMetricFamily("taskflow_worker_processes", "Child processes.", value=now.processes)
        yield from exposed(self._families, now.tally.series)

    def expose(self) -> bytes:
        """Return everything in Prometheus's text format."""
        return generate_latest(self._registry)
