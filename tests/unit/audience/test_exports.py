"""What goes out opens in a spreadsheet as text, and comes back as it was."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    assert neutralise(formula) == f"'{formula}"
    assert restore(neutralise(formula)) == formula


@pytest.mark.parametrize("text", ["", "Ada", "a=b", "1-2", "it's", "'", "' x", "x@example.com"])
def test_plain_text_is_left_alone(text: str) -> None:
    assert neutralise(text) == text


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=2, max_size=2), max_size=20))
async def test_an_export_reads_back_as_it_was(rows: list[list[object]]) -> None:
    header, *found = await export(rows)
    assert header == ["email", "'=name"]
    assert [[restore(cell) for cell in row] for row in found] == rows
    assert all(cell[:1] not in tuple("=+-@\t\r\n") or not cell for row in found for cell in row)


async def test_large_exports_come_in_chunks_and_none_is_empty() -> None:
    async def rows():
        for number in range(5_000):
            yield [number, None]

    chunks = [chunk async for chunk in csv_chunks(["n", "x"], rows())]
    assert chunks[0] == b'"n","x"\r\n'
    assert len(chunks) > 1
    assert b"".join(chunks).count(b"\r\n") == 5_001
    assert b"None" not in b"".join(chunks)
