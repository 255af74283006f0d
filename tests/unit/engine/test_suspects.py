"""Suspects get a child to themselves, and neither they nor the others wait for ever."""

import pytest

from taskflow.base.ids import uuid7
from taskflow.engine import Batch, task
from taskflow.engine.store import Lease
from taskflow.engine.worker.poller import Stock
from taskflow.engine.worker.run import Run
from taskflow.engine.worker.suspects import Suspects
from taskflow.settings import WorkerSettings


@task(name="unit.suspect")
async def suspect() -> None:
    """Do nothing."""


@task(name="unit.suspects", batch=10)
async def suspects_in_batches(batch: Batch) -> None:
    """Do nothing."""


class Child:
    """A child's stock and suspects, and what they handed back."""

    def __init__(self) -> None:
        self.stock = Stock(WorkerSettings())
        self.handed_back: list[tuple[Lease, float | None]] = []
        self.suspects = Suspects(self.stock, 30.0, lambda lease, after: self.handed_back.append((lease, after)))

    @property
    def claims(self) -> bool:
        return self.stock.room()[0] > 0

    def start(self, now: float) -> Run:
        lease, _ = self.suspects.begin(now)
        run = Run([lease], 300.0)
        run.started = now
        self.suspects.started(run)
        return run


def lease(*, crashes: int = 1, epoch: int = 2, name: str = "unit.suspect") -> Lease:
    return Lease(uuid7(), epoch, name, "default", 5, 0, 5, 300, crashes, None, None, None)


@pytest.fixture
def child() -> Child:
    return Child()


def test_a_child_claims_nothing_while_a_suspect_waits_or_is_alone(child: Child) -> None:
    assert child.claims
    child.suspects.take(lease(), 0.0)
    assert not child.claims
    run = child.start(0.0)
    assert child.suspects.run is run
    assert not child.claims
    child.suspects.ended()
    assert child.claims


def test_only_one_is_alone_at_a_time(child: Child) -> None:
    child.suspects.take(lease(), 0.0)
    child.suspects.take(lease(), 0.0)
    child.start(0.0)
    assert not child.suspects.may_start
    child.suspects.ended()
    assert child.suspects.may_start


@pytest.mark.parametrize(("crashes", "seconds"), [(1, 10), (2, 40), (3, 160)])
def test_others_may_start_after_a_while_which_grows_with_each_crash(child: Child, crashes: int, seconds: int) -> None:
    child.suspects.take(lease(crashes=crashes), 0.0)
    child.start(100.0)
    assert not child.suspects.tend(100.0 + seconds - 0.1)
    assert not child.claims
    assert child.suspects.tend(100.0 + seconds + 0.1)
    assert child.claims


def test_while_its_start_is_not_written_down_a_suspect_keeps_its_place(child: Child) -> None:
    child.suspects.take(lease(), 0.0)
    child.suspects.begin(0.0)
    assert not child.suspects.tend(1000.0)
    assert not child.claims


def test_those_behind_a_slow_one_are_handed_back_for_other_children(child: Child) -> None:
    first, second = lease(), lease()
    child.suspects.take(first, 0.0)
    child.suspects.take(second, 0.0)
    child.start(5.0)
    child.suspects.tend(5.9)
    assert child.handed_back == []
    child.suspects.tend(6.1)
    assert child.handed_back == [(second, None)]
    assert not child.claims, "the first one is still alone"


def test_a_child_that_cannot_get_empty_hands_back_and_makes_up_for_the_time(child: Child) -> None:
    one = lease()
    child.suspects.take(one, 0.0)
    assert not child.suspects.tend(0.9)
    assert child.suspects.tend(1.5)
    [(returned, after)] = child.handed_back
    assert returned is one
    assert after is not None
    assert 0.5 <= after <= 1.5
    assert child.claims
    child.suspects.take(lease(), 2.9)
    assert len(child.handed_back) == 2, "it stood by for 1.5 s, and works for others as long"
    assert child.claims
    child.suspects.take(lease(), 3.1)
    assert len(child.handed_back) == 2
    assert not child.claims


def test_each_hand_back_makes_the_next_child_more_patient(child: Child) -> None:
    child.suspects.take(lease(epoch=2 + 120), 0.0)
    assert not child.suspects.tend(120.0)
    assert child.suspects.tend(122.0)


def test_a_batch_never_waits_past_half_its_lease(child: Child) -> None:
    child.suspects.take(lease(epoch=1000, name="unit.suspects"), 0.0)
    assert not child.suspects.tend(14.9)
    assert child.suspects.tend(15.1)


def test_a_drain_hands_back_at_once(child: Child) -> None:
    child.suspects.take(lease(), 0.0)
    child.suspects.release()
    assert [after for _, after in child.handed_back] == [None]
    assert child.claims


def test_one_that_is_cancelled_while_it_waits_holds_up_nobody(child: Child) -> None:
    one = lease()
    child.suspects.take(one, 0.0)
    assert child.suspects.waiting() == [one]
    child.suspects.remove(one)
    assert child.claims
    assert child.handed_back == []
