"""What becomes of one row: accepted with its address and its fields, or rejected with a reason."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

Row = TypeVar("Row")

MAX_RAW = 2_000

ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
"""What COPY's text format writes otherwise."""

CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Control characters but tab and line ends, which spreadsheets put into cells."""
BROKEN = re.compile("[\ud800-\udfff]")

AcceptedRow = tuple[int, str, str]
"""Row number, address (normalised), fields as JSON text. Empty cells are left out: an empty value is a missing one."""


class RejectionCode(StrEnum):
    """Why a row was rejected. Stable: part of the public contract."""

    INVALID_ADDRESS = "invalid_address"
    WRONG_FIELD_COUNT = "wrong_field_count"
    CONTROL_CHARACTER = "control_character"
    INVALID_ENCODING = "invalid_encoding"
    FIELD_TOO_LONG = "field_too_long"
    UNCLOSED_QUOTE = "unclosed_quote"
    MISPLACED_QUOTE = "misplaced_quote"
    NOT_AN_OBJECT = "not_an_object"
    INVALID_FIELD = "invalid_field"
    INVALID_PHONE = "invalid_phone"
    INVALID_VALUE = "invalid_value"
    NO_ADDRESS = "no_address"
    TOO_LARGE = "too_large"
    # Set by the database, which alone sees all rows and who is there already.
    DUPLICATE = "duplicate"
    PHONE_TAKEN = "phone_taken"
    SUPPRESSED = "suppressed"
    ERASED = "erased"


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row that is not imported. `raw` is the row's own text (at most 2,000 characters), safe to store."""

    row_number: int
    code: RejectionCode
    message: str
    raw: str

    def copied(self) -> str:
        """Return it as COPY takes it, without a line end: number, code, message, text."""
        return f"{self.row_number}\t{self.code}\t{self.message.translate(ESCAPES)}\t{self.raw.translate(ESCAPES)}"


class RowFault(Exception):  # noqa: N818 - it rejects one row and goes no further than its reader
    """A row cannot be used; the sentence says why."""

    def __init__(self, code: RejectionCode, message: str) -> None:
        """Keep the code beside the sentence."""
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class Rows(Generic[Row]):
    """Some consecutive rows of the source: what the accepted ones became, and the rejected ones."""

    rows: list[Row] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)


Batch = Rows[AcceptedRow]


def _quoted(cell: str, delimiter: str) -> str:
    plain = not any(sign in cell for sign in (delimiter, '"', "\n", "\r"))
    return cell if plain else '"' + cell.replace('"', '""') + '"'


def reject(row_number: int, code: RejectionCode, message: str, cells: Sequence[str], delimiter: str = ",") -> Rejection:
    """Reject a row, keeping its text without what a database or a terminal would choke on."""
    shown = cells[: MAX_RAW + 1]  # each takes a character at least
    text = cells[0] if len(cells) == 1 else delimiter.join(_quoted(cell[:MAX_RAW], delimiter) for cell in shown)
    raw = text[:MAX_RAW]
    return Rejection(row_number, code, message, BROKEN.sub("\ufffd", CONTROL.sub("\ufffd", raw)))


def find_fault(names: Sequence[str], cells: Sequence[str]) -> tuple[RejectionCode, str] | None:
    """Return the first cell's fault that forbids to store it, as code and sentence."""
    for name, cell in zip(names, cells, strict=True):
        if cell.isprintable():
            continue
        if found := CONTROL.search(cell):
            sign = f"U+{ord(found.group()):04X}"
            return RejectionCode.CONTROL_CHARACTER, f"The column '{name}' holds the control character {sign}."
        if BROKEN.search(cell):
            return (
                RejectionCode.INVALID_ENCODING,
                f"The column '{name}' holds bytes that are not in the file's encoding.",
            )
    return None
