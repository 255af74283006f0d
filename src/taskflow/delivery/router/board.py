"""What providers are doing, for people: states of breakers, what is left of budgets, why one takes nothing now."""

import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import asyncpg
from redis.exceptions import RedisError

from taskflow.audience.channels import Channel
from taskflow.audience.consent.service import CONFIRMATION_TASK
from taskflow.base.errors import NotFoundError, UnavailableError
from taskflow.base.logging import get_logger
from taskflow.broker.redis.broker import RedisBroker
from taskflow.broker.redis.events import Event
from taskflow.db.outages import DATABASE_AWAY
from taskflow.db.pool import Database
from taskflow.delivery.providers.catalogue import REFRESH_SECONDS
from taskflow.delivery.router.breaker import policy
from taskflow.delivery.router.budgets import sql
from taskflow.delivery.router.models import BreakerState, BudgetState, Override, Route, RouteState, as_budgets
from taskflow.delivery.router.scripts import Script, listed
from taskflow.delivery.router.service import WHY, ReadRoutes
from taskflow.settings.router import RouterSettings

log = get_logger(__name__)

_HISTORY = 10
_WAKES, _MOST_WAKES = 10_000, 10  # messages in a statement, and statements: the others come by themselves
_WAKING_SECONDS, _WAKING_PER_SECOND = 4.0, 2_000.0  # over how long they come: at least so long, at most so many
_KNOWN_MS = round(1_500 * REFRESH_SECONDS)  # until every sender has opened a provider anew


class RouteNotFoundError(NotFoundError):
    """There is no such route."""

    code = "route_not_found"


class RoutesUnseenError(UnavailableError):
    """Redis does not answer, and the states of routes are there."""

    code = "routes_unseen"


class RouteBoard:
    """The routes of the installation, seen and switched."""

    def __init__(
        self,
        database: Database,
        broker: RedisBroker,
        settings: RouterSettings,
        routes: ReadRoutes,
        unopenable: Callable[[], Awaitable[Mapping[str, str]]] | None = None,
    ) -> None:
        """`routes` returns the providers in use, `unopenable` those that cannot be opened, with the reason."""
        self._unopenable = unopenable
        self._pool = database.pool
        self._broker = broker
        self._policy = policy(settings)
        self._routes = routes
        self._look, self._forget, self._mended = (
            Script(broker.redis, name, broker.keys.prefix) for name in ("look", "forget", "mended")
        )

    async def look(self) -> list[RouteState]:
        """Return every route, the first to be asked first.

        Raises:
            RoutesUnseenError: Redis does not answer.
        """
        routes = sorted(await self._routes(), key=lambda route: (route.priority, route.name))
        if not routes:
            return []
        asked = [{"name": route.name, "budgets": as_budgets(route.budgets)} for route in routes]
        try:
            found = await self._look(policy=self._policy, routes=asked)
        except (RedisError, OSError) as error:
            raise RoutesUnseenError from error
        states = [_state(route, seen) for route, seen in zip(routes, found, strict=True)]
        why = await self._unopenable() if self._unopenable is not None else {}
        return [
            replace(state, waiting=why[state.route.name], wait_seconds=None) if state.route.name in why else state
            for state in states
        ]

    async def history(self, names: Sequence[str]) -> dict[str, list[asyncpg.Record]]:
        """Return the last changes of breakers by provider, the newest first."""
        rows = await self._pool.fetch(sql.history, list(names), _HISTORY)
        return {name: [row for row in rows if row["provider"] == name] for name in names}

    async def switch(self, name: str, word: Override | None) -> RouteState:
        """Force a breaker open or closed, or let it decide by itself again (None).

        It is kept in PostgreSQL and in force everywhere with the next message; a flush of Redis does not forget it.

        Raises:
            RouteNotFoundError: there is no such route.
            RoutesUnseenError: Redis does not answer; nothing has changed.
        """
        route = next((route for route in await self._routes() if route.name == name), None)
        if route is None:
            raise RouteNotFoundError(f"There is no route {name!r}; `taskflow route list` shows them.")
        key = self._broker.keys.router_provider(name)
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(sql.override, name, word)
                state = "auto" if word is None else f"forced_{word}"
                await connection.execute(sql.note_changes, [name], [state], ["By hand."])
                if word is None:
                    await self._broker.redis.hdel(key, "forced")
                else:
                    await self._broker.redis.hset(key, "forced", word)
        except (RedisError, OSError) as error:
            log.warning("switch_failed", provider=name, error=repr(error))
            raise RoutesUnseenError("Redis does not answer: the breaker is as it was. Try again shortly.") from error
        await self.changed(route.channel)
        with contextlib.suppress(RedisError, OSError):  # it has changed, whoever sees it
            data = {"route": name, "state": state, "reason": "By hand."}
            await self._broker.events.publish([Event("routes", "route.breaker", data)])
        return next(state for state in await self.look() if state.route.name == name)

    async def moved(self, name: str, renamed: str | None) -> None:
        """Let a provider that was renamed keep its breaker and budgets, and one that was deleted leave none behind.

        PostgreSQL has them by the new name already; who asks next restores them from there.
        """
        try:
            await self._forget(name=name, reopen=renamed is not None)
        except (RedisError, OSError) as error:
            log.warning("route_not_moved", provider=name, renamed=renamed, error=repr(error))

    async def changed(self, channel: Channel) -> None:
        """Wake messages of a channel that wait for a provider: there may be one for them now.

        While PostgreSQL does not answer they come by themselves, later: what has changed is kept already.
        """
        who = (CONFIRMATION_TASK, channel)
        try:
            count = await self._pool.fetchval(sql.count_waiting, _WAKES * _MOST_WAKES, *who, _WAKING_SECONDS)
            seconds = max(_WAKING_SECONDS, count / _WAKING_PER_SECOND)
            for _ in range(_MOST_WAKES):
                if await self._pool.fetchval(sql.wake, _WAKES, *who, seconds) < _WAKES:
                    return
        except DATABASE_AWAY as error:
            log.warning("waiting_not_woken", channel=channel, error=str(error) or type(error).__name__)

    async def mended(self, name: str, why: str, *, is_other: bool) -> None:
        """Let the breaker of a provider that may work again be probed as soon as all senders know its settings.

        `is_other`: they have changed, so that also what it had asked to wait for is forgotten.
        """
        reason = f"{why} It is probed in a moment."
        try:
            changes = await self._mended(name=name, after=_KNOWN_MS, reason=reason, is_other=is_other)
        except (RedisError, OSError) as error:
            log.warning("route_not_mended", provider=name, error=repr(error))
            return
        if changes:
            await self._pool.execute(sql.note_changes, *(list(column) for column in zip(*changes, strict=True)))


def _state(route: Route, seen: dict[str, Any]) -> RouteState:
    budgets = [BudgetState(span, limit, used) for span, limit, used in listed(seen["uses"])]
    why, first = seen.get("why"), seen.get("first")
    is_warming = bool(route.budgets.warm_up) and first is not None
    return RouteState(
        route=route,
        breaker=BreakerState(seen["state"]),
        override=Override(seen["forced"]) if seen.get("forced") else None,
        reason=seen["reason"],
        faults=seen["faults"],
        budgets=budgets,
        warm_up_day=seen["today"] - first + 1 if is_warming else None,
        pace_per_second=seen.get("rate"),
        waiting=WHY[why].format(route=route.name, reason=seen["reason"]) if why else None,
        wait_seconds=seen["wait"] / 1000 if why else None,
        failovers=seen["failovers"],
        refused=dict(seen["refused"]),
    )
