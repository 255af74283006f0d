"""Which providers may have a message, in which order, and what an outcome tells of them."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.routing import (
    ACCEPTED,
    BAD_KEY,
    BROKEN,
    BULK,
    CUT,
    DOMAIN_BUSY,
    GREYLISTED,
    NO_SUCH_USER,
    NOT_OURS,
    OUT_OF_QUOTA,
    RECEIPT,
    THROTTLED,
    said,
    seeded,
)  # fmt: skip
from taskflow.audience.channels import Channel
from taskflow.delivery.outcome import NOT_STARTED, STOPPED, Cause, Outcome, OutcomeKind, refused_by_us
from taskflow.delivery.providers.contract import MessageClass
from taskflow.delivery.router.breaker import Report, Verdict, certainty, may_fail_over, slowed, verdict
from taskflow.delivery.router.choose import order, usable
from taskflow.delivery.router.models import Ask, Choice, Preference, Route

BOTH = [*MessageClass]
DOMAINS = ["", "a.example", "b.example", "news.a.example"]
ROUTES = st.lists(
    st.builds(
        Route,
        name=st.text("abcdef", min_size=1, max_size=3),
        priority=st.integers(1, 3),
        weight=st.floats(0.1, 10),
        classes=st.frozensets(st.sampled_from(BOTH)),
        sending_domains=st.frozensets(st.sampled_from(DOMAINS[1:])),
        supports_dlt=st.booleans(),
    ),
    max_size=6,
    unique_by=lambda route: route.name,
)
ASKS = st.builds(
    Ask, message_class=st.sampled_from(BOTH), sending_domain=st.sampled_from(DOMAINS), requires_dlt=st.booleans()
)


@given(routes=ROUTES, ask=ASKS, seed=st.integers())
def test_whoever_is_asked_may_have_the_message_and_smaller_priorities_come_first(
    routes: list[Route], ask: Ask, seed: int
) -> None:
    found = order(usable(routes, ask), seeded(seed))
    assert [route.priority for route in found] == sorted(route.priority for route in found)
    for route in routes:
        fits = ask.message_class in route.classes and (
            not route.sending_domains
            or any(f".{ask.sending_domain}".endswith(f".{domain}") for domain in route.sending_domains)
        )
        assert (route in found) == (fits and (route.supports_dlt or not ask.requires_dlt))


def test_a_message_under_dlt_goes_to_no_route_without_it_even_when_all_others_have_had_it() -> None:
    routes = [Route("dlt", supports_dlt=True), Route("plain")]
    ask = replace(BULK, requires_dlt=True)
    assert usable(routes, ask) == routes[:1]
    assert usable(routes, replace(ask, without=frozenset({"dlt"}))) == []


def test_a_sandbox_never_takes_over_from_a_real_provider_of_its_channel() -> None:
    real, inbox = Route("ses", priority=2), Route("inbox", is_sandbox=True, priority=100)
    texts = Route("texts", channel=Channel.SMS, is_sandbox=True, supports_dlt=True, priority=9)
    assert usable([real, inbox], replace(BULK, without=frozenset({"ses"}))) == []
    assert usable([real, inbox], BULK, among={"inbox"}) == []  # the real one cannot be opened here
    assert usable([real, replace(inbox, priority=2)], BULK) == [real]
    # Without a real one that may have the message, or put before it on purpose, a sandbox is a provider like others.
    assert usable([inbox, texts], BULK) == [inbox, texts]
    assert usable([replace(real, sending_domains=frozenset({"a.example"})), inbox], BULK) == [inbox]
    assert usable([real, replace(inbox, priority=1)], BULK) == [real, replace(inbox, priority=1)]
    # Mail does not stand for texts; and a real provider without DLT sends nothing under DLT into the inbox either.
    assert usable([real, texts], BULK, among={"texts"}) == [texts]
    assert usable([Route("twilio", channel=Channel.SMS), texts], replace(BULK, requires_dlt=True)) == []


@pytest.mark.parametrize(
    ("message_class", "domain", "expected"),
    [
        (MessageClass.TRANSACTIONAL, "b.example", (5, 5)),
        (MessageClass.BULK, "b.example", (2, 5)),
        (MessageClass.BULK, "a.example", (1, 7)),
        (MessageClass.BULK, "xa.example", (2, 5)),
        (MessageClass.TRANSACTIONAL, "a.example", (3, 5)),
        (MessageClass.TRANSACTIONAL, "shop.a.example", (3, 5)),
        (MessageClass.BULK, "shop.news.a.example", (4, 5)),
    ],
)
def test_of_a_providers_preferences_the_most_specific_one_counts(
    message_class: MessageClass, domain: str, expected: tuple[int, int]
) -> None:
    bulk = MessageClass.BULK
    preferences = (
        Preference(bulk, priority=2),
        Preference(domain="a.example", priority=3),
        Preference(bulk, "a.example", priority=1, weight=7),
        Preference(domain="news.a.example", priority=4),
    )
    [found] = usable([Route("ses", priority=5, weight=5, preferences=preferences)], Ask(message_class, domain))
    assert (found.priority, found.weight) == expected


def test_two_providers_can_each_be_the_others_reserve() -> None:
    routes = [
        Route("ses", priority=1, preferences=(Preference(MessageClass.BULK, priority=2),)),
        Route("sendgrid", priority=2, preferences=(Preference(MessageClass.BULK, priority=1),)),
        Route("inbox", priority=2, is_sandbox=True),
    ]
    for ask, expected in ((BULK, ["sendgrid", "ses"]), (RECEIPT, ["ses", "sendgrid"])):
        assert [route.name for route in order(usable(routes, ask), seeded(1))] == expected


def test_routes_of_one_priority_come_first_as_often_as_their_weights_say() -> None:
    routes = [Route("three", weight=3), Route("one", weight=1), Route("last", priority=2, weight=100)]
    rng = seeded(1)
    first = Counter(order(routes, rng)[0].name for _ in range(4000))
    assert first["last"] == 0
    assert first["three"] / 4000 == pytest.approx(0.75, abs=0.03)


@pytest.mark.parametrize(
    ("outcome", "heard", "elsewhere"),
    [
        (ACCEPTED, Verdict.GOOD, False),
        (NO_SUCH_USER, Verdict.GOOD, False),
        (refused_by_us("unsafe"), Verdict.NOTHING, False),
        (BAD_KEY, Verdict.FAULT, True),
        (NOT_OURS, Verdict.NOTHING, True),
        (CUT, Verdict.FAULT, False),
        (replace(CUT, cause=Cause.OUTAGE), Verdict.FAULT, False),
        (replace(CUT, reason=STOPPED.reason), Verdict.NOTHING, False),
        (replace(CUT, cause=Cause.UNKNOWN), Verdict.NOTHING, False),
        (BROKEN, Verdict.FAULT, False),
        (replace(BROKEN, verb="DATA", cause=Cause.OUTAGE), Verdict.FAULT, False),
        (said(OutcomeKind.DEFERRED, 451, "4.3.0 disk full", verb="MAIL", cause=Cause.OUTAGE), Verdict.FAULT, False),
        (said(OutcomeKind.DEFERRED, 408, "", cause=Cause.OUTAGE), Verdict.FAULT, False),
        (said(OutcomeKind.DEFERRED, 451, "4.3.0 later", verb="RCPT", cause=Cause.OUTAGE), Verdict.NOTHING, False),
        (said(OutcomeKind.DEFERRED, 450, "4.4.1 dead", verb="DOT", cause=Cause.OUTAGE), Verdict.NOTHING, False),
        (GREYLISTED, Verdict.NOTHING, False),
        (DOMAIN_BUSY, Verdict.NOTHING, True),
        (THROTTLED, Verdict.NOTHING, True),
        (OUT_OF_QUOTA, Verdict.NOTHING, True),
        (replace(OUT_OF_QUOTA, kind=OutcomeKind.PROVIDER_FAULT), Verdict.NOTHING, True),
        (NOT_STARTED, Verdict.NOTHING, False),
        (STOPPED, Verdict.NOTHING, False),
    ],
)
def test_what_an_outcome_tells_of_its_provider(outcome: Outcome, heard: Verdict, elsewhere: bool) -> None:
    assert (verdict(outcome), may_fail_over(outcome)) == (heard, elsewhere)


@pytest.mark.parametrize(
    ("outcome", "slower"),
    [
        (ACCEPTED, None),
        (NO_SUCH_USER, None),
        (BROKEN, None),
        (replace(GREYLISTED, cause=Cause.MAILBOX_FULL), None),
        (GREYLISTED, ("p/gmail.com", 0.0, "throttled")),
        (DOMAIN_BUSY, ("p/gmail.com", 0.0, "throttled")),
        (replace(DOMAIN_BUSY, verb="MAIL"), ("p", 0.0, "throttled")),
        (said(OutcomeKind.DEFERRED, 454, "Throttling", verb="DOT", cause=Cause.THROTTLED), ("p", 0.0, "throttled")),
        (replace(THROTTLED, retry_after=7.0), ("p", 7.0, "throttled")),
        (OUT_OF_QUOTA, ("p", 300.0, "quota")),
    ],
)
def test_who_goes_slower_after_an_outcome(outcome: Outcome, slower: tuple[str, float, str] | None) -> None:
    assert slowed(outcome, "p", "gmail.com") == slower


@pytest.mark.parametrize(
    ("outcome", "certain"),
    [
        (BAD_KEY, "Its credentials are refused"),
        (said(OutcomeKind.PROVIDER_FAULT, 535, verb="AUTH", cause=Cause.CREDENTIALS), "Its credentials are refused"),
        (said(OutcomeKind.PROVIDER_FAULT, 400, cause=Cause.SUSPENDED), "Its account is suspended"),
        (said(OutcomeKind.PROVIDER_FAULT, 403, cause=Cause.CREDENTIALS), ""),  # perhaps this message alone
        (said(OutcomeKind.PROVIDER_FAULT, 530, verb="RCPT", cause=Cause.CREDENTIALS), ""),
        (said(OutcomeKind.PROVIDER_FAULT, 454, verb="AUTH", cause=Cause.OUTAGE), ""),
        (NO_SUCH_USER, ""),
    ],
)
def test_what_one_fault_makes_certain(outcome: Outcome, certain: str) -> None:
    assert certainty(outcome) == certain
    given_to = Choice(Route("p"), 5)
    assert Report.of(given_to, [(ACCEPTED, "a"), (outcome, "a")], failovers=0).certain == certain
    assert Report.of(given_to, [(outcome, "a"), (ACCEPTED, "a")], failovers=0).certain == ""


def test_a_report_sums_up_a_window() -> None:
    outcomes = [(BAD_KEY, "a"), (ACCEPTED, "a"), (CUT, "b"), (BAD_KEY, "b"), (NOT_STARTED, "b"), (DOMAIN_BUSY, "b")]
    report = Report.of(Choice(Route("p"), 5, limited=frozenset("b")), outcomes, failovers=1)
    assert (report.good, report.faults, report.trailing, report.unused, report.failovers) == (1, 3, 2, 3, 1)
    assert report.unused_to == {"b": 2}
    assert report.reason == "401 bad key"
    assert report.throttles == {"p/b": (0.0, "throttled")}
    assert report.quickened == {"p": 1, "p/a": 1}
    assert report.is_urgent
    assert "probe" not in report.packed()
