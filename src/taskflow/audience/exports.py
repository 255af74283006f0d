"""CSV files going out: streamed, and safe to open in a spreadsheet.

A cell that a spreadsheet would take for a formula gets an apostrophe in front (OWASP, "CSV Injection"), and every cell
is quoted. Where a list is separated by semicolons (much of Europe), a spreadsheet that opens the file by a double click
heeds no quote but a line's first, so a semicolon or a line end inside a cell begins another: what follows it gets an
apostrophe too. `restore` takes the apostrophes off again: the pair loses nothing.
"""

import csv
import io
import re
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from typing import Final

_CHUNK_CHARS: Final = 64 * 1024
# What spreadsheets skip or drop before a formula's first character: spaces, quotes, controls, what has no width. A tab
# or a line end is not among them, but begins a cell: so no text is looked at twice.
_UNSEEN: Final = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
_SKIPPED: Final = rf"(?:[^\S\t\r\n]|['\"{_UNSEEN}])*+"
_FIRST: Final = r"[=+\-@\u2212\ufe62\ufe63\ufe66\ufe6b\uff1d\uff0b\uff0d\uff20]"
_FORMULA: Final = re.compile(rf"{_SKIPPED}{_FIRST}|'*+[\t\r\n]")
# An apostrophe before it makes no difference to either: what `neutralise` marked, `restore` knows.
_INNER: Final = re.compile(rf"([;\t\r\n])(?={_SKIPPED}{_FIRST})")
_INNER_MARK: Final = re.compile(rf"([;\t\r\n])'(?={_SKIPPED}{_FIRST})")


def neutralise(value: object) -> str:
    """Return the cell for a value: text that no spreadsheet calculates; None is an empty cell."""
    cell = _INNER.sub(r"\1'", "" if value is None else str(value))
    return f"'{cell}" if _FORMULA.match(cell) else cell


def restore(cell: str) -> str:
    """Return the text that `neutralise` was given."""
    if cell.startswith("'") and _FORMULA.match(cell[1:]):
        cell = cell[1:]
    return _INNER_MARK.sub(r"\1", cell)


async def csv_chunks(
    columns: Sequence[str], rows: AsyncIterable[Sequence[object]] | Iterable[Sequence[object]]
) -> AsyncIterator[bytes]:
    """Yield a CSV file (UTF-8, comma, CRLF, all cells quoted) in chunks of about 64 KB; the header comes at once."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow([neutralise(column) for column in columns])
    yield _drain(buffer)
    async for row in _each(rows):
        writer.writerow([neutralise(value) for value in row])
        if buffer.tell() >= _CHUNK_CHARS:
            yield _drain(buffer)
    if buffer.tell():
        yield _drain(buffer)


async def _each(rows: AsyncIterable[Sequence[object]] | Iterable[Sequence[object]]) -> AsyncIterator[Sequence[object]]:
    if isinstance(rows, AsyncIterable):
        async for row in rows:
            yield row
    else:
        for row in rows:
            yield row


def _drain(buffer: io.StringIO) -> bytes:
    chunk = buffer.getvalue().encode(errors="replace")
    buffer.seek(0)
    buffer.truncate()
    return chunk
