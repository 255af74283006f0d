"""Rows of a CSV file, read by the standard library's parser and checked one by one.

A quote that is opened and never closed would swallow the rows that follow. When a record that spans lines is no good
(wrong number of fields, or longer than a field may be), only its first line is rejected and reading goes on at the
next line.
"""

import csv
import io
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, Generic

from taskflow.audience.imports.dialect import Header
from taskflow.audience.imports.encodings import Encoding
from taskflow.audience.imports.errors import BrokenQuotesError, TooManyRejectedError, TooManyRowsError
from taskflow.audience.imports.rows import RejectionCode, Row, RowFault, Rows, find_fault, reject

if TYPE_CHECKING:
    from _csv import Reader

_MAX_RECOVERIES = 50
_MANY_REJECTED = 50_000
_BATCH_CHARS = 8 * 1024 * 1024


class _CutError(Exception):
    """The record spans lines and is no good: cut it after its first line."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a file is too much. `rows`: accepted ones."""

    columns: int
    field_chars: int
    rows: int


class RowReader(Generic[Row]):
    """Reads a file from its first data row. Blocking; meant for a thread."""

    def __init__(
        self,
        file: BinaryIO,
        encoding: Encoding,
        header: Header,
        limits: Limits,
        read_row: Callable[[int, list[str]], Row],
    ) -> None:
        """Start after the header.

        `read_row` gets the number and the cells of a row that is as wide as the header, and returns what it becomes
        or raises a RowFault.
        """
        self._file = file
        self._encoding = encoding
        self._header = header
        self._limits = limits
        self._read_row = read_row
        self._row = header.rows  # of the record read last, counted as a spreadsheet does
        self._accepted = 0
        self._rejected = 0
        self._cuts = 0
        csv.field_size_limit(limits.field_chars)  # the parser knows one limit for the whole process
        self._skipped = header.lines
        self._line = 0  # the parser's count of lines behind these, up to the end of the last record
        self._last = ""  # the line that the parser took last
        self._chars = 0  # that it took for this batch
        self._text, self._reader = self._open(header.lines)

    def close(self) -> None:
        """Let go of the file without closing it."""
        self._text.detach()

    def batch(self, size: int) -> Rows[Row] | None:
        """Return what the next `size` records became, fewer of long ones, None at the end of the file.

        Raises:
            TooManyRowsError: more rows were accepted than one file may have.
            TooManyRejectedError: nearly all of many rows were rejected, which would only fill the database.
            BrokenQuotesError: too many records had to be cut.
        """
        batch: Rows[Row] = Rows()
        begun = self._row
        self._chars = 0
        while (left := size - (self._row - begun)) > 0:
            before = self._row
            try:
                self._read(batch, left)
            except (csv.Error, _CutError):
                if self._reader.line_num - self._line > 1:
                    self._cut(batch)
                else:
                    self._drop(batch)
            else:
                if self._row - before < left:
                    break
        self._accepted += len(batch.rows)
        self._rejected += len(batch.rejected)
        most = min(9 * self._accepted, self._limits.rows)
        if self._rejected > max(_MANY_REJECTED, most):
            raise TooManyRejectedError(
                f"{self._rejected:,} of the first {self._accepted + self._rejected:,} rows cannot be used,"
                f" the last of them is row {self._row:,}."
            )
        if self._accepted > self._limits.rows:
            raise TooManyRowsError(f"The file has more than {self._limits.rows:,} usable rows; split it.")
        return batch if self._row > begun else None

    def _read(self, batch: Rows[Row], size: int) -> None:
        """Read up to `size` records. The hot loop."""
        reader = self._reader
        names = self._header.names
        width = len(names)
        suspicious = self._encoding.suspicious
        read_row = self._read_row
        accept = batch.rows.append
        for row in islice(reader, size):
            number = self._row + 1
            if len(row) != width:
                if any(row):
                    if reader.line_num - self._line > 1:
                        raise _CutError
                    message = f"The row has {len(row)} fields, the header has {width}."
                    self._reject(batch, RejectionCode.WRONG_FIELD_COUNT, message, row)
            elif suspicious and (found := find_fault(names, row)):
                self._reject(batch, *found, row)
            else:
                try:
                    accept(read_row(number, row))
                except RowFault as fault:
                    if any(row):
                        self._reject(batch, fault.code, str(fault), row)
            self._row = number
            self._line = reader.line_num
            if self._chars > _BATCH_CHARS:
                break

    def _reject(self, batch: Rows[Row], code: RejectionCode, message: str, row: list[str]) -> None:
        batch.rejected.append(reject(self._row + 1, code, message, row, self._header.delimiter))

    def _cut(self, batch: Rows[Row]) -> None:
        """Reject the first line of the record that could not be read and go on behind it."""
        self._cuts += 1
        if self._cuts > _MAX_RECOVERIES:
            raise BrokenQuotesError(
                f"More than {_MAX_RECOVERIES} rows open a quote and do not close it, the last is row {self._row + 1}."
            )
        self._text.detach()
        self._skipped += self._line
        self._text, self._reader = self._open(self._skipped)
        line = next(self._text, "")
        self._skipped += 1
        self._line = 0
        message = "A quote is opened and not closed where the field ends."
        self._reject(batch, RejectionCode.UNCLOSED_QUOTE, message, [line.rstrip("\r\n")])
        self._row += 1

    def _drop(self, batch: Rows[Row]) -> None:
        """Reject the one line that the parser refused; it stands at the next one already."""
        longest = self._limits.field_chars
        if len(self._last) > longest:
            code, message = RejectionCode.FIELD_TOO_LONG, f"A field is longer than {longest} characters."
        else:
            code, message = (
                RejectionCode.MISPLACED_QUOTE,
                "A quoted field goes on after its closing quote, or has none.",
            )
        self._reject(batch, code, message, [self._last.rstrip("\r\n")])
        self._row += 1
        self._line = self._reader.line_num

    def _open(self, lines: int) -> "tuple[io.TextIOWrapper, Reader]":
        """Read the file again, behind its first `lines` lines."""
        self._file.seek(0)
        text = io.TextIOWrapper(self._file, self._encoding.codec, self._encoding.errors, newline="")
        deque(islice(text, lines), maxlen=0)
        return text, csv.reader(self._lines(text), delimiter=self._header.delimiter, strict=True)

    def _lines(self, text: io.TextIOWrapper) -> Iterator[str]:
        for line in text:
            self._last = line
            self._chars += len(line)
            yield line
