"""Limits of recipient domains: over all providers, in the step that chooses them."""

import asyncio
from collections import Counter
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from support.routing import BULK, NOON, RECEIPT, Clock, chosen, routing
from support.waiting import eventually
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.delivery.router.breaker import Report, policy
from taskflow.delivery.router.carrier import NOT_ADMITTED
from taskflow.delivery.router.models import Budgets, Choice, Route, as_budgets
from taskflow.delivery.router.scripts import Script, listed
from taskflow.settings import RouterSettings

GMAIL, OTHER = (replace(RECEIPT, recipient_domain=domain) for domain in ("gmail.com", "example.com"))
ROUTES = (Route("ses", budgets=Budgets(per_day=5)), Route("sendgrid", priority=2))
MINUTE = "gmail.com has had its messages of this minute."


async def test_a_limit_holds_over_all_providers_and_no_other_domain_feels_it(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    async with routing(database, broker, *ROUTES, clock=clock, limits={"gmail.com": Budgets(per_minute=8)}) as router:
        assert chosen(await router.reserve([GMAIL] * 10)) == {"ses": 5, "sendgrid": 3, MINUTE: 2}
        [gmail, other] = await router.reserve([GMAIL, OTHER])
        assert isinstance(other, Choice)
        assert (gmail.reason, gmail.for_all) == (MINUTE, False)  # type: ignore[union-attr]
        clock.pass_by(gmail.seconds)  # type: ignore[union-attr]
        assert chosen(await router.reserve([GMAIL] * 10)) == {"sendgrid": 8, MINUTE: 2}
    usage = await database.pool.fetch("SELECT provider, sum(messages)::int FROM provider_usage GROUP BY 1")
    assert dict(usage) == {"ses": 5, "sendgrid": 12, "@gmail.com": 16}  # type: ignore[arg-type]


async def test_bulk_leaves_a_tenth_of_a_limit_to_who_waits_for_a_message(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    async with routing(database, broker, ROUTES[1], clock=clock, limits={"gmail.com": Budgets(per_day=20)}) as router:
        assert chosen(await router.reserve([replace(BULK, recipient_domain="gmail.com")] * 30))["sendgrid"] == 18
        assert chosen(await router.reserve([GMAIL] * 3))["sendgrid"] == 2


async def test_a_limit_remembers_its_use_over_a_flush_and_forgets_what_was_not_handed_over(
    database: Database, broker: RedisBroker
) -> None:
    limits = {"gmail.com": Budgets(per_day=20)}
    async with routing(database, broker, ROUTES[1], limits=limits) as router:
        answers = await router.reserve([GMAIL] * 12)
        [first, *_] = [answer for answer in answers if isinstance(answer, Choice)]
        await router.settle([Report.of(first, [(NOT_ADMITTED, "gmail.com")] * 4, failovers=0)])

        async def is_given_back() -> bool:
            counted = await broker.redis.hvals("router:use:@gmail.com:day")
            return [int(count) for count in counted] == [8]

        await eventually(is_given_back)
    await broker.redis.flushall()
    async with routing(database, broker, ROUTES[1], limits=limits) as router:
        assert chosen(await router.reserve([GMAIL] * 20))["sendgrid"] == 12


# Times around the ends of buckets and spans, and any other.
TIMES = st.sampled_from([0, 50, 99, 100, 900, 999, 4_950, 55_000, 57_000, 59_999]) | st.integers(1, 30_000)
LIMITS = {
    "a.example": Budgets(per_second=3, per_minute=10),
    "b.example": Budgets(per_minute=6),
    "free.example": None,
}
ASKED = st.dictionaries(st.sampled_from(sorted(LIMITS)), st.integers(1, 6), min_size=1)
STEPS = st.lists(st.tuples(TIMES, st.booleans(), st.lists(ASKED, min_size=1, max_size=2)), max_size=40)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_no_span_holds_more_than_the_limit_of_a_domain_whoever_carries_it(
    redis_url: str, steps: list[tuple[int, bool, list[dict[str, int]]]]
) -> None:
    async def run() -> None:
        redis = Redis.from_url(redis_url, decode_responses=True)
        exchange, restore = (Script(redis, name, "") for name in ("exchange", "restore"))
        now, taken = NOON, list[tuple[int, str, str, int]]()  # when, by whom, to whom, how many that stayed taken
        await redis.flushall()
        await restore(providers=[], now=now - 5000)
        rules = policy(RouterSettings())
        routes = [
            {"name": "ses", "budgets": as_budgets(Budgets(per_second=4))},
            {"name": "b", "budgets": as_budgets(Budgets())},
        ]
        for passed, gives_back, asked in steps:
            now += passed
            if gives_back and taken:
                when, name, domain, count = taken.pop()
                report = Report(name, when, unused=count, unused_to=Counter({domain: count}))
                await exchange(policy=rules, random=0.5, reports=[report.packed()], groups=[], now=now)
                continue
            groups = [
                {
                    "routes": routes,
                    "domains": [
                        (domain, count, as_budgets(limit)) if (limit := LIMITS[domain]) else (domain, count)
                        for domain, count in domains.items()
                    ],
                    "probe": "p",
                }
                for domains in asked
            ]
            reply = await exchange(policy=rules, random=0.5, reports=[], groups=groups, now=now)
            for domains, found in zip(asked, reply["groups"], strict=True):
                names, granted, waits = list(domains), Counter[str](), {wait[0] for wait in listed(found["waits"])}
                for route, place, count, _ in listed(found["grants"]):
                    granted[names[place - 1]] += count
                    taken.append((now, routes[route - 1]["name"], names[place - 1], count))  # type: ignore[arg-type]
                for place, (domain, count) in enumerate(domains.items(), 1):
                    assert granted[domain] + (place in waits) * count >= count, "who gets nothing is told why"
                    assert granted[domain] == count or LIMITS[domain], "no other domain is held up"
            for domain, limit in LIMITS.items():
                for length, most in ((1000, limit and limit.per_second), (60_000, limit and limit.per_minute)):
                    within = [count for when, _, to, count in taken if to == domain and when > now - length]
                    assert most is None or sum(within) <= most
        await redis.aclose()

    asyncio.run(run())
