"""Suppression lists as other systems export them: an address a line, or a CSV file in which one column holds them.

Addresses, `@domain`s and numbers may stand side by side with anything else; a header is known by having none of them.
"""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO, NamedTuple

from taskflow.audience.channels import Channel
from taskflow.audience.exports import restore
from taskflow.audience.imports import encodings
from taskflow.audience.imports.dialect import DELIMITERS, variable_name
from taskflow.audience.imports.errors import EmptyFileError, ImportFileError, UnreadableFileError
from taskflow.audience.suppression.addresses import InvalidSuppressionError, normalise_target

_BATCH = 5_000
_SAMPLE_ROWS = 50
_MAX_COLUMNS = 200
_RAW_CHARS = 200
_TITLES = frozenset(
    {"email", "e_mail", "email_address", "e_mail_address", "address", "recipient", "domain", "phone", "number", "mail"}
)


class NoAddressColumnError(ImportFileError):
    """No column of the file holds addresses, domains or numbers."""

    code = "csv_no_address_column"


class Rejection(NamedTuple):
    """A row that cannot be used, counted as a spreadsheet does."""

    row_number: int
    reason: str
    raw: str


@dataclass(slots=True)
class Batch:
    """Some rows of a file: what they suppress, each once, and those that cannot be used."""

    rows: int = 0
    targets: list[str] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)


async def batches_of(file: BinaryIO, channel: Channel) -> AsyncIterator[Batch]:
    """Read a file in batches; parsing runs in a thread.

    Raises:
        ImportFileError: the file as a whole cannot be used.
    """
    batches = _read(file, channel)
    while (batch := await asyncio.to_thread(next, batches, None)) is not None:
        yield batch


def _read(file: BinaryIO, channel: Channel) -> Iterator[Batch]:
    encoding = encodings.detect(file)
    file.seek(0)
    text = io.TextIOWrapper(file, encoding.codec, encoding.errors, newline="")
    try:
        sample = text.read(64 * 1024)
        place, begin, delimiter = _column(sample, channel)
        text.seek(0)
        rows = enumerate(csv.reader(text, delimiter=delimiter), 1)
        numbered = ((number, row) for number, row in rows if number >= begin and any(row))
        while part := list(islice(numbered, _BATCH)):
            yield _batch(part, place, channel)
    except csv.Error as error:
        raise UnreadableFileError(f"The file is no CSV: {error}.") from error
    finally:
        text.detach()


def _column(sample: str, channel: Channel) -> tuple[int, int, str]:
    """Return the column that holds what is to be suppressed, the first row with any, and the delimiter."""
    text = sample.removeprefix("\ufeff")
    if not text.strip():
        raise EmptyFileError
    best: tuple[int, int, int, str] | None = None
    for delimiter in DELIMITERS:
        try:
            rows = list(islice(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), _SAMPLE_ROWS))
        except csv.Error:
            continue
        for place in range(min(_MAX_COLUMNS, max(map(len, rows), default=0))):
            good = [_is_target(row[place], channel) if len(row) > place else False for row in rows]
            titled = bool(rows) and len(rows[0]) > place and variable_name(rows[0][place]) in _TITLES
            score = sum(good) + (len(rows) if titled and not good[0] else 0)
            if score and (best is None or score > best[0]):
                best = (score, place, 1 if good[0] else 2, delimiter)
    if best is None:
        raise NoAddressColumnError("Write one address, @domain or number a line, or name the column `email`.")
    _, place, begin, delimiter = best
    return place, begin, delimiter


def _batch(part: list[tuple[int, list[str]]], place: int, channel: Channel) -> Batch:
    batch = Batch(rows=len(part))
    seen: dict[str, None] = {}
    for number, row in part:
        cell = restore(row[place]) if len(row) > place else ""
        try:
            seen[normalise_target(channel, cell)] = None
        except InvalidSuppressionError as error:
            batch.rejected.append(Rejection(number, str(error), ",".join(row)[:_RAW_CHARS]))
    batch.targets = list(seen)
    return batch


def _is_target(cell: str, channel: Channel) -> bool:
    try:
        normalise_target(channel, restore(cell))
    except InvalidSuppressionError:
        return False
    return True
