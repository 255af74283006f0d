"""The circuit breaker of a provider: one for all workers, on Redis's clock."""

import asyncio
from typing import Any

import pytest

from support.routing import ACCEPTED, BULK, Clock, board, chosen, routing, said
from support.waiting import eventually
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.delivery.outcome import Cause, OutcomeKind
from taskflow.delivery.router.board import RouteNotFoundError
from taskflow.delivery.router.breaker import Report
from taskflow.delivery.router.models import BreakerState, Choice, Override, Route
from taskflow.delivery.router.service import Router

ROUTE = Route("ses")
OPEN = "The circuit breaker of ses is open. 5 faults in a row: 535 no"
PROBING = "ses is tried with a few messages after it has failed."


async def tell(router: Router, *, good: int = 0, faults: int = 0, probe: str | None = None) -> None:
    """Say what became of messages of the provider: the good ones first."""
    report = Report("ses", 0, probe, good=good, faults=faults, trailing=faults, reason="535 no")
    await router.settle([report])


async def state(database: Database, broker: RedisBroker, clock: Clock) -> BreakerState:
    [found] = await board(database, broker, ROUTE, clock=clock).look()
    return found.breaker


async def wait_of(router: Router) -> float:
    [answer] = await router.reserve([BULK])
    assert not isinstance(answer, Choice)
    return answer.seconds


async def one_probe(router: Router) -> str:
    [answer] = await router.reserve([BULK])
    assert isinstance(answer, Choice)
    assert answer.probe is not None
    return answer.probe


