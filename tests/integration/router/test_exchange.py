"""One call to Redis at a time for a process: windows that ask meanwhile share the next, and reports go along."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from support.routing import ACCEPTED, BULK, OUT_OF_REACH, Clock, board, chosen, routing
from support.waiting import eventually
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.delivery.outcome import Outcome
from taskflow.delivery.providers.contract import MessageClass
from taskflow.delivery.router import exchange, service
from taskflow.delivery.router.breaker import Report
from taskflow.delivery.router.models import Ask, Budgets, Choice, Route
from taskflow.delivery.router.service import Router

ROUTE = Route("ses", budgets=Budgets(per_minute=25))
RECEIPT = Ask(MessageClass.TRANSACTIONAL, "example.org")


def calls(router: Router) -> int:
    return router._call.calls  # type: ignore[attr-defined, no-any-return]


def heard(outcome: Outcome, count: int = 1) -> Report:
    return Report.of(Choice(ROUTE, 0), [(outcome, "")] * count, failovers=0)


async def test_windows_that_ask_at_the_same_moment_share_a_call_and_what_there_is(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    async with routing(database, broker, ROUTE, clock=clock) as router:
        await router.reserve([BULK])
        before = calls(router)
        found = await asyncio.gather(*(router.reserve([BULK] * 10) for _ in range(3)), router.reserve([RECEIPT]))
    assert calls(router) == before + 1
    went = [chosen(answers)["ses"] for answers in found]
    assert Counter(went[:3]) == Counter([10, 10, 2]), "a window is split only where room ends: bulk leaves a tenth"
    assert went[3] == 1


async def test_what_became_of_messages_goes_with_the_next_window_that_asks(
    database: Database, broker: RedisBroker, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "TELL_SECONDS", 3600.0)
    async with routing(database, broker, ROUTE, clock=clock) as router:
        await router.reserve([BULK])
        before = calls(router)
        for _ in range(8):
            await router.settle([heard(ACCEPTED, 2)])
        assert calls(router) == before, "nobody waits for it"
        await router.reserve([BULK])
        assert calls(router) == before + 1
        assert await broker.redis.hget(broker.keys.router_provider("ses"), "seen") == "16"


async def test_when_nobody_asks_it_is_told_all_the_same(database: Database, broker: RedisBroker, clock: Clock) -> None:
    async with routing(database, broker, ROUTE, clock=clock) as router:
        await router.reserve([BULK])
        await router.settle([heard(ACCEPTED)])

        async def is_known() -> bool:
            return bool(await broker.redis.hget(broker.keys.router_provider("ses"), "seen"))

        await eventually(is_known, what="the report")


async def test_at_the_end_of_a_process_it_is_told(
    database: Database, broker: RedisBroker, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "TELL_SECONDS", 3600.0)
    async with routing(database, broker, ROUTE, clock=clock) as router:
        await router.reserve([BULK])
        await router.settle([heard(ACCEPTED)])
    assert await broker.redis.hget(broker.keys.router_provider("ses"), "seen") == "1"


async def test_a_fault_is_known_before_the_sender_goes_on_and_after_what_was_told_before_it(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    async with routing(database, broker, ROUTE, clock=clock) as router:
        await router.reserve([BULK])
        await router.settle([heard(OUT_OF_REACH, 4)])
        await router.settle([heard(ACCEPTED)])
        await router.settle([heard(OUT_OF_REACH, 4)])
        [state] = await board(database, broker, ROUTE, clock=clock).look()
    assert (state.faults, state.breaker) == (4, "closed")


async def test_one_who_stops_asking_takes_nothing_from_the_others(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    async with routing(database, broker, ROUTE, clock=clock) as router:
        script, called, go_on = router._call, asyncio.Event(), asyncio.Event()

        async def slowly(**request: Any) -> Any:
            called.set()
            await go_on.wait()
            return await script(**request)

        router._call = slowly  # type: ignore[assignment]
        first, second = (asyncio.create_task(router.reserve([BULK] * 10)) for _ in range(2))
        await called.wait()
        first.cancel()
        go_on.set()
        assert chosen(await second) == {"ses": 10}


async def test_a_call_that_fails_lets_everybody_who_shared_it_wait(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    async with routing(database, broker, ROUTE, clock=clock) as router:
        script = router._call

        async def away(**_: object) -> object:
            raise ConnectionError("refused")

        router._call = away  # type: ignore[assignment]
        found = await asyncio.gather(
            router.reserve([BULK]), router.reserve([RECEIPT]), router.settle([heard(OUT_OF_REACH)])
        )
        assert found == [[service.AWAY], [service.AWAY], None]
        router._call = script
        assert chosen(await router.reserve([BULK])) == {"ses": 1}
