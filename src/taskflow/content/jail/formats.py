"""Filters that write values as the recipient's country does: dates, times, money, numbers.

    {{ renewal | date }}  {{ starts_at | datetime('long') }}  {{ total | money('EUR') }}  {{ share | percent(1) }}

Values come from JSON: numbers, text with a number, ISO dates and times. A time with an offset is shown in the
recipient's `time_zone`, if there is one. What is missing stays missing, so that `| date | default('soon')` works;
what cannot be read is an error of this one message, never a guess.
"""

import re
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from babel import Locale, dates, numbers
from jinja2 import Undefined, pass_context
from jinja2.runtime import Context

from taskflow.content.jail import locales

_STYLES: Final = ("short", "medium", "long", "full")
_MOST_DIGITS: Final = 10
_LARGEST: Final = Decimal(10) ** 18
_LONGEST_NUMBER: Final = 40
_WHOLE = re.compile(r"0(?:\.[#0]+)?(?![#0,.])")

Filter = Callable[..., Any]


class FormatError(ValueError):
    """A value cannot be written this way."""


class Reader:
    """For whom the present message is; jail processes render one at a time."""

    def __init__(self) -> None:
        """Nobody yet."""
        self._own: object = None
        self._template: str | None = None
        self._zone: object = None
        self._locale: Locale | None = None

    def turn_to(self, values: dict[str, Any], template: str | None) -> None:
        """Render for the recipient with these values, in the language of the template."""
        self._own, self._zone = values.get("locale"), values.get("time_zone")
        self._template, self._locale = template, None

    @property
    def locale(self) -> Locale:
        """How dates and numbers are written."""
        if self._locale is None:
            self._locale = locales.choose(self._own, self._template)
        return self._locale

    def here(self, moment: datetime) -> datetime:
        """Return an instant in the recipient's time zone."""
        found = locales.zone(self._zone) if isinstance(self._zone, str) else None
        return moment.astimezone(found) if found is not None and moment.tzinfo is not None else moment


reader = Reader()


def _present(write: Filter) -> Filter:
    """Let a missing value pass, and take the context, so that jinja2 does not work the filter out beforehand."""

    @pass_context
    def applied(_context: Context, value: Any, *args: Any, **named: Any) -> Any:
        return value if isinstance(value, Undefined) else write(value, *args, **named)

    return applied


@_present
def _date(value: object, style: str = "medium") -> str:
    moment = _moment(value)
    day = reader.here(moment) if isinstance(moment, datetime) else moment
    return dates.format_date(day, _style(style), locale=reader.locale)


@_present
def _datetime(value: object, style: str = "medium") -> str:
    moment = _moment(value)
    if not isinstance(moment, datetime):
        raise FormatError(f"{_shown(value)} is a day without a time")
    return dates.format_datetime(reader.here(moment), _style(style), locale=reader.locale)


@_present
def _time(value: object, style: str = "short") -> str:
    moment: datetime | date | time
    try:
        moment = _moment(value)
    except FormatError:
        try:
            moment = time.fromisoformat(str(value))
        except ValueError:
            raise FormatError(f"{_shown(value)} is no ISO time such as 18:30") from None
    if isinstance(moment, datetime):
        moment = reader.here(moment)
    elif isinstance(moment, date):
        raise FormatError(f"{_shown(value)} is a day without a time")
    return dates.format_time(moment, _style(style), locale=reader.locale)


@_present
def _money(value: object, currency: str) -> str:
    if not (isinstance(currency, str) and len(currency) == 3 and currency.isascii() and currency.isalpha()):
        raise FormatError("a currency has three letters, such as EUR")
    return numbers.format_currency(_number(value), currency.upper(), locale=reader.locale)


@_present
def _plain_number(value: object, digits: int | None = None) -> str:
    locale = reader.locale
    pattern = None if digits is None else _with_digits(locale.decimal_formats[None].pattern, digits)
    return numbers.format_decimal(_number(value), pattern, locale=locale)


@_present
def _percent(value: object, digits: int = 0) -> str:
    locale = reader.locale
    pattern = _with_digits(locale.percent_formats[None].pattern, digits)
    return numbers.format_percent(_number(value), pattern, locale=locale)


FORMATS: Final[dict[str, Filter]] = {
    "date": _date,
    "datetime": _datetime,
    "money": _money,
    "number": _plain_number,
    "percent": _percent,
    "time": _time,
}


def _moment(value: object) -> datetime | date:
    text = value.strip() if isinstance(value, str) else ""
    try:
        return date.fromisoformat(text) if len(text) <= 10 else datetime.fromisoformat(text)
    except ValueError:
        raise FormatError(f"{_shown(value)} is no ISO date such as 2026-11-27 or 2026-11-27T18:30:00Z") from None


def _number(value: object) -> Decimal:
    text = value.strip() if isinstance(value, str) else repr(value)
    try:
        found = Decimal(text) if len(text) <= _LONGEST_NUMBER and not isinstance(value, bool) else Decimal("NaN")
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite() or abs(found) >= _LARGEST or found.adjusted() < -_LONGEST_NUMBER:
        raise FormatError(f"{_shown(value)} is no number that can be written")
    return found


def _style(style: object) -> Any:
    if style not in _STYLES:
        raise FormatError(f"a date's style is one of {', '.join(_STYLES)}")
    return style


def _with_digits(pattern: str, digits: object) -> str:
    """Return a locale's own pattern with so many digits behind the point."""
    if not isinstance(digits, int) or isinstance(digits, bool) or not 0 <= digits <= _MOST_DIGITS:
        raise FormatError(f"digits is a number from 0 to {_MOST_DIGITS}")
    return _WHOLE.sub("0." + "0" * digits if digits else "0", pattern)


def _shown(value: object) -> str:
    return repr(value)[:60] if isinstance(value, str | int | float | bool) or value is None else "this value"
