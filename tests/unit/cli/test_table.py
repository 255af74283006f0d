"""Tables of the command line: what is cut, what goes, what never changes."""

from taskflow.cli.table import table

ID = "01a228e4-c116-7e0d-865b-a650c15a6f91"
COLUMNS = ("task_id", "task_name", "queue", "created_at")
ROWS = [
    {"task_id": ID, "task_name": "resize", "queue": "images", "created_at": "2026-11-29T20:00:10.002855Z"},
    {"task_id": ID, "task_name": "a_name_that_is_rather_long", "queue": None, "created_at": "2026-11-29T20:00:10Z"},
]


def test_where_nobody_looks_a_table_is_as_wide_as_it_needs_to_be() -> None:
    lines, hidden = table(ROWS, COLUMNS)
    assert hidden == 0
    assert lines[0].split() == ["TASK_ID", "TASK_NAME", "QUEUE", "CREATED_AT"]
    assert lines[2].split() == [ID, "a_name_that_is_rather_long", "-", "2026-11-29T20:00:10Z"]


def test_instants_are_shown_to_the_second_and_lists_without_brackets() -> None:
    lines, _ = table([{"at": "2026-11-29T20:00:10.002855Z", "words": ["a", "b"], "none": []}], ("at", "words", "none"))
    assert lines[1] == "2026-11-29T20:00:10Z  a, b   -"


def test_in_a_narrow_terminal_texts_are_cut_and_ids_are_not() -> None:
    lines, hidden = table(ROWS, COLUMNS, 80)
    assert hidden == 0
    assert all(len(line) <= 80 for line in lines)
    assert all(line.startswith(ID) for line in lines[1:])
    assert "…" in lines[2]


def test_in_a_very_narrow_one_the_last_columns_go_and_are_counted() -> None:
    lines, hidden = table(ROWS, COLUMNS, 60)
    assert hidden == 1
    assert all(len(line) <= 60 for line in lines)
    assert "CREATED_AT" not in lines[0]
    assert table(ROWS, COLUMNS, 10) == (["TASK_ID", ID, ID], 3)


def test_a_hostile_name_is_shown_and_not_obeyed() -> None:
    lines, _ = table([{"task_name": "\x1b[2Jgone"}], ("task_name",), 60)
    assert lines[1] == r"\x1b[2Jgone"
