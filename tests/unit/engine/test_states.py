"""The state machine of a task and its mirror in SQL."""

import re
from itertools import product
from pathlib import Path

import pytest

import taskflow.db
from taskflow.base.errors import InvalidInputError
from taskflow.engine.states import TERMINAL, TRANSITIONS, IllegalTransitionError, Priority, TaskStatus, check_transition


def test_every_status_has_its_row_of_transitions() -> None:
    assert set(TRANSITIONS) == set(TaskStatus)


@pytest.mark.parametrize(("current", "wanted"), list(product(TaskStatus, TaskStatus)))
def test_only_the_table_decides(current: TaskStatus, wanted: TaskStatus) -> None:
    if wanted in TRANSITIONS[current]:
        check_transition(current, wanted)
    else:
        with pytest.raises(IllegalTransitionError):
            check_transition(current, wanted)


def test_what_went_well_is_final_and_what_did_not_can_start_over() -> None:
    assert not TRANSITIONS[TaskStatus.COMPLETED]
    assert all(TaskStatus.PENDING in TRANSITIONS[status] for status in TERMINAL - {TaskStatus.COMPLETED})


def test_the_check_in_sql_names_the_same_statuses() -> None:
    schema = Path(taskflow.db.__file__).with_name("migrations") / "versions" / "0001_foundation.sql"
    table = re.search(r"CREATE TABLE tasks \((.*?)\n\)", schema.read_text(encoding="utf-8"), re.DOTALL)
    assert table is not None
    check = re.search(r"status\s+varchar\(50\).*?CHECK \(status IN\s*\((.*?)\)\)", table.group(1), re.DOTALL)
    assert check is not None
    assert set(re.findall(r"'(\w+)'", check.group(1))) == {status.value for status in TaskStatus}


@pytest.mark.parametrize(
    ("given", "number"), [("CRITICAL", 10), ("high", 8), ("Medium", 5), ("LOW", 2), (1, 1), (10, 10), (Priority.LOW, 2)]
)
def test_a_priority_has_a_name_or_a_number(given: int | str, number: int) -> None:
    assert Priority.parse(given) == number


@pytest.mark.parametrize("given", ["URGENT", "", 0, 11, -1, True, "5"])
def test_nothing_else_is_a_priority(given: int | str) -> None:
    with pytest.raises(InvalidInputError):
        Priority.parse(given)