async def test_it_opens_after_so_many_faults_in_a_row_and_not_one_earlier(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    async with routing(database, broker, ROUTE, clock=clock) as router:
        assert chosen(await router.reserve([BULK] * 10)) == {"ses": 10}
        await tell(router, faults=4)
        await tell(router, good=1, faults=4)
        assert chosen(await router.reserve([BULK])) == {"ses": 1}
        await tell(router, faults=1)
        assert chosen(await router.reserve([BULK] * 2)) == {OPEN: 2}


async def test_what_is_certain_opens_it_at_once_and_it_is_probed_as_soon_as_its_settings_have_changed(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    routes = board(database, broker, ROUTE, clock=clock)
    refused = said(OutcomeKind.PROVIDER_FAULT, 535, "no", verb="AUTH", cause=Cause.CREDENTIALS)
    async with routing(database, broker, ROUTE, clock=clock) as router:
        [given] = await router.reserve([BULK])
        assert isinstance(given, Choice)
        await router.settle([Report.of(given, [(refused, "example.com"), (ACCEPTED, "example.com")], 0)])
        assert await state(database, broker, clock) is BreakerState.CLOSED  # it was taken after all
        await router.settle([Report.of(given, [(refused, "example.com")], 0)])
        assert chosen(await router.reserve([BULK])) == {
            "The circuit breaker of ses is open. Its credentials are refused: 535 no": 1
        }
        for _ in range(3):
            clock.pass_by(await wait_of(router))
            await tell(router, faults=1, probe=await one_probe(router))
        assert await wait_of(router) >= 64
        await routes.mended("ses", "Its settings have changed.", is_other=True)
        clock.pass_by(1.5)  # until every sender has them
        await tell(router, faults=1, probe=await one_probe(router))
        assert await wait_of(router) <= 12  # the growing time has begun anew, too
    reasons = [row["reason"] for row in (await routes.history(["ses"]))["ses"]]
    assert "Its settings have changed. It is probed in a moment." in reasons


@pytest.mark.parametrize("is_other", [True, False])
async def test_a_throttle_is_forgotten_with_other_settings_but_not_because_signing_in_works(
    database: Database, broker: RedisBroker, clock: Clock, is_other: bool
) -> None:
    async with routing(database, broker, ROUTE, clock=clock) as router:
        await router.reserve([BULK])
        await router.settle([Report("ses", 0, throttles={"ses": (600.0, "quota")})])
        await board(database, broker, ROUTE, clock=clock).mended("ses", "Why.", is_other=is_other)
        assert (chosen(await router.reserve([BULK])) == {"ses": 1}) is is_other


async def test_it_opens_when_half_of_a_window_are_faults_though_good_ones_come_between(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    async with routing(database, broker, ROUTE, clock=clock) as router:
        await router.reserve([BULK])
        for _ in range(9):
            await tell(router, good=1, faults=1)
        assert await state(database, broker, clock) is BreakerState.CLOSED  # 18 messages are too few to judge
        await tell(router, good=1, faults=1)
        assert await state(database, broker, clock) is BreakerState.OPEN


async def test_faults_of_an_earlier_window_do_not_count_for_the_share(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    async with routing(database, broker, ROUTE, clock=clock) as router:
        await router.reserve([BULK])
        for _ in range(9):
            await tell(router, good=1, faults=1)
        clock.pass_by(61)
        await tell(router, good=1, faults=1)
        assert await state(database, broker, clock) is BreakerState.CLOSED


async def test_half_open_lets_one_probe_through_at_a_time_and_closes_after_three(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    async with (
        routing(database, broker, ROUTE, clock=clock) as router,
        routing(database, broker, ROUTE, clock=clock, slot=1) as other,
    ):
        await router.reserve([BULK])
        await tell(router, faults=5)
        clock.pass_by(13)  # ten seconds, and a fifth for jitter
        for _ in range(3):
            assert await state(database, broker, clock) is BreakerState.HALF_OPEN
            answers = await asyncio.gather(router.reserve([BULK] * 10), other.reserve([BULK] * 10))
            both = [answer for some in answers for answer in some]
            assert chosen(both) == {"ses": 1, PROBING: 19}
            [probe] = [answer.probe for answer in both if isinstance(answer, Choice)]
            await tell(other, good=1, probe=probe)
        assert chosen(await other.reserve([BULK] * 10)) == {"ses": 10}


async def test_a_failed_probe_opens_it_for_twice_as_long_up_to_a_limit(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    async with routing(database, broker, ROUTE, clock=clock, longest_open_seconds=50) as router:
        await router.reserve([BULK])
        await tell(router, faults=5)
        for seconds in (10, 20, 40, 50, 50):
            wait = await wait_of(router)
            assert 0.8 * seconds <= wait <= 1.2 * seconds
            clock.pass_by(wait)
            await tell(router, faults=1, probe=await one_probe(router))


async def test_the_probe_of_a_dead_worker_frees_its_place_and_its_late_answer_changes_nothing(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    async with routing(database, broker, ROUTE, clock=clock, probe_seconds=30, good_probes=1) as router:
        await router.reserve([BULK])
        await tell(router, faults=5)
        clock.pass_by(13)
        lost = await one_probe(router)
        clock.pass_by(29)
        assert chosen(await router.reserve([BULK])) == {PROBING: 1}
        clock.pass_by(2)
        await one_probe(router)
        await tell(router, good=1, probe=lost)
        assert await state(database, broker, clock) is BreakerState.HALF_OPEN


async def test_what_was_under_way_when_it_opened_neither_closes_it_nor_keeps_it_open(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    async with routing(database, broker, ROUTE, clock=clock) as router:
        await router.reserve([BULK] * 10)
        await tell(router, faults=5)
        before = await wait_of(router)
        await tell(router, good=10)
        await tell(router, faults=10)
        assert await wait_of(router) == before


@pytest.mark.parametrize("flush", [False, True], ids=["", "flushed"])
@pytest.mark.parametrize("word", Override)
async def test_a_persons_word_wins_survives_a_flush_and_can_be_taken_back(
    database: Database, broker: RedisBroker, clock: Clock, word: Override, flush: bool
) -> None:
    routes = board(database, broker, ROUTE, clock=clock)
    expected: dict[str, Any] = {"ses is switched off by hand.": 3} if word is Override.OPEN else {"ses": 3}
    async with routing(database, broker, ROUTE, clock=clock) as router:
        await router.reserve([BULK])
        if word is Override.CLOSED:
            await tell(router, faults=5)
        assert (await routes.switch("ses", word)).override is word
        if flush:
            await broker.redis.flushall()
            await router.reserve([BULK])
        await tell(router, faults=9)
        assert chosen(await router.reserve([BULK] * 3)) == expected
        assert (await routes.switch("ses", None)).override is None
        assert (await broker.redis.hget(broker.keys.router_provider("ses"), "forced")) is None
    history = {row["state"] for row in (await routes.history(["ses"]))["ses"]}
    assert history == {"auto", f"forced_{word}"} | ({"open"} if word is Override.CLOSED else set())


async def test_a_route_that_nobody_knows_cannot_be_switched(database: Database, broker: RedisBroker) -> None:
    with pytest.raises(RouteNotFoundError):
        await board(database, broker, ROUTE).switch("sez", Override.OPEN)


async def test_it_begins_half_open_after_a_flush_if_it_was_not_closed(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    routes = board(database, broker, ROUTE, clock=clock)
    async with routing(database, broker, ROUTE, clock=clock) as router:
        await router.reserve([BULK])
        await tell(router, faults=5)

        async def is_written() -> bool:
            return bool((await routes.history(["ses"]))["ses"])

        await eventually(is_written)
        await broker.redis.flushall()
        assert chosen(await router.reserve([BULK] * 5)) == {"ses": 1, PROBING: 4}
        [seen] = await routes.look()
        assert (seen.breaker, seen.usable) == (BreakerState.HALF_OPEN, True)


async def test_its_changes_are_kept_with_their_reasons(database: Database, broker: RedisBroker, clock: Clock) -> None:
    routes = board(database, broker, ROUTE, clock=clock)
    async with routing(database, broker, ROUTE, clock=clock, good_probes=1) as router:
        await router.reserve([BULK])
        await tell(router, faults=5)
        clock.pass_by(13)
        await tell(router, good=1, probe=await one_probe(router))
    history = [(row["state"], row["reason"]) for row in (await routes.history(["ses"]))["ses"]]
    assert history == [
        ("closed", "Probes went well: 1."),
        ("half_open", "Its time is over; it is probed."),
        ("open", "5 faults in a row: 535 no"),
    ]
    events = [event for _, event in await broker.events.read("0") if event.type == "route.breaker"]
    assert [(event.data["state"], event.data["reason"]) for event in events] == history[::-1]
