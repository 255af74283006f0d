"""How much a recipient domain may be sent, over all providers together: the limits as a router goes by them.

They are rows, decided in the same step as the budgets of providers (`exchange.lua`), counted beside them as `@domain`,
and remembered in the same way (`budgets.py`). Bulk leaves a tenth of them to transactional messages.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from taskflow.db.pool import Database
from taskflow.db.queries import load
from taskflow.delivery.providers.contract import MessageClass
from taskflow.delivery.router.budgets import UsageLog
from taskflow.delivery.router.models import Budgets, as_budgets

sql = load(__file__)

Limits = Mapping[str, Budgets]
"""Limits by domain, in lower case and ASCII."""

ReadLimits = Callable[[], Awaitable[Limits]]


def configured_limits(database: Database) -> ReadLimits:
    """Return what reads the limits of an installation."""

    async def read() -> Limits:
        rows = await database.pool.fetch(sql.domain_limits)
        return {row["domain"]: Budgets(row["per_second"], row["per_minute"], row["per_day"]) for row in rows}

    return read


async def no_limits() -> Limits:
    """Read that no domain has any."""
    return {}


class DomainLimits:
    """Those that one router knows."""

    def __init__(self, read: ReadLimits) -> None:
        """Know none before they are read."""
        self._read = read
        self._limits: Limits = {}
        self._shares: dict[MessageClass, dict[str, dict[str, Any]]] = {}

    async def refresh(self) -> None:
        """Read them anew."""
        limits = await self._read()
        if limits != self._limits:
            self._limits = limits
            self._shares = {
                MessageClass.TRANSACTIONAL: {domain: as_budgets(limit) for domain, limit in limits.items()},
                MessageClass.BULK: {domain: as_budgets(limit.for_bulk) for domain, limit in limits.items()},
            }

    def of(self, message_class: MessageClass) -> Mapping[str, Mapping[str, Any]]:
        """Return what a class may use of them, as the scripts read it."""
        return self._shares.get(message_class, {})

    def note(self, usage: UsageLog, messages: Mapping[str, int], at: int, *, given_back: bool = False) -> None:
        """Let PostgreSQL know of messages to domains that have a limit, at `at` ms."""
        if self._limits:
            for domain in messages.keys() & self._limits.keys():
                count = -messages[domain] if given_back else messages[domain]
                usage.add(f"@{domain}", at, count, is_urgent=self._limits[domain].outlast_redis)
