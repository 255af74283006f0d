"""Recipient domains, for people: their limits, how much of them is used, and which have asked for less."""

from collections import defaultdict
from typing import Any
from uuid import UUID

from redis.exceptions import RedisError

from taskflow.audience.channels import Channel
from taskflow.base.errors import NotFoundError
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.delivery.router.board import RouteBoard, RoutesUnseenError
from taskflow.delivery.router.domain_limits import configured_limits, sql
from taskflow.delivery.router.models import Budgets, BudgetState, DomainPace, DomainState, as_budgets
from taskflow.delivery.router.scripts import Script, listed
from taskflow.delivery.router.service import WHY

MOST_SLOWED = 1_000  # of domains that have asked for less; the last ones are shown


class DomainLimitNotFoundError(NotFoundError):
    """The recipient domain has no limit."""

    code = "domain_limit_not_found"


class RecipientDomains:
    """Recipient domains, seen and limited."""

    def __init__(self, database: Database, broker: RedisBroker, board: RouteBoard) -> None:
        """Use what the process has opened; `board` wakes who waits."""
        self._board = board
        self._pool = database.pool
        self._limits = configured_limits(database)
        self._look = Script(broker.redis, "domains", broker.keys.prefix)

    async def look(self) -> list[DomainState]:
        """Return the domains that have a limit or have asked for less, by name.

        Raises:
            RoutesUnseenError: Redis does not answer.
        """
        limits = await self._limits()
        asked = [(domain, as_budgets(limit)) for domain, limit in limits.items()]
        try:
            found = await self._look(limits=asked, most=MOST_SLOWED)
        except (RedisError, OSError) as error:
            raise RoutesUnseenError from error
        paces = defaultdict[str, list[DomainPace]](list)
        for subject, rate, wait, why in listed(found["slowed"]):
            route, _, domain = subject.partition("/")
            waiting = WHY[f"domain_{why}"].format(route=route, domain=domain) if why else None
            paces[domain].append(DomainPace(route, rate or None, waiting, wait / 1000 if why else None))
        used = dict(zip(limits, listed(found["limited"]), strict=True))
        return [
            _state(domain, limits.get(domain), used.get(domain, {}), sorted(paces[domain], key=lambda pace: pace.route))
            for domain in sorted({*limits, *paces})
        ]

    async def limit(self, domain: str, limit: Budgets, *, by: UUID | None = None) -> None:
        """Set a domain's limit; routers go by it within two seconds, and count from then on."""
        await self._pool.execute(sql.limit_domain, domain, limit.per_second, limit.per_minute, limit.per_day, by)
        await self._board.changed(Channel.EMAIL)

    async def unlimit(self, domain: str) -> None:
        """Take a domain's limit away.

        Raises:
            DomainLimitNotFoundError: it has none.
        """
        if await self._pool.fetchval(sql.unlimit_domain, domain) is None:
            raise DomainLimitNotFoundError(f"{domain} has no limit; `taskflow route domains` shows those that have.")
        await self._board.changed(Channel.EMAIL)


def _state(domain: str, limit: Budgets | None, seen: dict[str, Any], paces: list[DomainPace]) -> DomainState:
    why = seen.get("why")
    return DomainState(
        domain=domain,
        limit=limit,
        budgets=[BudgetState(*use) for use in listed(seen.get("uses"))],
        waiting=WHY[f"domain_{why}"].format(domain=domain) if why else None,
        wait_seconds=seen["wait"] / 1000 if why else None,
        paces=paces,
    )
