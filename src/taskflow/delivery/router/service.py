"""The router of one process: who gets a message now, what became of it, and what providers are doing.

A window of messages costs one round trip to Redis: `reserve` chooses and counts in one step (`reserve.lua`). What
became of them is told in another that nobody waits for, together with what others tell at that moment; unless it
changes who gets the next message (a fault, a throttle, a probe, something given back): then it is waited for.

When Redis is empty, whoever asks first restores breakers and budgets from PostgreSQL. While Redis or PostgreSQL does
not answer, everybody waits: a message that nobody counted is not sent.
"""

import asyncio
import contextlib
import random
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, Self

from redis.exceptions import RedisError

from taskflow.base.ids import uuid7
from taskflow.base.logging import get_logger
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.outages import DATABASE_AWAY
from taskflow.db.pool import Database
from taskflow.delivery.router.breaker import Report, policy
from taskflow.delivery.router.budgets import UsageLog, known
from taskflow.delivery.router.choose import order, usable
from taskflow.delivery.router.models import (
    Ask,
    BreakerState,
    Change,
    Choice,
    Route,
    Wait,
    as_budgets,
)
from taskflow.delivery.router.scripts import Script, listed
from taskflow.settings.router import RouterSettings

log = get_logger(__name__)

ReadRoutes = Callable[[], Awaitable[Sequence[Route]]]

_ROUTES_SECONDS = 2.0  # how long a change of providers goes unseen
_AWAY_SECONDS = 1.0
_NO_ROUTE_SECONDS = 30.0

WHY = {
    "forced": "{route} is switched off by hand.",
    "open": "{route} has failed too often: its circuit breaker is open.",
    "probing": "{route} is tried with a few messages after it has failed.",
    "second": "{route} has had its messages of this second.",
    "minute": "{route} has had its messages of this minute.",
    "day": "{route} has had its messages of these 24 hours.",
    "throttled": "{route} has asked for fewer messages.",
    "quota": "{route} says that its quota is used up.",
    "domain_throttled": "{domain} has asked {route} for fewer messages.",
    "campaign": "The campaign has had its messages of this minute.",
}
AWAY = Wait(_AWAY_SECONDS, "Redis or PostgreSQL does not answer: budgets cannot be kept without either.")


