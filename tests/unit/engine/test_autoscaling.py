"""How many workers a queue wants, and how many processes a node: enough, 0 for nothing, and no flapping."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskflow.engine.autoscaling.advice import QueueLoad, desired_slots, workers_for
from taskflow.engine.autoscaling.scaler import GROW_SECONDS, SHRINK_SECONDS, Scaler


@pytest.mark.parametrize(
    ("ready", "running", "oldest", "seconds", "slots"),
    [
        (0, 0, None, 1.0, 0),  # empty
        (0, 7, None, 1.0, 7),  # what runs goes on
        (1, 0, 0.1, 0.001, 1),  # anything that waits wants a worker
        (3000, 0, 1.0, 0.1, 10),  # 300 s of work within 30 s
        (3000, 5, 1.0, 0.1, 15),
        (3000, 0, 60.0, 0.1, 20),  # the oldest has waited twice the target
        (3000, 0, 86_400.0, 0.1, 40),  # and no more than four times as much for age alone
        (4, 2, 1.0, 3600.0, 6),  # never more slots than tasks
    ],
)
def test_slots_come_from_depth_age_and_duration(
    ready: int, running: int, oldest: float | None, seconds: float, slots: float
) -> None:
    assert desired_slots(QueueLoad("q", ready, running, oldest, seconds), 30.0) == pytest.approx(slots)


@given(
    ready=st.integers(0, 10**7),
    running=st.integers(0, 10**4),
    oldest=st.floats(0, 10**6),
    seconds=st.floats(0, 10**5),
    target=st.floats(1, 86_400),
)
def test_slots_are_none_for_nothing_and_never_fewer_than_run_or_more_than_tasks(
    ready: int, running: int, oldest: float, seconds: float, target: float
) -> None:
    slots = desired_slots(QueueLoad("q", ready, running, oldest if ready else None, seconds), target)
    assert running <= slots <= ready + running
    assert (slots == 0) == (ready == running == 0)


def test_workers_are_whole() -> None:
    assert [workers_for(slots, 10) for slots in (0, 0.1, 10, 10.5)] == [0, 1, 1, 2]


def watched(scaler: Scaler, looks: list[tuple[float, int, int]]) -> list[int]:
    return [scaler.look(*look) for look in looks]


def test_a_burst_that_is_over_within_a_second_starts_nothing() -> None:
    scaler = Scaler(1, 8, 5)
    assert watched(scaler, [(0, 0, 100), (0.5, 5, 0), (1.0, 0, 100), (1.5, 5, 0)]) == [1, 1, 1, 1]


def test_a_backlog_doubles_the_processes_each_second_up_to_the_most() -> None:
    scaler = Scaler(1, 6, 5)
    looks = [(now * GROW_SECONDS, scaler.wanted * 5, 1000) for now in range(6)]
    assert watched(scaler, looks) == [1, 2, 4, 6, 6, 6]


def test_no_more_processes_than_tasks_need() -> None:
    scaler = Scaler(1, 8, 5)
    assert watched(scaler, [(0, 5, 4), (GROW_SECONDS, 5, 4), (2 * GROW_SECONDS, 9, 0)]) == [1, 2, 2]


def test_processes_go_one_by_one_after_half_a_minute_of_calm() -> None:
    scaler = Scaler(1, 8, 5)
    watched(scaler, [(0, 5, 99), (1, 5, 99), (2, 10, 99)])
    assert scaler.wanted == 4
    calm = [3, 3 + SHRINK_SECONDS - 0.1, 3 + SHRINK_SECONDS, 3 + SHRINK_SECONDS + 1, 3 + SHRINK_SECONDS + 5]
    assert watched(scaler, [(now, 1, 0) for now in calm]) == [4, 4, 3, 3, 2]
    assert watched(scaler, [(100 + now * 5, 0, 0) for now in range(9)])[-1] == 1


def test_a_load_that_comes_and_goes_keeps_its_processes() -> None:
    scaler = Scaler(1, 8, 5)
    watched(scaler, [(0, 5, 99), (1, 5, 99), (2, 10, 99)])
    wanted = [scaler.look(3 + second, 0 if second % 20 < 15 else 20, 0) for second in range(600)]
    assert set(wanted) == {4}


def test_work_that_only_runs_starts_nothing() -> None:
    scaler = Scaler(1, 8, 5)
    assert watched(scaler, [(now, 30, 0) for now in range(5)]) == [1] * 5
