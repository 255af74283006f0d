"""The routes of an installation: its enabled providers.

Without one for mail, the server that the settings name; without one for texts, the sandbox inbox.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from taskflow.audience.channels import Channel
from taskflow.db.pool import Database
from taskflow.delivery.providers.contract import Kind, MessageClass
from taskflow.delivery.providers.email.smtp import smtp_name
from taskflow.delivery.providers.models import ProviderRow
from taskflow.delivery.providers.opening import SMS_FALLBACK, Opener
from taskflow.delivery.providers.registry import Registry
from taskflow.delivery.providers.repository import ProviderReader
from taskflow.delivery.router.domain_limits import configured_limits
from taskflow.delivery.router.models import EVERY_CLASS, Budgets, Preference, Route
from taskflow.delivery.router.service import ReadRoutes, Router
from taskflow.engine.context import WorkerContext
from taskflow.settings import Settings


def configured_routes(database: Database, settings: Settings, registry: Registry) -> ReadRoutes:
    """Return what reads them."""
    reader = ProviderReader(database.pool)
    kinds = {kind.name: kind for kind in registry.kinds}

    async def read() -> Sequence[Route]:
        rows = await reader.all()
        routes = [route_of(row, kinds.get(row.kind)) for row in rows if row.enabled]
        if not any(row.channel is Channel.EMAIL for row in rows):
            routes.append(Route(smtp_name(settings)))
        if not any(row.channel is Channel.SMS for row in rows):
            routes.append(Route(SMS_FALLBACK, channel=Channel.SMS, supports_dlt=True))
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
async def open_router(context: WorkerContext) -> AsyncIterator[Router]:
    """Open the router of a worker process; `context.resource(open_router)` is the one that its senders share."""
    routes = configured_routes(context.database, context.settings, Registry.installed())
    limits = configured_limits(context.database)
    router = Router(
        context.database, context.broker, context.settings.router, routes,
        limits=limits, slot=context.slot, meter=context.meter,
    )  # fmt: skip
    async with router:
        yield router


def _preference(kept: Mapping[str, Any]) -> Preference:
    named = kept.get("message_class")
    return Preference(
        message_class=None if named is None else MessageClass(named),
        domain=kept.get("domain") or "",
        priority=kept.get("priority"),
        weight=kept.get("weight"),
    )


def route_of(row: ProviderRow, kind: Kind | None) -> Route:
    """Return a provider as the router sees it; `kind` None: it is not installed here."""
    return Route(
        name=row.name,
        priority=row.priority,
        weight=row.weight,
        preferences=tuple(map(_preference, row.preferences)),
        classes=frozenset(map(MessageClass, row.classes)) or EVERY_CLASS,
        sending_domains=frozenset(row.domains),
        supports_dlt=kind is not None and kind.supports_dlt,
        budgets=Budgets(row.per_second, row.per_minute, row.per_day, tuple(row.warm_up)),
        channel=row.channel,
        is_sandbox=kind is not None and kind.is_sandbox,
    )
