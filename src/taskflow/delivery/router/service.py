"""The router of one process: who gets a message now, what became of it, and what providers are doing.

Windows that ask at the same moment share one round trip to Redis, which chooses and counts in one step and hears what
became of others (`exchange.py`, `exchange.lua`). Nobody waits for that to be told, unless it changes who gets the next
message: a fault, a throttle, a probe, something given back.

When Redis is empty, whoever asks first restores breakers and budgets from PostgreSQL. While Redis or PostgreSQL does
not answer, everybody waits: a message that nobody counted is not sent.
"""

import random
import time
from collections import Counter, defaultdict
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
from taskflow.delivery.router.busy import BusyRecipients
from taskflow.delivery.router.choose import usable
from taskflow.delivery.router.domain_limits import DomainLimits, ReadLimits, no_limits
from taskflow.delivery.router.exchange import Answers, Exchange, Group, Lineup
from taskflow.delivery.router.holds import Holds
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
from taskflow.engine.metering import Meter
from taskflow.settings.router import RouterSettings

log = get_logger(__name__)

ReadRoutes = Callable[[], Awaitable[Sequence[Route]]]

_ROUTES_SECONDS = 2.0  # how long a change of providers goes unseen
_AGAIN_SECONDS = 0.2  # when something tells that there was one
_AWAY_SECONDS = 1.0
_NO_ROUTE_SECONDS = 30.0
_LINEUPS = 1_000  # terms that are kept in mind
_UNOPENED_SECONDS = 3.0

