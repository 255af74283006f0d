"""Phone numbers: every common way of writing one ends in E.164, and the fast way agrees with the library."""

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat, ValidationResult

from taskflow.audience.contacts.phones import check_region, normalise_phone
from taskflow.audience.contacts.values import InvalidValueError

REGIONS = ["DE", "AT", "CH", "IT", "FR", "GB", "US", "BR", "AR", "MX", "RU", "IN", "JP", "AU", "SM", "HU"]


@pytest.mark.parametrize(
    ("text", "region", "stored"),
    [
        ("+49 171 1234567", None, "+491711234567"),
        ("0171/123 45-67", "DE", "+491711234567"),
        ("0049 171 1234567", "DE", "+491711234567"),
        ("+49 (0) 171 1234567", None, "+491711234567"),
        ("(415) 555-0132", "US", "+14155550132"),
        ("1 415 555 0132", "US", "+14155550132"),
        ("06 1234 5678", "IT", "+390612345678"),
        ("\uff18\uff10-1234-5678", "JP", "+818012345678"),
        ("+1\u2010415\u2010555\u20100132", "DE", "+14155550132"),
    ],
)
def test_a_number_is_stored_in_e164(text: str, region: str | None, stored: str) -> None:
    assert normalise_phone(text, region) == stored


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("0171 1234567", None),
        ("", "DE"),
        ("12", "DE"),
        ("+", "DE"),
        ("+999 123456", "DE"),
        ("+49", "DE"),
        ("+049 171 1234567", "DE"),
        ("1-800-FLOWERS", "US"),
        ("4,91711E+11", "DE"),
        ("+491711234567 ext. 5", "DE"),
        ("+49171\x001234567", "DE"),
        ("+49171\r\nDATA", "DE"),
        ("'; DROP TABLE subscribers; --", "DE"),
        ("0" * 10_000, "DE"),
        ("+" + "1" * 39, "DE"),
    ],
)
def test_what_is_no_number_is_refused_with_a_short_sentence(text: str, region: str | None) -> None:
    with pytest.raises(InvalidValueError) as caught:
        normalise_phone(text, region)
    assert len(str(caught.value)) < 200


@given(st.sampled_from(REGIONS), st.from_regex(r"\+?[0-9 ]{0,4}[0-9]{2,14}", fullmatch=True))
def test_the_fast_way_agrees_with_the_library(region: str, text: str) -> None:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        expected = None
    else:
        possible = phonenumbers.is_possible_number_with_reason(number) == ValidationResult.IS_POSSIBLE
        expected = phonenumbers.format_number(number, PhoneNumberFormat.E164) if possible else None
    try:
        assert normalise_phone(text, region) == expected
    except InvalidValueError:
        assert expected is None


def test_a_region_is_a_country_that_has_numbers() -> None:
    assert check_region(" de ") == "DE"
    for text in ("", "XX", "Germany", "'"):
        with pytest.raises(InvalidValueError):
            check_region(text)
