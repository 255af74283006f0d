"""A window of messages through the router: failed over when that is safe, told why it waits when it is not."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

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
    NOT_OURS,
    OUT_OF_QUOTA,
    THROTTLED,
    Clock,
    FakeProvider,
    board,
    chosen,
    mails,
    routing,
    said,
    seeded,
)  # fmt: skip
from support.waiting import eventually
from taskflow.audience.channels import Channel
from taskflow.base.ids import uuid7
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.delivery.outcome import Cause, Outcome, OutcomeKind
from taskflow.delivery.providers.contract import MessageClass, ProviderUnusableError, Sms
from taskflow.delivery.router import service
from taskflow.delivery.router.breaker import Report
from taskflow.delivery.router.busy import BusyRecipients
from taskflow.delivery.router.carrier import NOBODY, NOT_ADMITTED, NOT_NOTED, RoutedCarrier
from taskflow.delivery.router.exchange import Answers, Group
from taskflow.delivery.router.holds import Holds
from taskflow.delivery.router.models import Ask, Budgets, Route, Wait
from taskflow.engine.metering import Meter
from taskflow.settings import RouterSettings

K = OutcomeKind
ROUTES = (Route("ses"), Route("gmail", priority=2))
ADA, BOB = "ada@example.com", "bob@gmail.com"


@pytest.mark.parametrize("outcome", [BAD_KEY, THROTTLED, OUT_OF_QUOTA, DOMAIN_BUSY])
async def test_what_the_first_provider_did_not_take_the_second_does(
    database: Database, broker: RedisBroker, clock: Clock, outcome: Outcome
) -> None:
    first, second = FakeProvider("ses", outcome), FakeProvider("gmail")
    async with routing(database, broker, *ROUTES, clock=clock) as router:
        carrier = RoutedCarrier(router, {"ses": first, "gmail": second}, BULK)
        results = await carrier.send(mails(ADA, BOB), DEADLINE)
    assert results == [(ACCEPTED, "gmail"), (ACCEPTED, "ses")]
    assert (first.took, second.took) == ([BOB], [ADA])
    assert [state.failovers for state in await board(database, broker, *ROUTES).look()] == [0, 1]


async def test_each_provider_that_had_a_message_counts_what_became_of_it(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    counted: dict[str, float] = {}
    first, second = FakeProvider("ses", BAD_KEY), FakeProvider("gmail")
    async with routing(database, broker, *ROUTES, clock=clock) as router:
        router.meter = Meter(counted.__setitem__)
        await RoutedCarrier(router, {"ses": first, "gmail": second}, BULK).send(mails(ADA), DEADLINE)
    assert {tuple(series.split("\x1f")[1:]): count for series, count in counted.items()} == {
        ("email", "bulk", "provider_fault", "ses"): 1,
        ("email", "bulk", "accepted", "gmail"): 1,
    }


@pytest.mark.parametrize("outcome", [CUT, NO_SUCH_USER, BROKEN, GREYLISTED])
async def test_what_may_have_been_taken_and_what_is_about_the_message_goes_nowhere_else(
    database: Database, broker: RedisBroker, clock: Clock, outcome: Outcome
) -> None:
    first, second = FakeProvider("ses", outcome), FakeProvider("gmail")
    async with routing(database, broker, *ROUTES, clock=clock) as router:
        carrier = RoutedCarrier(router, {"ses": first, "gmail": second}, BULK)
        assert await carrier.send(mails(ADA), DEADLINE) == [(outcome, "ses")]
    assert second.got == []


async def test_a_provider_that_breaks_off_leaves_its_messages_uncertain(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    first, second = FakeProvider("ses", ACCEPTED, RuntimeError("a bug")), FakeProvider("gmail")
    async with routing(database, broker, *ROUTES, clock=clock) as router:
        carrier = RoutedCarrier(router, {"ses": first, "gmail": second}, BULK)
        results = await carrier.send(mails(ADA, BOB), DEADLINE)
    assert [(outcome.kind, name) for outcome, name in results] == [(K.UNCERTAIN, "ses")] * 2
    assert second.got == []


async def test_a_provider_that_cannot_be_used_is_a_fault_and_the_next_one_takes_over(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    first, second = FakeProvider("ses", ProviderUnusableError("No key.")), FakeProvider("gmail")
    async with routing(database, broker, *ROUTES, clock=clock) as router:
        carrier = RoutedCarrier(router, {"ses": first, "gmail": second}, BULK)
        assert await carrier.send(mails(ADA), DEADLINE) == [(ACCEPTED, "gmail")]


async def test_a_throttle_that_nobody_makes_up_for_is_no_attempt_and_keeps_the_providers_words(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    throttled = replace(THROTTLED, retry_after=7.0)
    first, second = FakeProvider("ses", throttled), FakeProvider("gmail", replace(throttled, retry_after=3.0))
    async with routing(database, broker, *ROUTES, clock=clock) as router:
        carrier = RoutedCarrier(router, {"ses": first, "gmail": second}, BULK)
        [(outcome, name)] = await carrier.send(mails(ADA), DEADLINE)
        assert (outcome.kind, outcome.retry_after, outcome.text, name) == (K.NOT_STARTED, 3.0, "429 slow down", "gmail")
        # From now on nobody is asked: both have said for how long.
        [(outcome, name)] = await carrier.send(mails(ADA), DEADLINE)
    assert (outcome.kind, outcome.retry_after, name) == (K.NOT_STARTED, 3.0, NOBODY)
    assert outcome.text == "gmail has asked for fewer messages."
    assert len(first.got) == len(second.got) == 1


async def test_a_fault_everywhere_stays_a_fault_with_the_time_to_wait(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    first, second = FakeProvider("ses", BAD_KEY), FakeProvider("gmail", BAD_KEY)
    async with routing(database, broker, *ROUTES, clock=clock) as router:
        carrier = RoutedCarrier(router, {"ses": first, "gmail": second}, BULK)
        [(outcome, name)] = await carrier.send(mails(ADA), DEADLINE)
    assert (outcome.kind, outcome.retry_after, name) == (K.PROVIDER_FAULT, 1.0, "gmail")


async def test_a_sender_whom_a_provider_does_not_send_for_keeps_no_other_from_it(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    first, second = FakeProvider("ses"), FakeProvider("gmail")
    async with routing(database, broker, *ROUTES, clock=clock) as router:
        router.holds = Holds(lambda: clock.now / 1000)
        providers = {"ses": first, "gmail": second}
        wrong = RoutedCarrier(router, providers, replace(BULK, sending_domain="shop.example"))
        first.always = NOT_OURS
        for _ in range(6):
            assert await wrong.send(mails(ADA), DEADLINE) == [(ACCEPTED, "gmail")]
        assert len(first.got) == 1  # it is not asked again at once
        first.always = None
        assert await RoutedCarrier(router, providers, BULK).send(mails(ADA), DEADLINE) == [(ACCEPTED, "ses")]
        clock.pass_by(31)
        assert await wrong.send(mails(ADA), DEADLINE) == [(ACCEPTED, "ses")]


async def test_a_campaign_of_a_sender_whom_nobody_sends_for_waits_and_a_single_message_uses_up_its_attempts(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    first = FakeProvider("ses")
    first.always = NOT_OURS
    async with routing(database, broker, ROUTES[0], clock=clock) as router:
        router.holds = Holds(lambda: clock.now / 1000)
        bulk, single = (
            RoutedCarrier(router, {"ses": first}, replace(BULK, message_class=one)) for one in reversed(MessageClass)
        )
        assert [outcome.kind for outcome, _ in await bulk.send(mails(ADA), DEADLINE)] == [K.PROVIDER_FAULT]
        [(held, name)] = await single.send(mails(ADA), DEADLINE)
        assert (held.kind, held.retry_after, name) == (K.NOT_STARTED, 30.0, NOBODY)
        assert held.text == "ses does not send for example.org: 403 not verified"
        clock.pass_by(30)
        [(outcome, name)] = await single.send(mails(ADA), DEADLINE)
    assert (outcome.kind, outcome.text, name) == (K.DEFERRED, "403 not verified", "ses")


async def test_a_busy_mailbox_holds_its_own_messages_longer_each_time_and_in_the_end_it_is_an_attempt(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    busy = said(K.DEFERRED, 450, "4.2.1 receiving mail too quickly", verb="RCPT", cause=Cause.BUSY)
    first, second = FakeProvider("ses"), FakeProvider("gmail")
    async with routing(database, broker, *ROUTES, clock=clock) as router:
        router.busy = BusyRecipients(lambda: clock.now / 1000, seeded(7))
        carrier = RoutedCarrier(router, {"ses": first, "gmail": second}, BULK)

        async def to_ada() -> tuple[Outcome, str]:
            [held, other] = await carrier.send(mails(ADA, "bob@example.com"), DEADLINE)
            assert other == (ACCEPTED, "ses"), "neither its domain nor the provider goes slower"
            return held

        for minutes in (1, 2, 4, 8, 16, 30):
            first.script.append(busy)
            outcome, name = await to_ada()
            assert (outcome.kind, outcome.text, name) == (K.NOT_STARTED, "450 4.2.1 receiving mail too quickly", "ses")
            assert 60 * minutes <= (outcome.retry_after or 0) <= 60 * minutes + 15
            outcome, name = await to_ada()  # not asked again before
            assert (outcome.kind, name) == (K.NOT_STARTED, NOBODY)
            assert 60 * minutes <= (outcome.retry_after or 0) <= 60 * minutes + 15
            clock.pass_by(60 * minutes)
        first.script.append(busy)
        assert await to_ada() == (busy, "ses")  # an hour is enough: now attempts are used up
        clock.pass_by(1800)
        assert await to_ada() == (ACCEPTED, "ses")
        first.script.append(busy)
        assert 60 <= ((await to_ada())[0].retry_after or 0) <= 75  # from the beginning
    assert second.got == []


async def test_a_text_is_held_by_the_number_or_name_that_it_is_from(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    first = FakeProvider("ses", NOT_OURS)
    async with routing(database, broker, ROUTES[0], clock=clock) as router:
        carrier = RoutedCarrier(router, {"ses": first}, Ask(MessageClass.TRANSACTIONAL))
        texts = [Sms(uuid7(), sender, "+4915112345678", "Hi") for sender in ("SHOP", "BANK")]
        assert (await carrier.send(texts[:1], DEADLINE))[0][0].kind is K.DEFERRED
        assert [outcome.kind for outcome, _ in await carrier.send(texts, DEADLINE)] == [K.NOT_STARTED, K.ACCEPTED]


async def test_who_has_been_refused_for_an_hour_waits_for_the_provider_that_has_room_first(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    routes = [Route("ses"), Route("gmail", priority=2, budgets=Budgets(per_second=1))]
    for_an_hour = replace(OUT_OF_QUOTA, retry_after=3600.0)
    first, second = FakeProvider("ses", for_an_hour, for_an_hour), FakeProvider("gmail")
    async with routing(database, broker, *routes, clock=clock) as router:
        carrier = RoutedCarrier(router, {"ses": first, "gmail": second}, BULK)
        results = await carrier.send(mails(ADA, ADA), DEADLINE)
    waits = [outcome.retry_after for outcome, _ in results if outcome.kind is not K.ACCEPTED]
    assert waits
    assert all(seconds is not None and seconds <= 1.1 for seconds in waits)


@pytest.mark.parametrize(("for_the_day", "least", "most"), [(True, 900.0, 960.0), (False, 60.0, 60.0)])
async def test_nobody_waits_longer_than_a_minute_before_providers_are_looked_at_again_unless_a_day_is_used_up(
    database: Database, broker: RedisBroker, clock: Clock, for_the_day: bool, least: float, most: float
) -> None:
    first = FakeProvider("ses", ACCEPTED if for_the_day else replace(THROTTLED, retry_after=3600.0))
    budgets = Budgets(per_day=1) if for_the_day else Budgets()
    async with routing(database, broker, Route("ses", budgets=budgets), clock=clock) as router:
        carrier = RoutedCarrier(router, {"ses": first}, BULK)
        await carrier.send(mails(ADA), DEADLINE)
        [(outcome, name)] = await carrier.send(mails(BOB), DEADLINE)
    assert (outcome.kind, name) == (K.NOT_STARTED, NOBODY)
    assert least <= (outcome.retry_after or 0.0) <= most
    said_so = "ses has had its messages of these 24 hours." if for_the_day else "ses has asked for fewer messages."
    assert outcome.text == said_so


async def test_whose_domain_has_had_its_messages_of_a_day_is_looked_at_as_seldom(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    limits = {"gmail.com": Budgets(per_day=1)}
    async with routing(database, broker, Route("ses"), clock=clock, limits=limits) as router:
        carrier = RoutedCarrier(router, {"ses": FakeProvider("ses")}, BULK)
        await carrier.send(mails(BOB), DEADLINE)
        [(outcome, _)] = await carrier.send(mails(BOB), DEADLINE)
    assert outcome.text == "gmail.com has had its messages of these 24 hours."
    assert 900.0 <= (outcome.retry_after or 0.0) <= 960.0


async def test_outcomes_do_not_wait_for_a_redis_that_does_not_answer(
    database: Database, broker: RedisBroker, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = asyncio.Event()
    async with routing(database, broker, *ROUTES, clock=clock) as router:
        carrier = RoutedCarrier(router, {"ses": FakeProvider("ses", ACCEPTED, CUT)}, BULK)
        say = router._exchange._say

        async def hang(groups: Sequence[Group], reports: Sequence[Report]) -> list[Answers]:
            if reports:
                await answers.wait()
            return await say(groups, reports)

        monkeypatch.setattr(router._exchange, "_say", hang)
        assert await carrier.send(mails(ADA, BOB), DEADLINE) == [(ACCEPTED, "ses"), (CUT, "ses")]
        answers.set()

        async def is_heard() -> bool:
            return (await board(database, broker, *ROUTES).look())[0].faults == 1

        await eventually(is_heard, what="the fault at the breaker")


async def test_a_window_larger_than_a_budget_is_split(database: Database, broker: RedisBroker, clock: Clock) -> None:
    routes = [Route("ses", budgets=Budgets(per_day=2)), Route("gmail", priority=2, budgets=Budgets(per_day=3))]
    first, second = FakeProvider("ses"), FakeProvider("gmail")
    async with routing(database, broker, *routes, clock=clock) as router:
        carrier = RoutedCarrier(router, {"ses": first, "gmail": second}, BULK)
        results = await carrier.send(mails(*[ADA] * 6), DEADLINE)
    assert Counter((outcome.kind, name) for outcome, name in results) == {
        (K.ACCEPTED, "ses"): 2, (K.ACCEPTED, "gmail"): 3, (K.NOT_STARTED, NOBODY): 1,
    }  # fmt: skip


async def test_a_throttled_domain_waits_alone(database: Database, broker: RedisBroker, clock: Clock) -> None:
    first = FakeProvider("ses", DOMAIN_BUSY)
    async with routing(database, broker, ROUTES[0], clock=clock) as router:
        carrier = RoutedCarrier(router, {"ses": first}, BULK)
        await carrier.send(mails(BOB), DEADLINE)
        results = await carrier.send(mails(BOB, ADA, BOB, ADA), DEADLINE)
    assert [outcome.kind for outcome, _ in results] == [K.NOT_STARTED, K.ACCEPTED] * 2
    assert first.got == [BOB, ADA, ADA]


async def test_routes_that_are_not_open_here_are_not_chosen(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    async with routing(database, broker, *ROUTES, clock=clock) as router:
        second = FakeProvider("gmail")
        assert await RoutedCarrier(router, {"gmail": second}, BULK).send(mails(ADA), DEADLINE) == [(ACCEPTED, "gmail")]


async def test_a_provider_that_was_opened_after_routes_were_read_is_found_at_once(
    database: Database, broker: RedisBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(service, "_ROUTES_SECONDS", 3_600.0)
    known = [Route("sandbox")]

    async def read() -> Sequence[Route]:
        return list(known)

    async with service.Router(database, broker, RouterSettings(), read) as router:
        assert chosen(await router.reserve([BULK], {"sandbox"})) == {"sandbox": 1}
        known[:] = [Route("ses"), Route("gmail", priority=2)]
        assert chosen(await router.reserve([BULK], {"gmail"})) == {"gmail": 1}
        # The other way round it is soon asked for again, not in half a minute.
        [wait] = await router.reserve([BULK], {"away"})
        assert wait == Wait(3.0, "ses, gmail: changed just now, or cannot be opened by this worker.")
        # A text asks in vain: these are for mail.
        [wait] = await router.reserve([Ask(MessageClass.BULK, channel=Channel.SMS)], ())
        assert wait == Wait(30.0, "No provider takes bulk messages.")


async def test_an_sms_under_dlt_waits_rather_than_going_to_a_route_without_it(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    routes = [Route("fast2sms", supports_dlt=True), Route("twilio", priority=2)]
    fast2sms, twilio = FakeProvider("fast2sms", BAD_KEY), FakeProvider("twilio")
    terms = Ask(MessageClass.TRANSACTIONAL, requires_dlt=True)
    async with routing(database, broker, *routes, clock=clock) as router:
        carrier = RoutedCarrier(router, {"fast2sms": fast2sms, "twilio": twilio}, terms)
        [(outcome, name)] = await carrier.send([Sms(uuid7(), None, "+911234567890", "Hi")], DEADLINE)
    assert (outcome.kind, name, twilio.got) == (K.PROVIDER_FAULT, "fast2sms", [])


async def test_nothing_fails_over_after_the_deadline(database: Database, broker: RedisBroker, clock: Clock) -> None:
    first, second = FakeProvider("ses", BAD_KEY), FakeProvider("gmail")
    async with routing(database, broker, *ROUTES, clock=clock) as router:
        carrier = RoutedCarrier(router, {"ses": first, "gmail": second}, BULK)
        [(outcome, name)] = await carrier.send(mails(ADA), time.monotonic() - 1)
    assert (outcome, name, second.got) == (BAD_KEY, "ses", [])


async def test_a_ledger_is_asked_before_each_provider_and_who_it_refuses_goes_nowhere(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    first, second = FakeProvider("ses", BAD_KEY), FakeProvider("gmail")
    noted: list[tuple[list[int], str, int]] = []

    async def admit(places: Sequence[int], provider: str) -> set[int]:
        noted.append((list(places), provider, len(first.got) + len(second.got)))
        return set(places) - {1}

    async with routing(database, broker, *ROUTES, clock=clock) as router:
        carrier = RoutedCarrier(router, {"ses": first, "gmail": second}, BULK)
        results = await carrier.send(mails(ADA, BOB, ADA), DEADLINE, admit)
    assert results == [(ACCEPTED, "gmail"), (NOT_ADMITTED, "ses"), (ACCEPTED, "ses")]
    assert noted == [([0, 1, 2], "ses", 0), ([0], "gmail", 2)]


async def test_what_a_ledger_cannot_note_is_not_sent(database: Database, broker: RedisBroker, clock: Clock) -> None:
    first = FakeProvider("ses")

    async def admit(places: Sequence[int], provider: str) -> set[int]:
        raise ConnectionError(f"{provider}: {places}")

    async with routing(database, broker, ROUTES[0], clock=clock) as router:
        carrier = RoutedCarrier(router, {"ses": first}, BULK)
        assert await carrier.send(mails(ADA), DEADLINE, admit) == [(NOT_NOTED, "ses")]
    assert first.got == []
