"""What goes out opens in a spreadsheet as text, and comes back as it was."""

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.growth import grows_linearly
from taskflow.audience.exports import csv_chunks, neutralise, restore

FORMULAS = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", '"=1', "'=1", "' \"=1", "\ufeff=1",
    "\uff1d1", "\uff0b1",
    '=HYPERLINK("https://x.example","y")', "=cmd|' /C calc'!A0", "-2+3+cmd|' /C calc'!A0", "\tx",
]  # fmt: skip


async def export(rows: list[list[object]]) -> list[list[str]]:
    content = b"".join([chunk async for chunk in csv_chunks(["email", "=name"], rows)]).decode()
    return list(csv.reader(io.StringIO(content, newline="")))


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_formula_survives(formula: str) -> None:
    assert neutralise(formula).startswith("'")
    assert restore(neutralise(formula)) == formula


@pytest.mark.parametrize("hidden", ["\x00=1", "\u200d=1", "\u2060+1", "\u202e@x", "\xad-1", "\u22121", "\ufe66 1"])
def test_what_a_spreadsheet_drops_hides_no_formula(hidden: str) -> None:
    assert neutralise(hidden) == f"'{hidden}"
    assert restore(neutralise(hidden)) == hidden


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("x;=1+1;", "x;'=1+1;"),
        ('x; "@SUM(A1)', "x;' \"@SUM(A1)"),
        ("x\n=cmd|' /C calc'!A0", "x\n'=cmd|' /C calc'!A0"),
        ("x;'=1", "x;''=1"),
        ("x;;+1;-2", "x;;'+1;'-2"),
        ("a; b", "a; b"),
    ],
)
def test_no_cell_begins_a_formula_where_semicolons_separate(value: str, cell: str) -> None:
    assert neutralise(value) == cell
    assert restore(cell) == value


@pytest.mark.parametrize("text", ["", "Ada", "a=b", "1-2", "it's", "'", "' x", "x@example.com"])
def test_plain_text_is_left_alone(text: str) -> None:
    assert neutralise(text) == text


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=2, max_size=2), max_size=20))
async def test_an_export_reads_back_as_it_was(rows: list[list[object]]) -> None:
    header, *found = await export(rows)
    assert header == ["email", "'=name"]
    assert [[restore(cell) for cell in row] for row in found] == rows
    assert all(cell[:1] not in tuple("=+-@\t\r\n") or not cell for row in found for cell in row)


@pytest.mark.parametrize("unit", ["\n", ";", " ", "'", "; ", "\r\n ", '"', "\u200b"])
async def test_a_cells_cost_grows_with_its_length_and_no_faster(unit: str) -> None:
    await grows_linearly(lambda length: restore(neutralise(unit * (length // len(unit)))), 100_000)


@given(st.text(st.sampled_from("=+-@;'\" \t\r\nax\u200b\uff1d"), max_size=12))
def test_marks_go_in_and_out_again(text: str) -> None:
    cell = neutralise(text)
    assert restore(cell) == text
    for part in re.split("[;\t\r\n]", cell):
        assert not re.match(r"[\s\u200b\"]*[=+@\uff1d-]", part)


async def test_large_exports_come_in_chunks_and_none_is_empty() -> None:
    async def rows():
        for number in range(5_000):
            yield [number, None]

    chunks = [chunk async for chunk in csv_chunks(["n", "x"], rows())]
    assert chunks[0] == b'"n","x"\r\n'
    assert len(chunks) > 1
    assert b"".join(chunks).count(b"\r\n") == 5_001
    assert b"None" not in b"".join(chunks)
