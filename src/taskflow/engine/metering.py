"""Metrics of task libraries: counted in a worker's processes, shown by their node beside its own.

A library declares a `Family`, of which the node is told (`worker.node.run`); its tasks count into it with
`worker_context().meter`. Labels take few values: names and kinds, never ids. A process keeps at most `board.SERIES`
series; what comes later is not counted.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

_BETWEEN = "\x1f"
_SUM = "sum"
_INFINITY = "+Inf"


class Family(NamedTuple):
    """A metric: a counter, or a histogram where it has buckets (their upper bounds, ascending)."""

    name: str
    documentation: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...] = ()


class Meter:
    """Counts for one process."""

    def __init__(self, add: Callable[[str, float], None] | None = None) -> None:
        """`add` adds to a series by its name; without one, nothing is counted."""
        self._add = add or _nowhere

    def count(self, family: Family, *labels: str, by: float = 1.0) -> None:
        """Add to a counter."""
        self._add(_series(family, labels), by)

    def observe(self, family: Family, *labels: str, value: float) -> None:
        """Note a value in a histogram."""
        bound = next((f"{bucket:g}" for bucket in family.buckets if value <= bucket), _INFINITY)
        self._add(_series(family, (*labels, bound)), 1.0)
        self._add(_series(family, (*labels, _SUM)), value)


def exposed(families: Iterable[Family], sums: Mapping[str, float]) -> Iterable[Metric]:
    """Yield families with what the processes of a node have counted, by series."""
    for family in families:
        found: dict[tuple[str, ...], float] = {}
        for series, value in sums.items():
            name, *labels = series.split(_BETWEEN)
            if name == family.name:
                found[tuple(labels)] = value
        yield _histogram(family, found) if family.buckets else _counter(family, found)


def _counter(family: Family, found: Mapping[tuple[str, ...], float]) -> Metric:
    counter = CounterMetricFamily(family.name, family.documentation, labels=family.labels)
    for labels, value in sorted(found.items()):
        counter.add_metric(labels, value)
    return counter


def _histogram(family: Family, found: Mapping[tuple[str, ...], float]) -> Metric:
    """Return a histogram: here each bucket has its own values only, in Prometheus those of all below it, too."""
    histogram = HistogramMetricFamily(family.name, family.documentation, labels=family.labels)
    for labels in sorted({labels[:-1] for labels in found}):
        total, buckets = 0.0, []
        for bound in (*(f"{bucket:g}" for bucket in family.buckets), _INFINITY):
            total += found.get((*labels, bound), 0.0)
            buckets.append((bound, total))
        histogram.add_metric(labels, buckets, found.get((*labels, _SUM), 0.0))
    return histogram


def _series(family: Family, labels: tuple[str, ...]) -> str:
    return _BETWEEN.join((family.name, *labels))


def _nowhere(_series: str, _by: float) -> None:
    """Count nothing."""