class Router:
    """Chooses providers; one per process."""

    def __init__(
        self,
        database: Database,
        broker: RedisBroker,
        settings: RouterSettings,
        routes: ReadRoutes,
        *,
        slot: int = 0,
        rng: random.Random | None = None,
    ) -> None:
        """Ask nobody anything yet.

        Args:
            database: where budgets are remembered.
            broker: where they are decided.
            settings: of the breakers.
            routes: returns the providers in use; asked every two seconds at most.
            slot: of this process in `provider_usage`.
            rng: draws among providers of one priority, and the jitter of breakers.
        """
        self._pool = database.pool
        self._usage = UsageLog(database.pool, slot)
        self._policy = policy(settings)
        self._read_routes = routes
        self._routes: tuple[float, Sequence[Route]] = (0.0, ())
        self._rng = rng or random.Random()  # noqa: S311 - no secret
        prefix = broker.keys.prefix
        self._reserve, self._settle, self._restore = (
            Script(broker.redis, name, prefix) for name in ("reserve", "settle", "restore")
        )
        self._reports: deque[tuple[Sequence[Report], asyncio.Future[None]]] = deque()
        self._teller: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin; nothing is opened before it is needed."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Tell what has not been told, write what has not been written."""
        if self._teller is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await self._teller
        await self._usage.close()

    async def routes(self) -> Sequence[Route]:
        """Return the providers in use, as they were two seconds ago at most."""
        read_at, routes = self._routes
        if not read_at or time.monotonic() - read_at > _ROUTES_SECONDS:
            routes = await self._read_routes()
            self._routes = (time.monotonic(), routes)
        return routes

    # -- before

    async def reserve(self, asks: Sequence[Ask], among: Collection[str] | None = None) -> list[Choice | Wait]:
        """Choose and count a provider for each message, of those whose names are `among` these (None: any)."""
        answers: list[Choice | Wait] = [AWAY] * len(asks)
        if not await self._usage.has_room(_AWAY_SECONDS):
            return answers
        groups: defaultdict[tuple[Any, ...], list[int]] = defaultdict(list)
        for index, ask in enumerate(asks):
            groups[ask.terms].append(index)
        try:
            routes = [route for route in await self.routes() if among is None or route.name in among]
            for indexes in groups.values():
                domains = [asks[index].recipient_domain for index in indexes]
                found = await self._reserve_alike(routes, asks[indexes[0]], domains)
                for index, answer in zip(indexes, found, strict=True):
                    answers[index] = answer
        except (RedisError, *DATABASE_AWAY) as error:
            log.warning("router_waits", error=str(error) or type(error).__name__)
        return answers

    async def _reserve_alike(self, routes: Sequence[Route], terms: Ask, domains: Sequence[str]) -> list[Choice | Wait]:
        """Reserve for messages that differ in their recipients' domains only."""
        candidates = order(usable(routes, terms), self._rng)
        if not candidates:
            return [_no_route(terms)] * len(domains)
        at: defaultdict[str, list[int]] = defaultdict(list)
        for index, domain in enumerate(domains):
            at[domain].append(index)
        reply = await self._reserved(candidates, terms, [(domain, len(indexes)) for domain, indexes in at.items()])
        answers: list[Choice | Wait] = [AWAY] * len(domains)
        names, given = list(at), defaultdict[str, int](int)
        for route_number, domain_number, count, probe in listed(reply["grants"]):
            choice = Choice(candidates[route_number - 1], reply["now"], probe or None)
            given[choice.route.name] += count
            indexes = at[names[domain_number - 1]]
            for _ in range(count):
                answers[indexes.pop()] = choice
        for domain_number, milliseconds, why, route_number in listed(reply["waits"]):
            domain = names[domain_number - 1]
            route = candidates[route_number - 1].name if route_number else ""
            wait = Wait(milliseconds / 1000, WHY[why].format(route=route, domain=domain))
            for index in at[domain]:
                answers[index] = wait
        for name, count in given.items():
            self._usage.add(name, reply["now"], count, is_urgent=self._is_urgent(name))
        self._usage.note(listed(reply["first"]), self._heard(reply))
        return answers

    async def _reserved(self, candidates: Sequence[Route], terms: Ask, domains: Sequence[tuple[str, int]]) -> Any:
        request: dict[str, Any] = {
            "policy": self._policy,
            "routes": [{"name": route.name, "budgets": as_budgets(route.budgets)} for route in candidates],
            "domains": domains,
            "probe": str(uuid7()),
        }
        if terms.campaign_id is not None and terms.campaign_per_minute is not None:
            request |= {"campaign": str(terms.campaign_id), "per_minute": terms.campaign_per_minute}
        while True:
            reply = await self._reserve(**request)
            if not reply.get("nogen"):
                return reply
            if await self._restore(providers=await known(self._pool)):
                log.info("router_restored")

    # -- after

    async def settle(self, reports: Sequence[Report]) -> None:
        """Tell what became of messages; wait only when the next reservation must know it."""
        for report in reports:
            if report.unused:
                self._usage.add(
                    report.provider, report.taken_at, -report.unused, is_urgent=self._is_urgent(report.provider)
                )
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reports.append((reports, told))
        if self._teller is None or self._teller.done():
            self._teller = asyncio.create_task(self._tell_all())
        if any(report.is_urgent for report in reports):
            await told

    def _is_urgent(self, provider: str) -> bool:
        """Tell whether PostgreSQL must hear soon of what a provider got."""
        return any(route.name == provider and route.budgets.outlast_redis for route in self._routes[1])

    async def _tell_all(self) -> None:
        while self._reports:
            batch = list(self._reports)
            self._reports.clear()
            try:
                reports = [report.packed() for group, _ in batch for report in group]
                reply = await self._settle(policy=self._policy, random=self._rng.random(), reports=reports)
                self._usage.note((), self._heard(reply))
            except (RedisError, OSError) as error:
                # Breakers learn it from the next messages; what is not given back is counted until its time is over.
                log.warning("outcomes_untold", error=str(error) or type(error).__name__)
            finally:
                for _, told in batch:
                    if not told.done():
                        told.set_result(None)

    @staticmethod
    def _heard(reply: Any) -> list[Change]:
        changes = [Change(name, BreakerState(state), reason) for name, state, reason in listed(reply["changes"])]
        for change in changes:
            log.warning("breaker_changed", provider=change.provider, state=change.state, reason=change.reason)
        return changes


def _no_route(terms: Ask) -> Wait:
    if terms.without:
        return Wait(_AWAY_SECONDS, "No other provider may have this message.", is_for_want=True)
    what = f"{terms.message_class} messages"
    if terms.sending_domain:
        what += f" from {terms.sending_domain}"
    if terms.requires_dlt:
        what += " under DLT"
    return Wait(_NO_ROUTE_SECONDS, f"No provider takes {what}.")
