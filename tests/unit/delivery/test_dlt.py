"""A text is its DLT template to the character, or the first place where it is not is told; promotion waits for 10 h."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.texts import FACTS
from taskflow.delivery.dlt import (
    INDIA,
    MAX_VALUE_CHARS,
    VARIABLE,
    Facts,
    TemplateMismatchError,
    TemplateValuesError,
    fill,
    match,
    variables_of,
    window_opens,
)

CODE = "{#var#} is your code for {#var#}."
SHORT = st.text(st.characters(exclude_categories=("C", "Z")), max_size=MAX_VALUE_CHARS)
LITERAL = st.text(max_size=20).filter(lambda text: "{" not in text)


@pytest.mark.parametrize(
    ("template", "text", "values"),
    [
        (CODE, "123456 is your code for shop.example.", ["123456", "shop.example"]),
        (CODE, " is your code for .", ["", ""]),
        ("No variables.", "No variables.", []),
        ("{#var#}", "x" * 30, ["x" * 30]),
        ("A{#var#}B{#var#}B", "A1B2B", ["1", "2"]),
        ("{#var#}{#var#}", "x" * 60, ["x" * 30, "x" * 30]),
        ("कोड {#var#} है", "कोड ४२ है", ["४२"]),
        ("Zeile 1\n{#var#}", "Zeile 1\nZeile 2", ["Zeile 2"]),
        ("{#VAR#} {#var#}", "{#VAR#} 1", ["1"]),
    ],
)
def test_values_are_found_in_a_text(template: str, text: str, values: list[str]) -> None:
    assert match(template, text) == values


@pytest.mark.parametrize(
    ("template", "text", "position", "said"),
    [
        ("Hello {#var#}.", "hello Ann.", 1, "At character 1 the text has 'hello Ann.', the template 'Hello '."),
        ("Hello {#var#}.", "Hello  Ann", 7, "Behind value 1, which begins at character 7, must follow '.'."),
        ("Hello {#var#}, bye.", "Hello Ann, by.", 14, "At character 14 the text has '.', the template 'e.'."),
        ("Hello {#var#}.", "Hello Ann. Click here", 11, "the template ends, but the text goes on: ' Click here'"),
        ("Hello.", "Hello. And more", 7, "the template ends, but the text goes on"),
        ("Hello.", "Hello", 6, "At character 6 the text has '', the template '.'."),
        ("To {#var#}!", "To " + "x" * 31 + "!", 34, "Value 1 would have 31 characters; DLT allows 30."),
        ("{#var#} for {#var#} now", "1 for " + "y" * 40 + " now", 37, "Value 2 would have 40 characters"),
        (CODE, "1 is your code  for x.", 16, "At character 16 the text has ' for x.', the template 'for '."),
    ],
)
def test_the_first_wrong_character_is_told(template: str, text: str, position: int, said: str) -> None:
    with pytest.raises(TemplateMismatchError) as raised:
        match(template, text)
    assert raised.value.context["position"] == position
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["1"], "takes 2 values, not 1"),
        (["1", "2", "3"], "takes 2 values, not 3"),
        (["1", "x" * 31], "Value 2 has 31 characters; DLT allows 30."),
        (["1\n2", "x"], "Value 1 holds a character that is not printable."),
    ],
)
def test_values_that_do_not_fit_are_refused(values: list[str], said: str) -> None:
    with pytest.raises(TemplateValuesError, match=said):
        fill(CODE, values)


@given(st.lists(LITERAL, min_size=1, max_size=6), st.data())
def test_what_is_filled_matches_and_its_values_make_the_same_text(literals: list[str], data: st.DataObject) -> None:
    template = VARIABLE.join(literals)
    values = data.draw(
        st.lists(SHORT, min_size=len(literals) - 1, max_size=len(literals) - 1).filter(
            lambda found: all(value.isprintable() for value in found)
        )
    )
    text = fill(template, values)
    found = match(template, text)
    assert variables_of(template) == len(found) == len(values)
    assert all(len(value) <= MAX_VALUE_CHARS for value in found)
    assert literals[0] + "".join(value + rest for value, rest in zip(found, literals[1:], strict=True)) == text


@given(st.lists(SHORT.filter(lambda value: value.isprintable() and "¦" not in value), max_size=6))
def test_between_literals_that_no_value_holds_the_values_come_back(values: list[str]) -> None:
    template = "¦".join(["", *[VARIABLE] * len(values), ""])
    assert match(template, fill(template, values)) == values


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_matches_or_is_refused_at_a_place_in_it(template: str, text: str) -> None:
    template = template.replace("v", VARIABLE)
    position: int | None = None
    values: list[str] = []
    try:
        values = match(template, text)
    except TemplateMismatchError as error:
        position = error.context["position"]
    if position is None:
        parts = template.split(VARIABLE)
        assert parts[0] + "".join(value + rest for value, rest in zip(values, parts[1:], strict=True)) == text
    else:
        assert 1 <= position <= len(text) + 1


def test_a_hostile_template_is_matched_in_time_that_grows_with_it() -> None:
    """Regular expressions with as many `.{0,30}` would take for ever."""
    with pytest.raises(TemplateMismatchError):
        match("{#var#}a" * 60 + "b", "a" * 1_900)


def test_facts_travel_as_texts() -> None:
    assert Facts.of(FACTS.as_mapping()) == FACTS
    assert all(isinstance(value, str) for value in FACTS.as_mapping().values())
    assert Facts.of({}) == Facts()


@pytest.mark.parametrize(
    ("local", "opens"),
    [
        ("2026-01-31T09:59:59.999", "2026-01-31T10:00:00"),
        ("2026-01-31T00:00:00", "2026-01-31T10:00:00"),
        ("2026-01-31T10:00:00", None),
        ("2026-01-31T20:59:59.999", None),
        ("2026-01-31T21:00:00", "2026-02-01T10:00:00"),
        ("2026-12-31T23:30:00", "2027-01-01T10:00:00"),
    ],
)
def test_promotion_goes_out_from_10_to_21_h(local: str, opens: str | None) -> None:
    now = datetime.fromisoformat(local).replace(tzinfo=INDIA)
    expected = datetime.fromisoformat(opens).replace(tzinfo=INDIA) if opens else None
    assert window_opens(now) == window_opens(now.astimezone(UTC)) == expected


def test_the_window_is_that_of_the_zone_and_keeps_its_hour_when_clocks_change() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    opens = window_opens(datetime(2026, 3, 28, 22, tzinfo=berlin), berlin)
    assert opens is not None
    assert opens.isoformat() == "2026-03-29T10:00:00+02:00"


@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1)))  # noqa: DTZ001 - Hypothesis wants them naive
def test_when_the_window_opens_it_is_open(now: datetime) -> None:
    opens = window_opens(now)
    assert opens is None or (opens > now and window_opens(opens) is None and (opens - now).total_seconds() <= 13 * 3600)
