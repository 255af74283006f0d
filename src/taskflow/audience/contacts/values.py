"""What may stand in a contact: typed attributes, addresses, phones, locales, time zones, tags, in one form each.

Imports, the API and segments share it, so a value that came by a CSV file is equal to the same one that came by JSON.

    type       stored as                              taken from text (CSV, forms)
    text       text                                   as it stands
    number     a JSON number                          12, -1.5, 1 234, 1.234,50, 1,234.50, 12,5
    boolean    true or false                          true yes y 1 on ja oui si / false no n 0 off nein non
    date       "2026-01-31"                           also 31.01.2026, 2026/01/31, and a date at midnight
    datetime   "2026-01-31T08:00:00Z": UTC, seconds   RFC 3339; without a zone it is UTC
    choice     the choice as the field spells it      without regard to case

Dates and instants have one width, so their order as text is their order in time. What can be read in two ways is
refused (1,234; 01/02/2026): a wrong birthday is worse than a rejected row.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final
from zoneinfo import available_timezones

import orjson

from taskflow.audience.imports.addresses import InvalidAddressError, normalise
from taskflow.audience.imports.rows import BROKEN, CONTROL

MAX_TEXT: Final = 32_768
"""Longest text of one attribute, in characters."""
MAX_ATTRIBUTES: Final = 200
MAX_ATTRIBUTES_BYTES: Final = 65_536
"""All attributes of a contact together, as JSON."""
MAX_DEPTH: Final = 8
MAX_TAG: Final = 50
MAX_TAGS: Final = 100
NAME_PATTERN: Final = r"^[a-z][a-z0-9_]{0,63}$"
"""Names of declared fields. A free attribute may have any name that a template can use."""

_MAX_NAME: Final = 100
_MAX_NUMBER: Final = 10**15
_MAX_NUMBER_CHARS: Final = 40
_FIRST_YEAR, _LAST_YEAR = 2, 9998  # beyond them, sums of dates and zones overflow
_TRUE: Final = frozenset({"true", "yes", "y", "1", "on", "ja", "oui", "si", "sí", "wahr"})
_FALSE: Final = frozenset({"false", "no", "n", "0", "off", "nein", "non", "falsch"})

_SPACES = re.compile(r"[\s']")
_PLAIN_NUMBER = re.compile(r"[+-]?\d{1,16}(?:\.\d{1,20})?", re.ASCII)
_DECIMAL_COMMA = re.compile(r"[+-]?\d{1,16},(?:\d{1,2}|\d{4,20})", re.ASCII)
_GROUPED_POINTS = re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+(?:,\d{1,20})", re.ASCII)
_GROUPED_COMMAS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d{1,20})", re.ASCII)
_DATE = re.compile(r"(\d{4})([-/])(\d{1,2})\2(\d{1,2})(?:[T ]00:00(?::00(?:\.0+)?)?(?:Z|[+-]00:00)?)?", re.ASCII)
_DOTTED_DATE = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})", re.ASCII)
_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?: ?(?:Z|[+-]\d\d:?\d\d))?)?", re.ASCII | re.IGNORECASE
)
_LOCALE = re.compile(r"([a-z]{2,3})(?:[-_]([a-z]{4}))?(?:[-_]([a-z]{2}|\d{3}))?(?:[.@].*)?", re.IGNORECASE | re.ASCII)
_NOT_IN_TAGS = re.compile(r"[,;|\"]")

Json = str | int | float | bool | list[Any] | dict[str, Any] | None


class InvalidValueError(ValueError):
    """The value does not fit; the message is a sentence that says why and what would."""


class FieldType(StrEnum):
    """What an attribute holds."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    CHOICE = "choice"


