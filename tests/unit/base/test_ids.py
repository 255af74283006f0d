"""UUIDv7: ids that sort by birth."""

import time
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from taskflow.base.ids import uuid7, uuid7_floor


def test_ids_of_one_process_strictly_increase_also_over_threads() -> None:
    with ThreadPoolExecutor(4) as threads:
        lists = list(threads.map(lambda _: [uuid7() for _ in range(5_000)], range(4)))
    assert all(ids == sorted(ids) for ids in lists)
    assert len({i for ids in lists for i in ids}) == 20_000


def test_an_id_is_a_version_7_uuid_and_carries_its_time() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid7()
    assert (made.version, made.variant) == (7, UUID(int=1 << 63 | 7 << 76).variant)
    assert before - 1 <= made.int >> 80 <= time.time_ns() // 1_000_000 + 1_000


@given(st.integers(min_value=1, max_value=2**48 - 1))
def test_the_floor_of_an_instant_bounds_its_ids_from_below(milliseconds: int) -> None:
    floor = uuid7_floor(milliseconds)
    assert floor.int >> 80 == milliseconds
    assert uuid7_floor(milliseconds - 1) < floor
