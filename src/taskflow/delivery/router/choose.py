"""Which providers may have a message, and in which order they are asked.

By class, sending domain and DLT; a sandbox only where no real provider of its channel comes before it, because what
it keeps counts as sent; then by priority, the smallest first; among those of one priority each comes first as
often as its weight says. Whether one takes a message now is decided by its breaker and budgets, in Redis.
"""

import random
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from taskflow.delivery.providers.contract import MessageClass
from taskflow.delivery.router.models import Ask, Route

_LEAST_WEIGHT = 1e-9


def usable(routes: Iterable[Route], ask: Ask, among: Collection[str] | None = None) -> list[Route]:
    """Return the routes that this message may take at all, of those that are `among` these (None: any).

    One that needs DLT never takes one without.
    """
    fitting = [
        route
        for route in routes
        if ask.message_class in route.classes
        and (not route.sending_domains or ask.sending_domain in route.sending_domains)
    ]
    return [
        _with_share(route, ask.message_class)
        for route in fitting
        if (route.supports_dlt or not ask.requires_dlt)
        and route.name not in ask.without
        and (among is None or route.name in among)
        and not (route.is_sandbox and any(_is_before(other, route) for other in fitting))
    ]


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