@dataclass(frozen=True, slots=True)
class ContactField:
    """A declared attribute."""

    name: str
    type: FieldType
    choices: tuple[str, ...] = ()
    _spellings: dict[str, str] = field(init=False, repr=False, compare=False, hash=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Remember the choices as they may be written."""
        self._spellings.update({choice.casefold(): choice for choice in self.choices})

    def typed(self, value: object) -> Json:
        """Return the value in the form that is stored.

        Raises:
            InvalidValueError: it is not of the field's type.
        """
        if self.type is FieldType.CHOICE:
            spelling = self._spellings.get(value.strip().casefold()) if isinstance(value, str) else None
            if spelling is None:
                raise InvalidValueError(f"{_shown(value)} is none of the choices {_listed(self.choices)}.")
            return spelling
        return _READERS[self.type](value)


def check_attributes(attributes: Mapping[str, Any], fields: Mapping[str, ContactField]) -> dict[str, Json]:
    """Return the attributes as they are stored: declared ones typed, free ones as JSON; null and "" are left out.

    Raises:
        InvalidValueError: one does not fit, or there is too much; the sentence names the attribute.
    """
    if len(attributes) > MAX_ATTRIBUTES:
        raise InvalidValueError(f"There are {len(attributes)} attributes; {MAX_ATTRIBUTES} are allowed.")
    stored: dict[str, Json] = {}
    for name, value in attributes.items():
        if not is_attribute_name(name):
            raise InvalidValueError(
                f"The attribute {_shown(name)} cannot be used in templates: write letters, digits and _, such as"
                " first_name."
            )
        if value is None or (isinstance(value, str) and not value.strip()):
            continue
        try:
            declared = fields.get(name)
            stored[name] = declared.typed(value) if declared else free(value)
        except InvalidValueError as error:
            raise InvalidValueError(f"The attribute '{name}': {error}") from error
    if len(orjson.dumps(stored)) > MAX_ATTRIBUTES_BYTES:
        raise InvalidValueError(f"The attributes take more than {MAX_ATTRIBUTES_BYTES} bytes of JSON.")
    return stored


def is_attribute_name(name: str) -> bool:
    """Tell whether a template can use the name."""
    return 0 < len(name) <= _MAX_NAME and name.isidentifier() and unicodedata.is_normalized("NFKC", name)


def free(value: object, depth: int = 0) -> Json:
    """Return the value of an attribute that is not declared: any JSON that can be stored and rendered.

    Raises:
        InvalidValueError: it holds text, numbers or nesting that cannot.
    """
    if isinstance(value, str):
        return read_text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return _read_number(value)
    if depth >= MAX_DEPTH:
        raise InvalidValueError(f"It is nested more than {MAX_DEPTH} deep.")
    if isinstance(value, list):
        return [free(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {read_text(key): free(item, depth + 1) for key, item in value.items()}
    raise InvalidValueError(f"{_shown(value)} is no JSON value.")


def read_text(value: object) -> str:
    """Return text that a database, a terminal and a mail can hold.

    Raises:
        InvalidValueError: it is no text, too long, or has control characters or broken Unicode.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(_read_number(value))
    if not isinstance(value, str):
        raise InvalidValueError(f"{_shown(value)} is no text.")
    if len(value) > MAX_TEXT:
        raise InvalidValueError(f"The text is longer than {MAX_TEXT} characters.")
    if not value.isprintable():
        if found := CONTROL.search(value):
            raise InvalidValueError(f"The text holds the control character U+{ord(found.group()):04X}.")
        if BROKEN.search(value):
            raise InvalidValueError("The text holds broken Unicode.")
    return value


def normalise_email(text: str) -> str:
    """Return the address as it is sent to (`audience.imports.addresses`).

    Raises:
        InvalidValueError: it is none.
    """
    try:
        return normalise(text.strip())
    except InvalidAddressError as error:
        raise InvalidValueError(str(error)) from error


@lru_cache(maxsize=1024)
def normalise_locale(text: str) -> str:
    """Return a locale as language, script and region: `de_at.UTF-8` → `de-AT`, `zh-hant-tw` → `zh-Hant-TW`.

    Raises:
        InvalidValueError: it is none.
    """
    found = _LOCALE.fullmatch(text.strip()[:100])
    if found is None:
        raise InvalidValueError(f"{_shown(text)} is no locale: write one like de, de-AT or zh-Hant.")
    language, script, region = found.groups(default="")
    return "-".join(filter(None, (language.lower(), script.title(), region.upper())))


@lru_cache(maxsize=1024)
def normalise_time_zone(text: str) -> str:
    """Return an IANA time zone as the database of zones spells it.

    Raises:
        InvalidValueError: there is none of that name.
    """
    zone = _zones().get(text.strip()[:100].replace(" ", "_").casefold())
    if zone is None:
        raise InvalidValueError(f"{_shown(text)} is no time zone: write one like Europe/Berlin or UTC.")
    return zone


def normalise_tag(text: str) -> str:
    """Return a tag in lower case with single spaces.

    Raises:
        InvalidValueError: it is empty, too long, or holds what separates tags in a file.
    """
    tag = " ".join(read_text(unicodedata.normalize("NFC", text[: 4 * MAX_TAG])).split()).lower()
    if not tag or len(tag) > MAX_TAG:
        raise InvalidValueError(f"A tag has 1 to {MAX_TAG} characters.")
    if _NOT_IN_TAGS.search(tag):
        raise InvalidValueError(f"The tag {_shown(tag)} holds one of , ; | and quotes, which separate tags.")
    return tag


def normalise_tags(texts: Iterable[str]) -> list[str]:
    """Return tags sorted, each once.

    Raises:
        InvalidValueError: one is none, or there are too many.
    """
    tags = sorted({normalise_tag(text) for text in texts})
    if len(tags) > MAX_TAGS:
        raise InvalidValueError(f"There are {len(tags)} tags; {MAX_TAGS} are allowed.")
    return tags


def _read_number(value: object) -> int | float:
    if isinstance(value, str):
        value = _parse_number(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidValueError(f"{_shown(value)} is no number.")
    if not -_MAX_NUMBER < value < _MAX_NUMBER:  # nor is NaN
        raise InvalidValueError(f"{_shown(value)} is too large: numbers lie between -10^15 and 10^15.")
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _parse_number(text: str) -> int | float:
    digits = _SPACES.sub("", text) if len(text) <= _MAX_NUMBER_CHARS else text
    if _DECIMAL_COMMA.fullmatch(digits):
        digits = digits.replace(",", ".")
    elif _GROUPED_POINTS.fullmatch(digits):
        digits = digits.replace(".", "").replace(",", ".")
    elif _GROUPED_COMMAS.fullmatch(digits):
        digits = digits.replace(",", "")
    elif not _PLAIN_NUMBER.fullmatch(digits):
        raise InvalidValueError(f"{_shown(text)} is no number, or could be two: write 1234.5 without separators.")
    return float(digits) if "." in digits else int(digits)


def _read_boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().casefold() if isinstance(value, str | int) else ""
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise InvalidValueError(f"{_shown(value)} is neither yes nor no: write true or false.")


def _read_date(value: object) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if found := _DATE.fullmatch(text):
        year, month, day = int(found[1]), int(found[3]), int(found[4])
    elif found := _DOTTED_DATE.fullmatch(text):
        day, month, year = map(int, found.groups())
    else:
        raise InvalidValueError(f"{_shown(value)} is no date, or could be two: write one like 2026-01-31.")
    try:
        day_found = date(year, month, day)
        _check_year(day_found)
    except ValueError as error:
        raise InvalidValueError(f"{_shown(value)} is no date: there is no such day.") from error
    return day_found.isoformat()


def _read_instant(value: object) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not _INSTANT.fullmatch(text):
        raise InvalidValueError(f"{_shown(value)} is no instant: write one like 2026-01-31T09:00:00+01:00.")
    try:
        instant = datetime.fromisoformat(text.replace(" +", "+").replace(" -", "-").replace(" Z", "Z").upper())
        _check_year(instant)
        instant = instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
    except ValueError as error:
        raise InvalidValueError(f"{_shown(value)} is no instant: there is no such day or time.") from error
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")  # some libraries of C leave out a year's zeros


def _check_year(day: date) -> None:
    if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        raise ValueError(f"a year lies between {_FIRST_YEAR} and {_LAST_YEAR}")


@lru_cache(maxsize=1)
def _zones() -> dict[str, str]:
    odd = ("posix/", "right/", "localtime", "Factory", "posixrules")
    return {zone.casefold(): zone for zone in available_timezones() if not zone.startswith(odd)}


def _shown(value: object) -> str:
    if isinstance(value, int) and abs(value) >= _MAX_NUMBER:  # Python refuses to write the largest ones
        return "the number"
    text = CONTROL.sub("\ufffd", BROKEN.sub("\ufffd", str(value)[:61]))
    return f"'{text[:60]}…'" if len(text) > 60 else f"'{text}'"


def _listed(choices: tuple[str, ...]) -> str:
    return ", ".join(choices[:10]) + (", …" if len(choices) > 10 else "")


_READERS: Final[dict[FieldType, Callable[[object], Json]]] = {
    FieldType.TEXT: read_text,
    FieldType.NUMBER: _read_number,
    FieldType.BOOLEAN: _read_boolean,
    FieldType.DATE: _read_date,
    FieldType.DATETIME: _read_instant,
}
