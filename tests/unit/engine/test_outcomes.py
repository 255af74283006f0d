"""What the end of an attempt means for its task."""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskflow.engine import outcomes, retry
from taskflow.engine.states import TaskStatus
from taskflow.engine.store import Lease


def lease(retry_count: int = 0, max_retries: int = 5, crash_count: int = 0) -> Lease:
    return Lease(uuid4(), 1, "t", "default", 5, retry_count, max_retries, 300, crash_count, None, None, None)


@pytest.mark.parametrize(("retry_count", "seconds"), list(enumerate([1, 2, 4, 8, 16, 16])))
def test_the_pauses_double_give_or_take_a_fifth(retry_count: int, seconds: int) -> None:
    pauses = [retry.delay(retry_count) for _ in range(200)]
    assert all(0.8 * seconds <= pause <= 1.2 * seconds for pause in pauses)
    assert max(pauses) > min(pauses)


def test_a_failure_waits_for_its_next_attempt_while_there_is_one() -> None:
    outcome = outcomes.failed(lease(4), 0.1, "ValueError: no")
    assert (outcome.status, outcome.execution, outcome.retries) == (TaskStatus.SCHEDULED, "FAILED", 1)
    assert not outcome.dead


def test_the_last_failure_goes_to_the_dead_letters() -> None:
    outcome = outcomes.failed(lease(5), 0.1, "ValueError: no")
    assert (outcome.status, outcome.dead, outcome.retries) == (TaskStatus.FAILED, True, 0)


def test_a_timeout_retries_and_the_last_one_ends_as_timeout() -> None:
    assert outcomes.failed(lease(0), 1, "slow", timed_out=True).status is TaskStatus.SCHEDULED
    last = outcomes.failed(lease(5), 1, "slow", timed_out=True)
    assert (last.status, last.execution, last.dead) == (TaskStatus.TIMEOUT, "TIMEOUT", True)


def test_a_crash_is_no_failed_attempt_until_it_is_poison() -> None:
    first = outcomes.crashed(lease(), None, "gone", limit=3)
    assert (first.status, first.crashes, first.retries, first.dead) == (TaskStatus.SCHEDULED, 1, 0, False)
    third = outcomes.crashed(lease(crash_count=2), None, "gone", limit=3)
    assert (third.status, third.dead) == (TaskStatus.FAILED, True)
    assert (third.error or "").startswith("Poison")


def test_handing_back_burns_nothing() -> None:
    outcome = outcomes.released(lease())
    assert (outcome.status, outcome.retries, outcome.crashes, outcome.execution) == (TaskStatus.PENDING, 0, 0, "")


@given(st.text(st.characters(), max_size=6_000))
def test_whatever_a_task_raises_can_be_stored(text: str) -> None:
    error = outcomes.failed(lease(5), 0.1, text).error
    assert error is not None
    assert "\x00" not in error
    assert len(error) < 2_100
    error.encode("utf-8")
