"""The carrier under random faults of three providers: nothing accepted twice, nothing lost, no budget exceeded."""

import asyncio
from collections import Counter
from typing import Any

from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from support.routing import (
    ACCEPTED,
    BAD_KEY,
    BROKEN,
    BULK,
    CUT,
    DEADLINE,
    DOMAIN_BUSY,
    GREYLISTED,
    NO_SUCH_USER,
    OUT_OF_QUOTA,
    THROTTLED,
    Clock,
    Clocked,
    FakeProvider,
    mails,
    seeded,
)  # fmt: skip
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.delivery.outcome import NOT_STARTED, OutcomeKind
from taskflow.delivery.router.carrier import NOBODY, RoutedCarrier
from taskflow.delivery.router.models import Budgets, Route
from taskflow.delivery.router.service import Router
from taskflow.settings import RouterSettings, Settings

K = OutcomeKind
ROUTES = [
    Route("a", budgets=Budgets(per_minute=30, per_day=200)),
    Route("b", weight=2, budgets=Budgets(per_second=4)),
    Route("c", priority=2, budgets=Budgets(per_minute=10)),
]
FAULTS = [
    BAD_KEY, BROKEN, CUT, DOMAIN_BUSY, GREYLISTED, NO_SUCH_USER, OUT_OF_QUOTA, THROTTLED, NOT_STARTED,
    RuntimeError("a bug"),
]  # fmt: skip
MAY_BE_SENT = (K.ACCEPTED, K.UNCERTAIN)


class CarrierMachine(RuleBasedStateMachine):
    """Two workers share three providers."""

    given: Settings

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = Clock()
        self.providers = {route.name: FakeProvider(route.name) for route in ROUTES}
        self.to_send: list[str] = []
        self.ended: dict[str, K] = {}
        self.handed_at_the_end: dict[str, int] = {}
        self.count = 0
        self.run(self.open())

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    async def open(self) -> None:
        self.opened_database = Database.open(self.given.database)
        self.opened_broker = RedisBroker.open(self.given.redis)
        self.database = await self.opened_database.__aenter__()
        self.broker = await self.opened_broker.__aenter__()
        await self.broker.redis.flushall()
        await self.database.pool.execute("TRUNCATE provider_usage, provider_breakers, provider_breaker_changes")

        async def routes() -> list[Route]:
            return ROUTES

        self.routers = [
            Router(self.database, self.broker, RouterSettings(open_seconds=2), routes, slot=slot, rng=seeded(slot))
            for slot in range(2)
        ]
        for router in self.routers:
            for name in ("_call", "_restore"):
                setattr(router, name, Clocked(getattr(router, name), self.clock))
        await self.routers[0]._restore(providers=[])
        self.clock.pass_by(5)

    async def close(self) -> None:
        for router in self.routers:
            await router.__aexit__()
        await self.opened_broker.__aexit__(None, None, None)
        await self.opened_database.__aexit__(None, None, None)

    def teardown(self) -> None:
        self.run(self.close())
        self.loop.close()

    @rule(count=st.integers(1, 10), domain=st.sampled_from(["gmail.com", "example.com"]))
    def somebody_writes(self, count: int, domain: str) -> None:
        for _ in range(count):
            self.count += 1
            self.to_send.append(f"r{self.count}@{domain}")

    @rule(name=st.sampled_from("abc"), faults=st.lists(st.sampled_from([*FAULTS, ACCEPTED]), min_size=1, max_size=8))
    def a_provider_will_fail(self, name: str, faults: list[Any]) -> None:
        self.providers[name].script.extend(faults)

    @rule(name=st.sampled_from("abc"), fault=st.sampled_from([BAD_KEY, CUT, THROTTLED, None]))
    def a_provider_changes_for_good(self, name: str, fault: Any) -> None:
        self.providers[name].always = fault

    @rule(milliseconds=st.sampled_from([1, 90, 700, 3000, 20_000, 90_000]))
    def time_passes(self, milliseconds: int) -> None:
        self.clock.pass_by(milliseconds / 1000)

    @rule()
    def both_workers_send(self) -> None:
        halves = [self.to_send[:10], self.to_send[10:20]]
        del self.to_send[:20]
        self.run(self.send(halves))

    async def send(self, halves: list[list[str]]) -> None:
        carriers = [RoutedCarrier(router, self.providers, BULK) for router in self.routers]
        windows = [mails(*half) for half in halves]
        found = await asyncio.gather(
            *(carrier.send(window, DEADLINE) for carrier, window in zip(carriers, windows, strict=True))
        )
        for half, results in zip(halves, found, strict=True):
            for recipient, (outcome, name) in zip(half, results, strict=True):
                assert name in self.providers or (name == NOBODY and outcome.kind is K.NOT_STARTED)
                if outcome.kind in (K.ACCEPTED, K.REJECTED, K.UNCERTAIN):
                    self.ended[recipient] = outcome.kind
                    self.handed_at_the_end[recipient] = self.handed_over()[recipient]
                else:
                    assert outcome.kind is not K.PROVIDER_FAULT or outcome.retry_after
                    self.to_send.append(recipient)

    @invariant()
    def nothing_is_accepted_twice(self) -> None:
        took = Counter(recipient for provider in self.providers.values() for recipient in provider.took)
        assert [recipient for recipient, times in took.items() if times > 1] == []
        said = {recipient for recipient, kind in self.ended.items() if kind in MAY_BE_SENT}
        assert set(took) <= said

    @invariant()
    def nothing_is_lost(self) -> None:
        assert len(self.ended) + len(self.to_send) == self.count

    @invariant()
    def what_has_ended_is_handed_to_nobody_any_more(self) -> None:
        assert {recipient: self.handed_over()[recipient] for recipient in self.handed_at_the_end} == (
            self.handed_at_the_end
        )

    @invariant()
    def no_budget_is_exceeded(self) -> None:
        for route in ROUTES:
            for span, limit in (("second", route.budgets.per_second), ("minute", route.budgets.per_minute)):
                key = f"router:use:{route.name}:{span}"
                assert limit is None or 0 <= int(self.run(self.broker.redis.hget(key, "sum")) or 0) <= limit

    def handed_over(self) -> Counter[str]:
        return Counter(recipient for provider in self.providers.values() for recipient in provider.got)


def test_no_message_is_accepted_twice_or_lost_whatever_fails(settings: Settings) -> None:
    CarrierMachine.given = settings
    run_state_machine_as_test(
        CarrierMachine,
        settings=hypothesis_settings(
            max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[*HealthCheck]
        ),
    )
