"""Which providers may have a message, and in which order they are asked.

By class, sending domain and DLT; a sandbox only where no real provider of its channel comes before it, because what
it keeps counts as sent; then by priority, the smallest first; among those of one priority each comes first as
often as its weight says. Both are the provider's own, unless it has a preference for such messages: of those that fit,
the one with the longest domain counts, and of these the one that names the class. Whether a provider takes a message
now is decided by its breaker and budgets, in Redis.
"""

import random
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from taskflow.delivery.addresses import is_within
from taskflow.delivery.providers.contract import MessageClass
from taskflow.delivery.router.models import Ask, Route

_LEAST_WEIGHT = 1e-9


def usable(routes: Iterable[Route], ask: Ask, among: Collection[str] | None = None) -> list[Route]:
    """Return the routes that this message may take at all, of those that are `among` these (None: any).

    One that needs DLT never takes one without.
    """
    fitting = [
        _as_preferred(route, ask)
        for route in routes
        if ask.message_class in route.classes
        and (not route.sending_domains or any(is_within(ask.sending_domain, one) for one in route.sending_domains))
    ]
    return [
        _with_share(route, ask.message_class)
        for route in fitting
        if (route.supports_dlt or not ask.requires_dlt)
        and route.name not in ask.without
        and (among is None or route.name in among)
        and not (route.is_sandbox and any(_is_before(other, route) for other in fitting))
    ]


def _as_preferred(route: Route, ask: Ask) -> Route:
    """Return a route with the priority and weight that it has for such a message."""
    fitting = [
        one
        for one in route.preferences
        if one.message_class in (None, ask.message_class)
        and (not one.domain or is_within(ask.sending_domain, one.domain))
    ]
    if not fitting:
        return route
    best = max(fitting, key=lambda one: (len(one.domain), one.message_class is not None))
    return replace(route, priority=best.priority or route.priority, weight=best.weight or route.weight)


def _is_before(other: Route, sandbox: Route) -> bool:
    """Tell whether a real provider is asked before a sandbox, whatever state it is in."""
    return not other.is_sandbox and other.channel is sandbox.channel and other.priority <= sandbox.priority


def _with_share(route: Route, message_class: MessageClass) -> Route:
    """Return a route with the budgets that a class may use: bulk leaves a tenth to transactional messages."""
    if message_class is MessageClass.BULK and MessageClass.TRANSACTIONAL in route.classes:
        return replace(route, budgets=route.budgets.for_bulk)
    return route


def order(routes: Sequence[Route], rng: random.Random) -> list[Route]:
    """Return routes in the order in which they are asked.

    A weighted shuffle without replacement: Efraimidis and Spirakis, Weighted random sampling with a reservoir (2006).
    """
    if len(routes) < 2:
        return list(routes)
    drawn = {route.name: rng.random() ** (1 / max(route.weight, _LEAST_WEIGHT)) for route in routes}
    return sorted(routes, key=lambda route: (route.priority, -drawn[route.name]))
