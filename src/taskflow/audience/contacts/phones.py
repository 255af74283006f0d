"""Phone numbers in E.164, the form that providers of text messages take.

libphonenumber decides, but it takes 200 µs a number in Python and an import has a million. What its own rules would
leave alone, or only free from the trunk prefix of the region, is read here in a few; everything else goes to it. A
number is taken when it is possible (its length fits its country): only the network knows which ones are in use.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata, ValidationResult

from taskflow.audience.contacts.values import InvalidValueError

_MAX_CHARS: Final = 40
_SEPARATORS = re.compile(r"[\s().\-/\u2010-\u2015]+")
_WRITTEN = re.compile(r"\+?[\d\s().\-/\u2010-\u2015]*\d[\d\s().\-/\u2010-\u2015]*", re.ASCII)
_COUNTRY_DIGITS = 3
_NOTHING: Final = r"(?!)"


@dataclass(frozen=True, slots=True)
class _Rules:
    """What the numbering plan of a region says: enough for numbers that are written in a plain way."""

    country: str
    lengths: frozenset[int]
    trunk: str  # what stands before a number inside the country, when it is plain digits
    abroad: re.Pattern[str]  # what stands before a country code
    strips: re.Pattern[str]  # what the library would look for inside the country, and perhaps take away
    pattern: re.Pattern[str]


def normalise_phone(text: str, region: str | None = None) -> str:
    """Return a number in E.164: `0171 123 45 67` in DE → `+491711234567`.

    Arguments:
        text: as a person writes it.
        region: ISO 3166 code of the country that a number without a country code belongs to.

    Raises:
        InvalidValueError: it is no number, or has no country and no region was given.
    """
    written = unicodedata.normalize("NFKC", text[: _MAX_CHARS + 1]).strip()
    if len(text) > _MAX_CHARS or not _WRITTEN.fullmatch(written):
        raise InvalidValueError(f"{text[:_MAX_CHARS]!r} is no phone number: write one like +49 171 1234567.")
    digits = _SEPARATORS.sub("", written)
    plain = _international(digits[1:]) if digits.startswith("+") else _national(digits, region)
    return plain or _by_library(written, region)


def check_region(region: str) -> str:
    """Return the code of a country in capitals.

    Raises:
        InvalidValueError: no country with a numbering plan has it.
    """
    code = region.strip().upper()
    if code not in phonenumbers.SUPPORTED_REGIONS:
        raise InvalidValueError(f"{region[:20]!r} is no country: write a code of two letters, such as DE.")
    return code


def _international(digits: str) -> str | None:
    if digits.startswith("0"):
        return None
    for size in range(1, _COUNTRY_DIGITS + 1):
        if regions := COUNTRY_CODE_TO_REGION_CODE.get(int(digits[:size])):
            rules = _rules(regions[0])
            national = digits[size:]
            if rules is None or len(national) not in rules.lengths or rules.strips.match(national):
                return None
            return f"+{digits}"
    return None


def _national(digits: str, region: str | None) -> str | None:
    rules = _rules(region) if region else None
    if rules is None or rules.abroad.match(digits):
        return None
    national = digits.removeprefix(rules.trunk)
    if national != digits:
        fits = bool(rules.pattern.fullmatch(national))
    else:
        fits = not digits.startswith(rules.country) and not rules.strips.match(digits)
    return f"+{rules.country}{national}" if fits and len(national) in rules.lengths else None


@lru_cache(maxsize=512)
def _rules(region: str) -> _Rules | None:
    metadata = PhoneMetadata.metadata_for_region(region)
    if metadata is None or metadata.general_desc is None or metadata.country_code is None:
        return None
    general = metadata.general_desc
    parsing = metadata.national_prefix_for_parsing or ""
    main = PhoneMetadata.metadata_for_region(COUNTRY_CODE_TO_REGION_CODE[metadata.country_code][0])
    lengths = main.general_desc.possible_length if main and main.general_desc else ()
    return _Rules(
        country=str(metadata.country_code),
        lengths=frozenset(general.possible_length).intersection(lengths),
        trunk=parsing if parsing.isdigit() and not metadata.national_prefix_transform_rule else "",
        abroad=re.compile(metadata.international_prefix or _NOTHING),
        strips=re.compile(parsing or _NOTHING),
        pattern=re.compile(general.national_number_pattern or _NOTHING),
    )


def _by_library(written: str, region: str | None) -> str:
    try:
        number = phonenumbers.parse(written, region)
    except phonenumbers.NumberParseException as error:
        if error.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE and region is None:
            raise InvalidValueError(
                f"'{written}' has no country code: write it like +49 171 1234567, or name the default region."
            ) from error
        raise InvalidValueError(f"'{written}' is no phone number: {str(error).rstrip('.')}.") from error
    if phonenumbers.is_possible_number_with_reason(number) != ValidationResult.IS_POSSIBLE:
        raise InvalidValueError(f"'{written}' is too short or too long for a phone number of its country.")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
