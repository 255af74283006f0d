"""Prometheus metrics of routes: the state that all workers share, so every gateway shows the same."""

from collections.abc import Iterable, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from taskflow.delivery.router.models import BreakerState, DomainState, RouteState

MOST_DOMAINS = 200  # that have a label of their own


class RouteMetrics(Collector):
    """Shows the states that it was last given."""

    def __init__(self) -> None:
        """Start without routes."""
        self.states: Sequence[RouteState] = ()
        self.domains: Sequence[DomainState] = ()

    def collect(self) -> Iterable[Metric]:
        """Yield the families."""
        breaker = GaugeMetricFamily(
            "taskflow_route_breaker",
            "1 for the state that a provider's circuit breaker is in.",
            labels=["route", "state"],
        )
        usable = GaugeMetricFamily("taskflow_route_usable", "1 while a provider takes messages.", labels=["route"])
        left = GaugeMetricFamily(
            "taskflow_route_budget_left", "Messages that a provider's budget still allows.", labels=["route", "span"]
        )
        refused = CounterMetricFamily(
            "taskflow_route_refused",
            "Messages that a provider could not be given: its breaker (open, probing, forced), a budget (second, "
            "minute, day), its pace (throttled, quota), or that of a recipient domain (domain).",
            labels=["route", "reason"],
        )
        failovers = CounterMetricFamily(
            "taskflow_route_failovers", "Messages that a provider took over from another.", labels=["route"]
        )
        for state in self.states:
            name = state.route.name
            for one in BreakerState:
                breaker.add_metric([name, one], float(state.breaker is one))
            usable.add_metric([name], float(state.usable))
            for budget in state.budgets:
                left.add_metric([name, budget.span], budget.left)
            for reason, count in sorted(state.refused.items()):
                refused.add_metric([name, reason], count)
            failovers.add_metric([name], state.failovers)
        yield from (breaker, usable, left, refused, failovers, *_of_domains(self.domains))


def _of_domains(domains: Sequence[DomainState]) -> Iterable[Metric]:
    """Yield the families of `MOST_DOMAINS` recipient domains: those that have a limit come before the others."""
    left = GaugeMetricFamily(
        "taskflow_recipient_domain_left",
        "Messages that the limit of a recipient domain still allows.",
        labels=["domain", "span"],
    )
    pace = GaugeMetricFamily(
        "taskflow_recipient_domain_per_second",
        "Messages a second that a recipient domain is tried with through a provider, where it has asked for less.",
        labels=["domain", "route"],
    )
    for state in sorted(domains, key=lambda one: one.limit is None)[:MOST_DOMAINS]:
        for budget in state.budgets:
            left.add_metric([state.domain, budget.span], budget.left)
        for one in state.paces:
            pace.add_metric([state.domain, one.route], one.per_second or 0.0)
    yield from (left, pace)
