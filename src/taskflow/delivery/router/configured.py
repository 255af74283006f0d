"""The routes of an installation: its enabled providers; without one for mail, the server that the settings name."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.delivery.providers.catalogue import ProviderCatalogue
from taskflow.delivery.providers.contract import Channel, Kind
from taskflow.delivery.providers.email.smtp import smtp_name
from taskflow.delivery.providers.models import ProviderRow
from taskflow.delivery.providers.registry import Registry
from taskflow.delivery.providers.repository import ProviderReader
from taskflow.delivery.router.models import EVERY_CLASS, Budgets, MessageClass, Route
from taskflow.delivery.router.service import ReadRoutes, Router
from taskflow.settings import Settings


def configured_routes(database: Database, settings: Settings, registry: Registry) -> ReadRoutes:
    """Return what reads them."""
    reader = ProviderReader(database.pool)
    kinds = {kind.name: kind for kind in registry.kinds}

    async def read() -> Sequence[Route]:
        rows = await reader.all()
        routes = [_route(row, kinds.get(row.kind)) for row in rows if row.enabled]
        if not any(row.channel is Channel.EMAIL for row in rows):
            routes.append(Route(smtp_name(settings)))
        return routes

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


def _route(row: ProviderRow, kind: Kind | None) -> Route:
    return Route(
        name=row.name,
        priority=row.priority,
        weight=row.weight,
        classes=frozenset(map(MessageClass, row.classes)) or EVERY_CLASS,
        sending_domains=frozenset(row.domains),
        supports_dlt=kind is not None and kind.supports_dlt,
        budgets=Budgets(row.per_second, row.per_minute, row.per_day, tuple(row.warm_up)),
        channel=row.channel,
        is_sandbox=kind is not None and kind.is_sandbox,
    )