WHY = {
    "forced": "{route} is switched off by hand.",
    "open": "The circuit breaker of {route} is open. {reason}",
    "probing": "{route} is tried with a few messages after it has failed.",
    "second": "{route} has had its messages of this second.",
    "minute": "{route} has had its messages of this minute.",
    "day": "{route} has had its messages of these 24 hours.",
    "throttled": "{route} has asked for fewer messages.",
    "quota": "{route} says that its quota is used up.",
    "domain_throttled": "{domain} has asked {route} for fewer messages.",
    "domain_second": "{domain} has had its messages of this second.",
    "domain_minute": "{domain} has had its messages of this minute.",
    "domain_day": "{domain} has had its messages of these 24 hours.",
}
_LASTING = frozenset({"day", "quota", "domain_day"})
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
        limits: ReadLimits = no_limits,
        slot: int = 0,
        rng: random.Random | None = None,
        meter: Meter | None = None,
    ) -> None:
        """Ask nobody anything yet.

        Args:
            database: where budgets are remembered.
            broker: where they are decided.
            settings: of the breakers.
            routes: returns the providers in use; asked every two seconds, and when one is open that it has not named.
            limits: returns the limits of recipient domains; asked at the same times.
            slot: of this process in `provider_usage`.
            rng: draws among providers of one priority, and the jitter of breakers.
            meter: counts what providers do with messages.
        """
        self.meter = meter or Meter()
        self._pool = database.pool
        self._usage = UsageLog(database.pool, slot)
        self._policy = policy(settings)
        self._read_routes = routes
        self._routes: tuple[float, Sequence[Route]] = (0.0, ())
        self._limits = DomainLimits(limits)
        self._lineups: dict[tuple[Any, ...], Lineup] = {}
        self.holds = Holds()
        self._rng = rng or random.Random()  # noqa: S311 - no secret
        self.busy = BusyRecipients(rng=self._rng)
        prefix = broker.keys.prefix
        self._call, self._restore = (Script(broker.redis, name, prefix) for name in ("exchange", "restore"))
        self._exchange = Exchange(self._say)

    async def __aenter__(self) -> Self:
        """Begin; nothing is opened before it is needed."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Tell what has not been told, write what has not been written."""
        await self._exchange.close()
        await self._usage.close()

    async def routes(self, opened: Collection[str] = ()) -> Sequence[Route]:
        """Return the providers in use, as they were two seconds ago at most; anew if one that is open is not there."""
        read_at, routes = self._routes
        fresh_seconds = _ROUTES_SECONDS if {route.name for route in routes}.issuperset(opened) else _AGAIN_SECONDS
        if not read_at or time.monotonic() - read_at > fresh_seconds:
            routes = await self._read_routes()
            await self._limits.refresh()
            self._routes = (time.monotonic(), routes)
            self._lineups.clear()
        return routes

    # -- before

    async def reserve(self, asks: Sequence[Ask], among: Collection[str] | None = None) -> Answers:
        """Choose and count a provider for each message, of those whose names are `among` these (None: any)."""
        answers: Answers = [AWAY] * len(asks)
        if not await self._usage.has_room(_AWAY_SECONDS):
            return answers
        groups: defaultdict[tuple[Any, ...], list[int]] = defaultdict(list)
        for index, ask in enumerate(asks):
            groups[ask.terms].append(index)
        names = None if among is None else frozenset(among)
        try:
            for indexes in groups.values():
                terms = asks[indexes[0]]
                lineup = await self._lineup(terms, names)
                if lineup.routes:
                    found = await self._exchange.ask(lineup, [asks[index].recipient_domain for index in indexes])
                else:
                    found = [await self._no_route(terms)] * len(indexes)
                for index, answer in zip(indexes, found, strict=True):
                    answers[index] = answer
        except (RedisError, *DATABASE_AWAY) as error:
            log.warning("router_waits", error=str(error) or type(error).__name__)
        return answers

    async def _lineup(self, terms: Ask, among: frozenset[str] | None) -> Lineup:
        """Return who may have messages of these terms: the same one as long as providers do not change."""
        routes = await self.routes(among or ())
        key = (terms.terms, among)
        found = self._lineups.get(key)
        if found is None:
            if len(self._lineups) >= _LINEUPS:
                self._lineups.clear()
            found = Lineup(usable(routes, terms, among), self._limits.of(terms.message_class))
            self._lineups[key] = found
        return found

    async def _no_route(self, terms: Ask) -> Wait:
        """Return what messages wait for that nobody who is open here may have."""
        if terms.without:
            return Wait(_AWAY_SECONDS, "No other provider may have this message.", is_for_want=True)
        unopened = [route for route in usable(await self.routes(), terms) if route.channel is terms.channel]
        if unopened:
            names = ", ".join(route.name for route in unopened)
            return Wait(_UNOPENED_SECONDS, f"{names}: changed just now, or cannot be opened by this worker.")
        what = f"{terms.message_class} messages"
        if terms.sending_domain:
            what += f" from {terms.sending_domain}"
        if terms.requires_dlt:
            what += " under DLT"
        return Wait(_NO_ROUTE_SECONDS, f"No provider takes {what}.")

    # -- after

    async def settle(self, reports: Sequence[Report]) -> None:
        """Tell what became of messages; wait only when the next reservation must know it."""
        for report in reports:
            if report.unused:
                self._usage.add(
                    report.provider, report.taken_at, -report.unused, is_urgent=self._is_urgent(report.provider)
                )
                self._limits.note(self._usage, report.unused_to, report.taken_at, given_back=True)
        await self._exchange.tell(reports)

    # -- the call

    async def _say(self, groups: Sequence[Group], reports: Sequence[Report]) -> list[Answers]:
        """Tell reports and reserve for groups, in one step; restore the counters first where Redis has lost them."""
        drawn = [lineup.drawn(self._rng) for lineup, _ in groups]
        request = {
            "policy": self._policy,
            "random": self._rng.random(),
            "reports": [report.packed() for report in reports],
            "groups": [
                {
                    "routes": [{"name": route.name, "budgets": as_budgets(route.budgets)} for route in routes],
                    "domains": lineup.counted(domains),
                    "probe": str(uuid7()),
                }
                for routes, (lineup, domains) in zip(drawn, groups, strict=True)
            ],
        }
        reply = await self._call(**request)
        while reply.get("nogen"):
            if await self._restore(providers=await known(self._pool)):
                log.info("router_restored")
            reply = await self._call(**request)
        self._usage.note(listed(reply["first"]), _heard(reply))
        return [
            self._answers(reply["now"], routes, lineup, domains, found)
            for routes, (lineup, domains), found in zip(drawn, groups, listed(reply["groups"]), strict=True)
        ]

    def _answers(
        self, now: int, routes: Sequence[Route], lineup: Lineup, domains: Sequence[str], found: dict[str, Any]
    ) -> Answers:
        """Return an answer for each message of a group, and note what was given out."""
        answers: Answers = [AWAY] * len(domains)
        at: defaultdict[str, list[int]] = defaultdict(list)
        for index, domain in enumerate(domains):
            at[domain].append(index)
        names, given, to = list(at), Counter[str](), Counter[str]()
        limited = frozenset(at.keys() & lineup.limits.keys())
        for route_number, domain_number, count, probe in listed(found["grants"]):
            choice = Choice(routes[route_number - 1], now, probe or None, limited)
            given[choice.route.name] += count
            domain = names[domain_number - 1]
            to[domain] += count
            indexes = at[domain]
            for _ in range(count):
                answers[indexes.pop()] = choice
        for domain_number, milliseconds, why, route_number, told in listed(found["waits"]):
            domain = names[domain_number - 1]
            reason = WHY[why].format(route=routes[route_number - 1].name, domain=domain, reason=told)
            for_all = not why.startswith("domain_")
            wait = Wait(milliseconds / 1000, reason, for_all=for_all, is_lasting=why in _LASTING)
            for index in at[domain]:
                answers[index] = wait
        for name, count in given.items():
            self._usage.add(name, now, count, is_urgent=self._is_urgent(name))
        self._limits.note(self._usage, to, now)
        return answers

    def _is_urgent(self, provider: str) -> bool:
        """Tell whether PostgreSQL must hear soon of what a provider got."""
        return any(route.name == provider and route.budgets.outlast_redis for route in self._routes[1])


def _heard(reply: Any) -> list[Change]:
    changes = [Change(name, BreakerState(state), reason) for name, state, reason in listed(reply["changes"])]
    for change in changes:
        log.warning("breaker_changed", provider=change.provider, state=change.state, reason=change.reason)
    return changes
