"""Lanes when no provider has room: who rests here, who goes back to the queue, and who does not wait for them."""

import math
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from support.routing import ACCEPTED
from support.waiting import eventually
from taskflow.base.ids import uuid7
from taskflow.campaigns import lanes as lanes_module
from taskflow.campaigns.lanes import Lanes, Stream
from taskflow.campaigns.ledger import Begin, Row, Turned
from taskflow.campaigns.verdict import Letter
from taskflow.delivery.ledgers import End
from taskflow.delivery.outcome import Cause, Outcome, OutcomeKind
from taskflow.delivery.providers.contract import Mail
from taskflow.delivery.router.carrier import NOBODY, Admit, Carried
from taskflow.delivery.router.models import Ask

FULL = Outcome(OutcomeKind.NOT_STARTED, "ROOM", reason="ses has had its messages of this second.", retry_after=0.01)
DOMAIN_FULL = Outcome(OutcomeKind.NOT_STARTED, "CHECK", reason="gmail.com has asked for fewer.", retry_after=0.01)


BUSY = Outcome(
    OutcomeKind.NOT_STARTED,
    "RCPT",
    reason="450 4.2.1 <ann@example.com> is over its rate",
    retry_after=60.0,
    cause=Cause.BUSY,
)


class Ledger:
    """Commits everything."""

    async def turn(self, _campaign_id: UUID, _slot: int, ends: Sequence[End], begins: Sequence[Begin]) -> Turned:
        return Turned(
            begun={begin.recipient_id: "SENDING" for begin in begins},
            ended={end.message_id: end.status for end in ends},
        )


class Carrier:
    """Takes what comes from the domains that have room."""

    def __init__(self) -> None:
        self.full: dict[str, Outcome] = {}
        self.asked = Counter[str]()

    async def send(self, terms: Ask, mails: Sequence[Mail], _deadline: float, admit: Admit, /) -> list[Carried]:
        domain = terms.sending_domain
        self.asked[domain] += 1
        if domain in self.full and self.full[domain].cause is not Cause.BUSY:
            return [(self.full[domain], NOBODY)] * len(mails)
        going = await admit(range(len(mails)), "ses")
        assert len(going) == len(mails)
        return [(self.full.get(domain, ACCEPTED), "ses"), *[(ACCEPTED, "ses")] * (len(mails) - 1)]


class Batch:
    """Notes how its tasks ended."""

    def __init__(self) -> None:
        self.completed = Counter[UUID]()
        self.released: list[float | None] = []

    def deadline(self, _item: Any) -> float:
        return math.inf

    def complete(self, item: Any) -> None:
        self.completed[item.task_id] += 1

    def release(self, _item: Any, after: float | None = None) -> None:
        self.released.append(after)


def stream(domain: str) -> Stream:
    return Stream(uuid7(), f"news@{domain}", resend=False)


def letters(batch: Any, count: int) -> list[Letter]:
    found = []
    for _ in range(count):
        item: Any = SimpleNamespace(task_id=uuid7(), lease_epoch=1, retry_count=0, max_retries=5)
        row = Row(item.task_id, "PENDING", 0, 0, "ada@gmail.com", {}, None, None)
        found.append(Letter(batch, item, row, b"Subject: hello\r\n\r\n", lambda: None))
    return found


@asynccontextmanager
async def running(carrier: Carrier, faults: list[str] | None = None) -> AsyncIterator[Lanes]:
    def ignore(*_: object) -> None:
        pass

    def note(_campaign: UUID, reason: str) -> None:
        if faults is not None:
            faults.append(reason)

    ledger: Any = Ledger()
    lanes = Lanes(ledger, carrier, count=2, window=10, slot=1, on_fault=note, on_success=ignore, on_sent=ignore)
    lanes.start()
    try:
        yield lanes
    finally:
        await lanes.close()


async def test_letters_rest_until_there_is_room_and_no_other_campaign_waits_for_them() -> None:
    carrier, slow, quick = Carrier(), Batch(), Batch()
    carrier.full["slow.example"] = FULL
    async with running(carrier) as lanes:
        waiting = stream("slow.example")
        lanes.put(waiting, letters(slow, 30))
        await eventually(lambda: carrier.asked["slow.example"] > 5, what="asking again and again")
        lanes.put(waiting, letters(slow, 5))
        lanes.put(stream("quick.example"), letters(quick, 30))
        await eventually(lambda: quick.completed.total() == 30, what="the other campaign")
        assert (slow.completed.total(), slow.released) == (0, [])
        del carrier.full["slow.example"]
        await eventually(lambda: slow.completed.total() == 35, what="the letters that rested")
    assert set(slow.completed.values()) == {1}
    assert slow.released == []


async def test_a_busy_mailbox_is_not_what_a_campaign_waits_for() -> None:
    carrier, batch, faults = Carrier(), Batch(), list[str]()
    carrier.full["busy.example"] = BUSY
    async with running(carrier, faults) as lanes:
        lanes.put(stream("busy.example"), letters(batch, 10))
        await eventually(lambda: batch.completed.total() == 9)
    assert faults == []


async def test_who_has_rested_long_enough_goes_back_to_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes_module, "_PATIENCE_SECONDS", 0.0)
    carrier, batch = Carrier(), Batch()
    carrier.full["slow.example"] = FULL
    async with running(carrier) as lanes:
        lanes.put(stream("slow.example"), letters(batch, 15))
        await eventually(lambda: len(batch.released) == 15)
    assert set(batch.released) == {0.01}


@pytest.mark.parametrize(
    "outcome", [DOMAIN_FULL, Outcome(OutcomeKind.NOT_STARTED, "ROOM", reason="Tomorrow.", retry_after=3600.0)]
)
async def test_a_recipient_domain_that_wants_less_and_a_long_wait_are_not_waited_for_here(outcome: Outcome) -> None:
    carrier, batch = Carrier(), Batch()
    carrier.full["slow.example"] = outcome
    async with running(carrier) as lanes:
        lanes.put(stream("slow.example"), letters(batch, 15))
        await eventually(lambda: len(batch.released) == 15)
    assert set(batch.released) == {outcome.retry_after}
    assert carrier.asked["slow.example"] == 2, "each window once"


async def test_what_is_withdrawn_while_it_rests_is_not_sent() -> None:
    carrier, batch, other = Carrier(), Batch(), Batch()
    carrier.full["slow.example"] = FULL
    async with running(carrier) as lanes:
        waiting, unwanted = stream("slow.example"), letters(batch, 10)
        lanes.put(waiting, [*unwanted, *letters(other, 10)])
        await eventually(lambda: carrier.asked["slow.example"] > 3)

        def all_back() -> bool:
            lanes.withdraw(waiting, unwanted)
            return all(letter.is_finished for letter in unwanted)

        await eventually(all_back, what="no lane asking for them just now")
        del carrier.full["slow.example"]
        await eventually(lambda: other.completed.total() == 10)
    assert batch.completed.total() == 0
