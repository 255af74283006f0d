"""From the cells of a row to a line for COPY into the staging table: every value checked and brought into one form.

This is the hot loop of an import: a million rows take some five seconds here.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final, TypeVar

import orjson

from taskflow.audience.contacts.phones import normalise_phone
from taskflow.audience.contacts.values import (
    MAX_ATTRIBUTES_BYTES,
    ContactField,
    FieldType,
    InvalidValueError,
    normalise_locale,
    normalise_tags,
    normalise_time_zone,
)
from taskflow.audience.exports import restore
from taskflow.audience.imports.addresses import InvalidAddressError, normalise
from taskflow.audience.imports.jobs.columns import IGNORE, SINGLE, Column
from taskflow.audience.imports.rows import ESCAPES, RejectionCode, RowFault
from taskflow.audience.suppression.erasure import ErasureKey
from taskflow.base.ids import uuid7_sequence

STAGED_COLUMNS: Final = (
    "contact_id", "row_number", "email", "phone", "locale", "time_zone", "attributes", "tags", "email_erased",
    "phone_erased",
)  # fmt: skip
REJECTED_COLUMNS: Final = ("row_number", "code", "reason", "raw")

_NULL: Final = "\\N"
_TAG_SEPARATORS: Final = str.maketrans({";": ",", "|": ",", "\n": ","})

Value = TypeVar("Value")
_Reader = Callable[[object], object]


class LineMaker:
    """Makes lines of rows; call it with a row's number and cells."""

    def __init__(
        self,
        columns: Sequence[Column],
        fields: Mapping[str, ContactField],
        erasure: ErasureKey,
        *,
        tags: Sequence[str] = (),
        region: str | None = None,
    ) -> None:
        """`fields`: the declared attributes; `tags`: what everybody gets; `region`: of phones without a country."""
        places = {column.target: column.place for column in columns if column.target in SINGLE}
        self._titles = {column.place: column.spoken for column in columns}
        self._email = places.get("email")
        self._phone = places.get("phone")
        self._locale = places.get("locale")
        self._time_zone = places.get("time_zone")
        self._tag_place = next((column.place for column in columns if column.target == "tags"), None)
        self._attributes: list[tuple[int, str, _Reader | None]] = [
            (column.place, column.target, _reader(fields.get(column.target)))
            for column in columns
            if column.target not in (*SINGLE, "tags", IGNORE)
        ]
        self._erased = erasure.of
        self._tags = tuple(tags)
        self._everybody = _array(normalise_tags(tags))
        self._region = region
        self._ids = uuid7_sequence()

    def __call__(self, number: int, cells: list[str]) -> str:
        """Return the line of a row.

        Raises:
            RowFault: the row cannot be used; the sentence names the column.
        """
        if any("'" in cell for cell in cells):  # what our own exports have put before formulas
            cells = [restore(cell) for cell in cells]
        email, email_erased = self._read_email(cells)
        phone, phone_erased = self._read_phone(cells)
        if email is _NULL and phone is _NULL:
            raise RowFault(RejectionCode.NO_ADDRESS, "The row has neither an e-mail address nor a phone number.")
        locale = time_zone = _NULL
        if self._locale is not None and (text := cells[self._locale].strip()):
            locale = self._checked(self._locale, normalise_locale, text)
        if self._time_zone is not None and (text := cells[self._time_zone].strip()):
            time_zone = self._checked(self._time_zone, normalise_time_zone, text)
        tags = self._everybody
        if self._tag_place is not None and (text := cells[self._tag_place].strip()):
            tags = self._checked(self._tag_place, self._tags_of, text)
        attributes = self._read_attributes(cells)
        return (
            f"{next(self._ids)}\t{number}\t{email}\t{phone}\t{locale}\t{time_zone}\t{attributes}\t{tags}"
            f"\t{email_erased}\t{phone_erased}\n"
        )

    def _read_email(self, cells: list[str]) -> tuple[str, str]:
        if self._email is None or not (text := cells[self._email].strip()):
            return _NULL, _NULL
        try:
            email = normalise(text)
        except InvalidAddressError as error:
            raise RowFault(RejectionCode.INVALID_ADDRESS, str(error)) from error
        return email.replace("\\", "\\\\"), self._erased(email)

    def _read_phone(self, cells: list[str]) -> tuple[str, str]:
        if self._phone is None or not (text := cells[self._phone].strip()):
            return _NULL, _NULL
        phone = self._checked(
            self._phone, lambda number: normalise_phone(number, self._region), text, RejectionCode.INVALID_PHONE
        )
        return phone, self._erased(phone)

    def _read_attributes(self, cells: list[str]) -> str:
        attributes: dict[str, object] = {}
        for place, name, reader in self._attributes:
            cell = cells[place]
            if not cell or cell.isspace():
                continue
            attributes[name] = cell if reader is None else self._checked(place, reader, cell)
        encoded = orjson.dumps(attributes)
        if len(encoded) > MAX_ATTRIBUTES_BYTES:
            raise RowFault(
                RejectionCode.TOO_LARGE, f"The attributes take more than {MAX_ATTRIBUTES_BYTES:,} bytes of JSON."
            )
        return encoded.decode().replace("\\", "\\\\")

    def _checked(
        self,
        place: int,
        reader: Callable[[str], Value],
        text: str,
        code: RejectionCode = RejectionCode.INVALID_VALUE,
    ) -> Value:
        try:
            return reader(text)
        except InvalidValueError as error:
            raise RowFault(code, f"The column {self._titles[place]}: {error}") from error

    def _tags_of(self, text: str) -> str:
        return _cell_tags(self._tags, text.translate(_TAG_SEPARATORS))


@lru_cache(maxsize=4096)
def _cell_tags(everybody: tuple[str, ...], text: str) -> str:
    """Return the tags of a cell, and everybody's, as an array."""
    return _array(normalise_tags([*everybody, *(tag for tag in text.split(",") if tag.strip())]))


def _array(tags: Sequence[str]) -> str:
    """Return an array of text in COPY's format; tags hold no quotes."""
    quoted = ",".join('"' + tag.replace("\\", "\\\\") + '"' for tag in tags)
    return ("{" + quoted + "}").translate(ESCAPES)


def _reader(declared: ContactField | None) -> _Reader | None:
    """Return what types a cell; text is what a cell is already."""
    if declared is None or declared.type is FieldType.TEXT:
        return None
    return declared.typed
