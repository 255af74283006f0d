"""The place in line: strict priority, then birth."""

from hypothesis import given
from hypothesis import strategies as st

from taskflow.base.ids import uuid7_floor
from taskflow.broker.redis.dispatch import score

instants = st.integers(min_value=0, max_value=2**46)
priorities = st.integers(1, 10)


@given(priorities, instants, priorities, instants)
def test_a_higher_priority_goes_first_and_age_decides_inside_one(p: int, t: int, q: int, u: int) -> None:
    first, second = score(p, str(uuid7_floor(t))), score(q, str(uuid7_floor(u)))
    assert (first < second) == ((-p, t) < (-q, u))


@given(priorities, instants)
def test_a_double_holds_every_score_exactly(priority: int, instant: int) -> None:
    place = score(priority, str(uuid7_floor(instant)))
    assert int(float(place)) == place
