"""CSV files going out: streamed, and safe to open in a spreadsheet.

A cell that a spreadsheet would take for a formula gets an apostrophe in front (OWASP, "CSV Injection"), and every cell
is quoted. `restore` takes the apostrophe off again: the pair loses nothing.
"""

import csv
import io
import re
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from typing import Final

_CHUNK_CHARS: Final = 64 * 1024
_FORMULA: Final = re.compile(r"[\s'\"\ufeff\u200b]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")


def neutralise(value: object) -> str:
    """Return the cell for a value: text that no spreadsheet calculates; None is an empty cell."""
    cell = "" if value is None else str(value)
    return f"'{cell}" if _FORMULA.match(cell) else cell


def restore(cell: str) -> str:
    """Return the text that `neutralise` was given."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell[1:]) else cell


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
