"""Sandboxes that fail on purpose do to messages, breakers and ledgers what broken providers do."""

from collections.abc import Sequence

import pytest

from support.routing import ACCEPTED, mails
from taskflow.delivery.outcome import Cause, Outcome, OutcomeKind
from taskflow.delivery.providers import sandbox_faults
from taskflow.delivery.providers.contract import Mail, ProviderUnusableError
from taskflow.delivery.providers.sandbox_faults import Fault, Faults, SandboxFields
from taskflow.delivery.router.breaker import Verdict, certainty, may_fail_over, slowed, verdict
from taskflow.delivery.verdict import suppressed_as

K = OutcomeKind


async def met(
    fault: Fault, count: int = 1, *, share: float = 1.0, draws: Sequence[float] = ()
) -> tuple[list[Outcome], int]:
    """Return what becomes of messages, and how many reached the inbox."""
    handed_over: list[Mail] = []

    async def send(some: Sequence[Mail], _deadline: float) -> list[Outcome]:
        handed_over.extend(some)
        return [ACCEPTED] * len(some)

    drawn = iter(draws or [0.0] * count)
    faults = Faults(SandboxFields(fault=fault, fault_share=share), lambda: next(drawn))
    outcomes = await faults.meet(mails(*["ada@example.com"] * count), 0.0, send)
    return outcomes, len(handed_over)


@pytest.mark.parametrize(
    ("fault", "kind", "cause", "hears", "fails_over", "arrived"),
    [
        ("none", K.ACCEPTED, None, Verdict.GOOD, False, 1),
        ("reject_auth", K.PROVIDER_FAULT, Cause.CREDENTIALS, Verdict.FAULT, True, 0),
        ("throttle", K.DEFERRED, Cause.THROTTLED, Verdict.NOTHING, True, 0),
        ("defer", K.DEFERRED, Cause.OUTAGE, Verdict.NOTHING, False, 0),
        ("reject", K.REJECTED, Cause.CONTENT, Verdict.GOOD, False, 0),
        ("drop_after_data", K.UNCERTAIN, Cause.OUTAGE, Verdict.FAULT, False, 1),
    ],
)
async def test_each_fault_is_read_as_a_real_servers(
    fault: Fault, kind: OutcomeKind, cause: Cause | None, hears: Verdict, fails_over: bool, arrived: int
) -> None:
    [outcome], handed_over = await met(fault)
    assert (outcome.kind, outcome.cause, handed_over) == (kind, cause, arrived)
    assert (verdict(outcome), may_fail_over(outcome)) == (hears, fails_over)
    assert bool(certainty(outcome)) is (fault == "reject_auth")
    assert (slowed(outcome, "first", "example.com") is not None) is (fault == "throttle")
    assert suppressed_as(outcome) is None, "nobody is to be suppressed by a rehearsal"


@pytest.mark.parametrize("fault", ["reject", "drop_after_data"])
async def test_a_share_of_the_messages_meets_the_fault_and_the_others_arrive(fault: Fault) -> None:
    outcomes, _ = await met(fault, 4, share=0.5, draws=[0.9, 0.1, 0.5, 0.4])
    assert [outcome.kind is K.ACCEPTED for outcome in outcomes] == [True, False, True, False]


async def test_a_slow_one_takes_messages_later(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(sandbox_faults.asyncio, "sleep", sleep)
    outcomes, arrived = await met("slow", 3, share=0.5, draws=[0.1, 0.9, 0.1])
    assert (outcomes, arrived, slept) == ([ACCEPTED] * 3, 3, [6.0])
    assert Faults(SandboxFields(fault="slow")).seconds == 30.0  # a lease has to outlast a window of ten


def test_a_test_of_the_connection_tells_of_it() -> None:
    assert Faults(SandboxFields()).check() == ""
    assert Faults(SandboxFields(fault="throttle")).check() == " It fails on purpose: throttle."
    with pytest.raises(ProviderUnusableError, match=r"535 5\.7\.8"):
        Faults(SandboxFields(fault="reject_auth")).check()
