"""The routes of an installation: its enabled providers; without one for mail, the server that the settings name."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.delivery.providers.catalogue import ProviderCatalogue
from taskflow.delivery.providers.contract import Channel
from taskflow.delivery.providers.email.smtp import smtp_name
from taskflow.delivery.providers.models import ProviderRow
from taskflow.delivery.providers.opening import Opener
from taskflow.delivery.providers.registry import Registry
from taskflow.delivery.providers.repository import ProviderReader
from taskflow.delivery.router.models import EVERY_CLASS, Budgets, MessageClass, Route
from taskflow.delivery.router.service import ReadRoutes, Router
from taskflow.settings import Settings


def configured_routes(database: Database, settings: Settings, registry: Registry) -> ReadRoutes:
    """Return what reads them."""
    reader = ProviderReader(database.pool)
    with_dlt = {kind.name for kind in registry.kinds if kind.supports_dlt}

    async def read() -> Sequence[Route]:
        rows = await reader.all()
        routes = [_route(row, supports_dlt=row.kind in with_dlt) for row in rows if row.enabled]
        if not any(row.channel is Channel.EMAIL for row in rows):
            routes.append(Route(smtp_name(settings)))
        return routes

    return read


def unopenable(database: Database, opener: Opener) -> Callable[[], Awaitable[Mapping[str, str]]]:
    """Return what says which enabled providers cannot be opened, by name, and why."""
    reader = ProviderReader(database.pool)

    async def read() -> Mapping[str, str]:
        rows = [row for row in await reader.all() if row.enabled]
        return {row.name: why for row in rows if (why := opener.why_not(row)) is not None}

    return read


@asynccontextmanager
async def open_routing(
    database: Database, broker: RedisBroker, settings: Settings, *, slot: int = 0
) -> AsyncIterator[tuple[Router, ProviderCatalogue]]:
    """Open a router and the providers it chooses among, with connections of their own.

    `slot`: the row of counters that this process writes (`WorkerContext.slot`).
    """
    registry = Registry.installed()
    routes = configured_routes(database, settings, registry)
    async with (
        ProviderCatalogue.open(database, settings, registry) as providers,
        Router(database, broker, settings.router, routes, slot=slot) as router,
    ):
        yield router, providers


def _route(row: ProviderRow, *, supports_dlt: bool) -> Route:
    return Route(
        name=row.name,
        priority=row.priority,
        weight=row.weight,
        classes=frozenset(map(MessageClass, row.classes)) or EVERY_CLASS,
        sending_domains=frozenset(row.domains),
        supports_dlt=supports_dlt,
        budgets=Budgets(row.per_second, row.per_minute, row.per_day, tuple(row.warm_up)),
    )
