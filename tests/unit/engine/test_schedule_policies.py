"""Timetables, misfire, overlap and jitter as pure functions."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

import taskflow.db
from taskflow.engine import At, Cron, Every, Schedule
from taskflow.engine.schedules.policies import (
    FireCause,
    FireStatus,
    MisfirePolicy,
    OverlapPolicy,
    due,
    jitter,
    judge,
)
from taskflow.engine.schedules.timetable import InvalidScheduleError, Timetable

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
GRACE = timedelta(seconds=15)
DAY = timedelta(days=1)
FIRED, WAITING, SKIPPED = FireStatus


def minutes(*numbers: float) -> list[datetime]:
    return [NOON + timedelta(minutes=number) for number in numbers]


def every_minute(**bounds: datetime) -> Timetable:
    return Timetable(Every(60), NOON, **bounds)


# ── timetables ──


def test_an_interval_is_counted_from_its_anchor_in_both_directions() -> None:
    timetable = Timetable(Every(90), NOON)
    assert timetable.next_after(NOON) == NOON + timedelta(seconds=90)
    assert timetable.next_after(NOON + timedelta(seconds=89.999)) == NOON + timedelta(seconds=90)
    assert timetable.next_after(NOON - timedelta(seconds=1)) == NOON
    assert timetable.next_after(NOON - timedelta(seconds=91)) == NOON - timedelta(seconds=90)


def test_an_instant_is_fired_once() -> None:
    timetable = Timetable(At(NOON), NOON)
    assert timetable.next_after(NOON - DAY) == NOON
    assert timetable.next_after(NOON) is None


def test_bounds_include_their_own_instants() -> None:
    timetable = every_minute(starts_at=minutes(2)[0], ends_at=minutes(4)[0])
    assert list(timetable.between(NOON, NOON + DAY)) == minutes(2, 3, 4)
    assert list(timetable.unbounded().between(NOON, minutes(2)[0])) == minutes(0, 1, 2)


@pytest.mark.parametrize("timing", [Every(1), Every(60), Every(86_400), Cron("7 3 * * *", "Europe/Berlin"), At(NOON)])
def test_the_newest_instant_is_the_last_of_all(timing: Every | Cron | At) -> None:
    timetable = Timetable(timing, NOON)
    first, last = NOON - timedelta(hours=1), NOON + timedelta(hours=2)
    for _ in range(3):
        expected = list(timetable.between(first, last))
        assert timetable.newest(first, last) == (expected[-1] if expected else None)
        last += timedelta(hours=1, seconds=7)
    assert timetable.newest(last, first) is None


# ── misfire ──


@pytest.mark.parametrize("policy", MisfirePolicy)
def test_what_is_seen_within_the_grace_fires_under_every_policy(policy: MisfirePolicy) -> None:
    found = due(every_minute(), NOON, NOON + timedelta(seconds=15), policy, window=timedelta(), grace=GRACE, limit=100)
    assert found == ([NOON], minutes(1)[0])


@pytest.mark.parametrize(
    ("policy", "window", "late", "expected"),
    [
        (MisfirePolicy.SKIP, DAY, 5.5, []),
        (MisfirePolicy.SKIP, DAY, 5.1, [5]),
        (MisfirePolicy.ONCE, DAY, 5.5, [5]),
        (MisfirePolicy.ONCE, DAY, 5.1, [5]),
        (MisfirePolicy.ONCE, timedelta(seconds=20), 5.5, []),
        (MisfirePolicy.ALL, DAY, 5.5, [0, 1, 2, 3, 4, 5]),
        (MisfirePolicy.ALL, timedelta(minutes=2), 5.5, [4, 5]),
        (MisfirePolicy.ALL, timedelta(), 5.1, [5]),
        (MisfirePolicy.ALL, timedelta(), 5.5, []),
    ],
)
def test_what_was_missed_is_the_policys_to_decide(
    policy: MisfirePolicy, window: timedelta, late: float, expected: list[float]
) -> None:
    [now] = minutes(late)
    found = due(every_minute(), NOON, now, policy, window=window, grace=GRACE, limit=100)
    assert found == (minutes(*expected), minutes(6)[0])


def test_a_long_list_is_cut_and_goes_on_where_it_was_cut() -> None:
    [now] = minutes(5)
    first = due(every_minute(), NOON, now, MisfirePolicy.ALL, window=DAY, grace=GRACE, limit=4)
    assert first == (minutes(0, 1, 2, 3), minutes(4)[0])
    assert first.next_fire_at is not None
    rest = due(every_minute(), first.next_fire_at, now, MisfirePolicy.ALL, window=DAY, grace=GRACE, limit=4)
    assert rest == (minutes(4, 5), minutes(6)[0])


def test_years_of_downtime_cost_no_walk_through_every_instant() -> None:
    now = NOON + timedelta(days=5 * 365)
    found = due(Timetable(Every(1), NOON), NOON, now, MisfirePolicy.ONCE, window=DAY, grace=timedelta(), limit=100)
    assert found == ([now], now + timedelta(seconds=1))


def test_after_the_last_instant_there_is_no_next_one() -> None:
    found = due(Timetable(At(NOON), NOON), NOON, NOON, MisfirePolicy.SKIP, window=DAY, grace=GRACE, limit=100)
    assert found == ([NOON], None)


# ── overlap ──


@pytest.mark.parametrize(
    ("policy", "occupied", "waiting", "expected"),
    [
        (OverlapPolicy.ALLOW, True, True, [FIRED, FIRED, FIRED]),
        (OverlapPolicy.SKIP, False, False, [FIRED, SKIPPED, SKIPPED]),
        (OverlapPolicy.SKIP, True, False, [SKIPPED, SKIPPED, SKIPPED]),
        (OverlapPolicy.QUEUE_ONE, False, False, [FIRED, WAITING, SKIPPED]),
        (OverlapPolicy.QUEUE_ONE, True, False, [WAITING, SKIPPED, SKIPPED]),
        (OverlapPolicy.QUEUE_ONE, True, True, [SKIPPED, SKIPPED, SKIPPED]),
        (OverlapPolicy.QUEUE_ONE, False, True, [SKIPPED, SKIPPED, SKIPPED]),
        (OverlapPolicy.CANCEL_PREVIOUS, False, False, [SKIPPED, SKIPPED, FIRED]),
        (OverlapPolicy.CANCEL_PREVIOUS, True, False, [SKIPPED, SKIPPED, FIRED]),
    ],
)
def test_three_instants_that_come_together(
    policy: OverlapPolicy, occupied: bool, waiting: bool, expected: list[FireStatus]
) -> None:
    assert list(judge(policy, 3, occupied=occupied, waiting=waiting)) == expected


# ── jitter ──


def test_jitter_is_the_same_for_whoever_asks_and_spreads_over_its_whole_range() -> None:
    one, other = UUID(int=1), UUID(int=2)
    assert jitter(one, NOON, 0) == timedelta()
    found = [jitter(one, NOON + timedelta(minutes=number), 60) for number in range(500)]
    assert found == [jitter(one, NOON + timedelta(minutes=number), 60) for number in range(500)]
    assert all(timedelta() <= delay <= timedelta(seconds=60) for delay in found)
    assert min(found) < timedelta(seconds=3)
    assert max(found) > timedelta(seconds=57)
    assert jitter(one, NOON, 60) != jitter(other, NOON, 60)


# ── what is written down ──


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"name": ""}, "1 to 255"),
        ({"name": "a\nb"}, "printable"),
        ({"starts_at": NOON, "ends_at": NOON - DAY}, "ends before it starts"),
        ({"starts_at": NOON.replace(tzinfo=None)}, "needs a time zone"),
        ({"ends_at": datetime(1, 1, 1, tzinfo=UTC)}, "1970 to 2199"),
        ({"jitter": -1}, "Jitter"),
        ({"misfire_window": -1}, "window"),
        ({"overlap": "maybe"}, "allow, skip, queue_one, cancel_previous"),
    ],
)
def test_a_schedule_that_does_not_add_up_is_refused(words: dict, sentence: str) -> None:
    with pytest.raises(InvalidScheduleError, match=sentence):
        Schedule(**{"name": "x", "timing": Every(60)} | words)


@pytest.mark.parametrize("seconds", [0, -5, 366 * 86_400 + 1])
def test_an_interval_has_bounds(seconds: int) -> None:
    with pytest.raises(InvalidScheduleError):
        Every(seconds)


@pytest.mark.parametrize("timing", [Cron("@daily", "Europe/Berlin"), Every(60), At(NOON)])
def test_a_schedule_survives_its_columns(timing: Cron | Every | At) -> None:
    schedule = Schedule("x", timing, NOON, NOON + DAY, 5, "all", 60, "skip", paused=True)
    assert Schedule.of(schedule.columns()) == schedule


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("kind", {"cron", "interval", "at"}),
        ("misfire_policy", set(MisfirePolicy)),
        ("overlap_policy", set(OverlapPolicy)),
        ("status", set(FireStatus)),
        ("cause", set(FireCause)),
    ],
)
def test_the_checks_in_sql_name_the_same_words(column: str, words: set[str]) -> None:
    schema = Path(taskflow.db.__file__).with_name("migrations") / "versions" / "0002_schedules.sql"
    check = re.search(rf"CHECK \({column} IN \((.*?)\)\)", schema.read_text(encoding="utf-8"))
    assert check is not None
    assert set(re.findall(r"'(\w+)'", check.group(1))) == {str(word) for word in words}
