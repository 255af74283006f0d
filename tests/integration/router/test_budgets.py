"""Budgets of providers, rates of campaigns, and how fast recipient domains go: counted in one step."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from support.routing import (
    ACCEPTED,
    BULK,
    DOMAIN_BUSY,
    NOON,
    OUT_OF_QUOTA,
    OUT_OF_REACH,
    RECEIPT,
    THROTTLED,
    Clock,
    board,
    chosen,
    routing,
)  # fmt: skip
from support.waiting import eventually
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.delivery.outcome import NOT_STARTED, Outcome
from taskflow.delivery.router import service
from taskflow.delivery.router.breaker import Report, policy
from taskflow.delivery.router.budgets import UNWRITTEN, UsageLog
from taskflow.delivery.router.models import Budgets, Choice, Route, Wait, as_budgets
from taskflow.delivery.router.scripts import Script, listed
from taskflow.delivery.router.service import Router
from taskflow.settings import RouterSettings

DAY = 86_400
SECOND = "ses has had its messages of this second."
MINUTE = "ses has had its messages of this minute."
DAILY = "ses has had its messages of these 24 hours."
GMAIL, OTHER = (replace(BULK, recipient_domain=domain) for domain in ("gmail.com", "example.com"))


def ses(**budgets: int | tuple[int, ...]) -> Route:
    return Route("ses", budgets=Budgets(**budgets))  # type: ignore[arg-type]


async def settle(router: Router, answers: Sequence[Choice | Wait], outcome: Outcome, domain: str = "") -> None:
    """Say that all messages that were given out ended alike."""
    got = [answer for answer in answers if isinstance(answer, Choice)]
    await router.settle([Report.of(got[0], [(outcome, domain)] * len(got), failovers=0)])


@pytest.mark.parametrize(
    ("route", "why", "seconds", "longest"),
    [(ses(per_second=4), SECOND, 1, 1.1), (ses(per_minute=4), MINUTE, 60, 65), (ses(per_day=4), DAILY, DAY, 25 * 3600)],
    ids=["second", "minute", "day"],
)
async def test_a_budget_holds_for_its_span_and_says_when_it_is_worth_asking_again(
    database: Database, broker: RedisBroker, clock: Clock, route: Route, why: str, seconds: float, longest: float
) -> None:
    async with routing(database, broker, route, clock=clock) as router:
        await router.reserve([])
        await router._restore(providers=[])
        clock.pass_by(2)
        assert chosen(await router.reserve([BULK] * 10)) == {"ses": 4, why: 6}
        clock.pass_by(seconds * 0.99)
        [answer] = await router.reserve([BULK])
        assert isinstance(answer, Wait)
        assert seconds <= seconds * 0.99 + answer.seconds <= longest + 1e-6
        clock.pass_by(answer.seconds)
        assert chosen(await router.reserve([BULK] * 10)) == {"ses": 4, why: 6}


async def test_when_one_is_used_up_the_next_provider_takes_the_rest(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    routes = [ses(per_day=3), Route("gmail", priority=2, budgets=Budgets(per_day=2))]
    async with routing(database, broker, *routes, clock=clock) as router:
        answers = await router.reserve([BULK] * 6)
        # The wait that is told is the shortest.
        assert {name: count for name, count in chosen(answers).items() if " " not in name} == {"ses": 3, "gmail": 2}
        assert [answer.reason for answer in answers if isinstance(answer, Wait)] == [DAILY]
    [first, second] = await board(database, broker, *routes, clock=clock).look()
    assert (first.waiting, first.budgets[0].left, second.budgets[0].used) == (DAILY, 0, 2)
    assert first.refused == {"day": 3}


async def test_what_was_not_handed_over_is_given_back_also_to_postgresql(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    async with routing(database, broker, ses(per_day=10), clock=clock) as router:
        for unused, left in ((NOT_STARTED, 10), (OUT_OF_REACH, 10), (ACCEPTED, 7)):
            answers = await router.reserve([BULK] * 3)
            await settle(router, answers, unused)

            async def is_left(expected: int = left) -> bool:
                [state] = await board(database, broker, ses(per_day=10), clock=clock).look()
                return state.budgets[0].left == expected

            await eventually(is_left)
    assert await database.pool.fetchval("SELECT sum(messages) FROM provider_usage") == 3


async def test_a_warm_up_allows_each_day_what_its_schedule_says(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    route = ses(per_day=100, warm_up=(2, 5, 9))
    async with routing(database, broker, route, clock=clock) as router:
        given = []
        for day in range(4):
            given.append(chosen(await router.reserve([RECEIPT] * 100))["ses"])
            [state] = await board(database, broker, route, clock=clock).look()
            assert state.warm_up_day == day + 1
            clock.pass_by(DAY + 3600)
    assert given == [2, 5, 9, 100]


async def test_a_warm_up_goes_on_where_it_was_after_a_flush(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    route = ses(warm_up=(2, 5))
    async with routing(database, broker, route, clock=clock) as router:
        await router.reserve([BULK] * 2)
    await database.pool.execute("UPDATE provider_breakers SET first_used_at = to_timestamp($1)", NOON / 1000 - DAY)
    await broker.redis.flushall()
    clock.pass_by(DAY)
    async with routing(database, broker, route, clock=clock) as router:
        await router.reserve([])
        [state] = await board(database, broker, route, clock=clock).look()
        assert state.warm_up_day is None  # nobody has asked since
        await router.reserve([BULK])
        [state] = await board(database, broker, route, clock=clock).look()
        assert state.warm_up_day == 3


async def test_a_domain_that_asks_for_less_gets_half_and_no_other_domain_does(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    async with routing(database, broker, Route("ses"), clock=clock) as router:
        answers = await router.reserve([GMAIL] * 8 + [OTHER] * 2)
        assert chosen(answers) == {"ses": 10}
        await settle(router, answers[:8], DOMAIN_BUSY, "gmail.com")
        assert chosen(await router.reserve([GMAIL] * 3 + [OTHER] * 7)) == {
            "ses": 7, "gmail.com has asked ses for fewer messages.": 3,
        }  # fmt: skip
        for expected in (4, 4, 4):
            clock.pass_by(1)
            found = chosen(await router.reserve([GMAIL] * 10 + [OTHER] * 10))
            assert found["ses"] == expected + 10


async def test_halving_happens_once_a_second_and_success_brings_the_rate_back(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    async with routing(database, broker, Route("ses"), clock=clock) as router:
        answers = await router.reserve([GMAIL] * 8)
        for _ in range(8):
            await settle(router, answers[:1], DOMAIN_BUSY, "gmail.com")
        key = f"{broker.keys.prefix}router:pace:ses/gmail.com"
        assert float(await broker.redis.hget(key, "rate")) == 4
        clock.pass_by(1)
        await settle(router, answers[:1], DOMAIN_BUSY, "gmail.com")
        assert float(await broker.redis.hget(key, "rate")) == 2
        clock.pass_by(10)
        await settle(router, answers, ACCEPTED, "gmail.com")

        async def is_quicker() -> bool:
            return float(await broker.redis.hget(key, "rate")) == pytest.approx(2 * 1.005**8)

        await eventually(is_quicker)
        for _ in range(60):
            await settle(router, answers, ACCEPTED, "gmail.com")

        async def is_free() -> bool:
            return not await broker.redis.exists(key)

        await eventually(is_free)
        assert chosen(await router.reserve([GMAIL] * 50)) == {"ses": 50}


async def test_a_throttle_of_the_provider_slows_it_and_a_used_up_quota_stops_it(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    async with routing(database, broker, Route("ses"), clock=clock) as router:
        answers = await router.reserve([BULK] * 10)
        await settle(router, answers, replace(THROTTLED, retry_after=3.0))
        assert await router.reserve([BULK]) == [Wait(3.0, "ses has asked for fewer messages.")]
        clock.pass_by(3)
        assert chosen(await router.reserve([BULK] * 10))["ses"] == 5
        await settle(router, answers, replace(OUT_OF_QUOTA, retry_after=60.0))
        assert await router.reserve([BULK]) == [Wait(60.0, "ses says that its quota is used up.", is_lasting=True)]
        [state] = await board(database, broker, Route("ses"), clock=clock).look()
        assert (state.pace_per_second, state.wait_seconds, state.faults) == (5, 60, 0)


async def test_budgets_are_restored_after_a_flush(database: Database, broker: RedisBroker) -> None:
    route = ses(per_day=50, per_minute=40)
    async with routing(database, broker, route) as router:
        assert chosen(await router.reserve([RECEIPT] * 30)) == {"ses": 30}
    await broker.redis.flushall()
    async with routing(database, broker, route) as router:
        assert chosen(await router.reserve([RECEIPT] * 30)) == {"ses": 10, MINUTE: 20}
        [state] = await board(database, broker, route).look()
        assert [budget.left for budget in state.budgets] == [0, 10]


async def test_the_rebuild_of_the_dispatch_restores_the_counters_too(database: Database, broker: RedisBroker) -> None:
    # It happens when a server comes back with an old snapshot, whose counters are as old.
    async with routing(database, broker, ses(per_day=50)) as router:
        await router.reserve([RECEIPT] * 30)
    await broker.redis.delete(f"{broker.keys.prefix}router:use:ses:day")
    await broker.upkeep.begin("another life")
    async with routing(database, broker, ses(per_day=50)) as router:
        assert chosen(await router.reserve([RECEIPT] * 30))["ses"] == 20


async def test_a_window_costs_one_round_trip(database: Database, broker: RedisBroker, clock: Clock) -> None:
    domains = [f"d{n}.example" for n in range(10)]
    async with routing(database, broker, ses(per_second=1000), Route("gmail"), clock=clock) as router:
        await router.reserve([BULK])
        before = router._call.calls  # type: ignore[attr-defined]
        answers = await router.reserve([replace(BULK, recipient_domain=domain) for domain in domains])
        await settle(router, answers, ACCEPTED)
        assert router._call.calls == before + 1  # type: ignore[attr-defined]


async def test_nothing_is_given_out_while_redis_is_away(database: Database, broker: RedisBroker, clock: Clock) -> None:
    async with routing(database, broker, Route("ses"), clock=clock) as router:
        script = router._call

        async def away(**_: object) -> object:
            raise ConnectionError("refused")

        router._call = away  # type: ignore[assignment]
        assert await router.reserve([BULK]) == [service.AWAY]
        router._call = script
        assert chosen(await router.reserve([BULK])) == {"ses": 1}


async def test_nothing_more_is_given_out_than_the_slack_while_postgresql_cannot_be_told(
    database: Database, broker: RedisBroker, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_AWAY_SECONDS", 0.01)
    async with routing(database, broker, ses(per_day=1000), clock=clock) as router:
        await router.reserve([BULK])
        write = router._usage._write

        async def away(*_: object) -> None:
            raise ConnectionError("refused")

        monkeypatch.setattr(router._usage, "_write", away)
        went = [chosen(await router.reserve([BULK] * 10)) for _ in range(20)]
        assert sum(found["ses"] for found in went) <= UNWRITTEN + 10
        assert went[-1] == {service.AWAY.reason: 10}
        monkeypatch.setattr(router._usage, "_write", write)

        async def goes_on() -> bool:
            return chosen(await router.reserve([BULK]))["ses"] == 1

        await eventually(goes_on)


async def test_a_provider_without_a_budget_to_remember_waits_for_no_write_and_its_use_is_written_all_the_same(
    database: Database, broker: RedisBroker, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with routing(database, broker, Route("ses"), clock=clock) as router:
        writes: list[object] = []
        write = router._usage._write

        async def counted(*arguments: Any) -> None:
            writes.append(arguments)
            await write(*arguments)

        await router.reserve([BULK])  # its first use is noted at once
        await router._usage.close()
        monkeypatch.setattr(router._usage, "_write", counted)
        for _ in range(200):
            assert chosen(await router.reserve([BULK] * 10))["ses"] == 10
            clock.pass_by(1)
        assert len(writes) <= 5, "one a second"
    assert await database.pool.fetchval("SELECT sum(messages) FROM provider_usage") == 2001


async def test_a_write_whose_answer_was_lost_may_count_use_twice_but_nothing_given_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = UsageLog(database.pool, 0)
    write = log._write
    lost = iter([True, False])

    async def writing(*arguments: Any) -> None:
        await write(*arguments)
        if next(lost):
            raise ConnectionError("reset")

    monkeypatch.setattr(log, "_write", writing)
    log.add("ses", NOON, 5, is_urgent=True)
    log.add("ses", NOON + 60_000, -3, is_urgent=True)
    await log.close()
    rows = await database.pool.fetch("SELECT messages FROM provider_usage ORDER BY minute")
    assert [row["messages"] for row in rows] == [10, -3]


# Times around the ends of buckets and spans, and any other.
TIMES = st.sampled_from([0, 50, 99, 100, 900, 950, 999, 4_950, 55_000, 57_000, 59_999]) | st.integers(1, 30_000)
STEPS = st.lists(st.tuples(TIMES, st.sampled_from(["take", "take", "give back"]), st.integers(1, 12)), max_size=60)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_no_span_wherever_it_begins_holds_more_than_its_budget(
    redis_url: str, steps: list[tuple[int, str, int]]
) -> None:
    async def run() -> None:
        redis = Redis.from_url(redis_url, decode_responses=True)
        exchange, restore = (Script(redis, name, "") for name in ("exchange", "restore"))
        budgets = Budgets(per_second=5, per_minute=20)
        now, taken = NOON, list[list[int]]()  # [when, how many that stayed taken]
        await redis.flushall()
        await restore(providers=[], now=now - 5000)
        rules = policy(RouterSettings())
        for passed, step, size in steps:
            now += passed
            if step == "take":
                routes = [{"name": "ses", "budgets": as_budgets(budgets)}]
                group = {"routes": routes, "domains": [("", size)], "probe": "p"}
                reply = await exchange(policy=rules, random=0.5, reports=[], groups=[group], now=now)
                taken += [[now, grant[2]] for grant in listed(reply["groups"][0]["grants"])]
            elif taken:
                unused = min(size, taken[-1][1])
                taken[-1][1] -= unused
                packed = Report("ses", taken[-1][0], unused=unused).packed()
                await exchange(policy=rules, random=0.5, reports=[packed], groups=[], now=now)
            for length, limit in ((1000, 5), (60_000, 20)):
                assert sum(count for when, count in taken if when > now - length) <= limit
        for span, buckets in (("second", 11), ("minute", 13)):
            counts = [int(count) for count in await redis.hvals(f"router:use:ses:{span}")]
            assert len(counts) <= buckets, "what has left the span is dropped"
            assert all(count >= 0 for count in counts)
        await redis.aclose()

    asyncio.run(run())
