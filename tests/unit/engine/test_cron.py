"""Cron expressions on real clocks: gaps, overlaps, half hours, a day that was left out."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskflow.engine.schedules.cron import MACROS, CronExpression, InvalidCronError
from taskflow.engine.schedules.zones import UnknownTimeZoneError, find_zone

# zone, expression, after, the next instant
NEXT = [
    ("UTC", "* * * * *", "2026-01-01T00:00:00+00:00", "2026-01-01T00:01:00+00:00"),
    ("UTC", "* * * * *", "2026-01-01T00:00:59+00:00", "2026-01-01T00:01:00+00:00"),
    ("UTC", "*/15 * * * *", "2026-01-01T00:46:00+00:00", "2026-01-01T01:00:00+00:00"),
    ("UTC", "5,35 * * * *", "2026-01-01T00:06:00+00:00", "2026-01-01T00:35:00+00:00"),
    ("UTC", "10-12 8 * * *", "2026-01-01T08:12:00+00:00", "2026-01-02T08:10:00+00:00"),
    ("UTC", "10/20 * * * *", "2026-01-01T00:31:00+00:00", "2026-01-01T00:50:00+00:00"),
    ("UTC", "0 9-17/4 * * *", "2026-01-01T10:00:00+00:00", "2026-01-01T13:00:00+00:00"),
    ("UTC", "0 0 * * MON-FRI", "2026-01-02T00:00:00+00:00", "2026-01-05T00:00:00+00:00"),
    ("UTC", "0 0 * * sun", "2026-01-01T00:00:00+00:00", "2026-01-04T00:00:00+00:00"),
    ("UTC", "0 0 * * 7", "2026-01-01T00:00:00+00:00", "2026-01-04T00:00:00+00:00"),
    ("UTC", "0 0 1 JAN,JUL *", "2026-01-01T00:00:00+00:00", "2026-07-01T00:00:00+00:00"),
    ("UTC", "0 0 31 * *", "2026-01-31T00:00:00+00:00", "2026-03-31T00:00:00+00:00"),
    ("UTC", "0 0 29 2 *", "2026-01-01T00:00:00+00:00", "2028-02-29T00:00:00+00:00"),
    ("UTC", "0 0 29 2 *", "2096-03-01T00:00:00+00:00", "2104-02-29T00:00:00+00:00"),
    ("UTC", "0 0 L * *", "2026-02-01T00:00:00+00:00", "2026-02-28T00:00:00+00:00"),
    ("UTC", "0 0 LW * *", "2026-01-30T00:00:01+00:00", "2026-02-27T00:00:00+00:00"),
    ("UTC", "0 0 * * 5L", "2026-01-01T00:00:00+00:00", "2026-01-30T00:00:00+00:00"),
    ("UTC", "0 0 * * MON#2", "2026-01-01T00:00:00+00:00", "2026-01-12T00:00:00+00:00"),
    ("UTC", "0 0 13 * FRI", "2026-01-03T00:00:00+00:00", "2026-01-09T00:00:00+00:00"),
    ("UTC", "0 0 */2 * MON", "2026-01-01T00:00:00+00:00", "2026-01-05T00:00:00+00:00"),
    ("UTC", "@hourly", "2026-01-01T00:59:00+00:00", "2026-01-01T01:00:00+00:00"),
    ("UTC", "@daily", "2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00"),
    ("UTC", "@weekly", "2026-01-01T00:00:00+00:00", "2026-01-04T00:00:00+00:00"),
    ("UTC", "@monthly", "2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00"),
    ("UTC", "@yearly", "2026-01-01T00:00:00+00:00", "2027-01-01T00:00:00+00:00"),
    ("Europe/Berlin", "30 2 * * *", "2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00"),
    ("Europe/Berlin", "0,30 2 * * *", "2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"),
    ("Europe/Berlin", "0 3 * * *", "2026-03-29T01:59:00+01:00", "2026-03-29T03:00:00+02:00"),
    ("Europe/Berlin", "0 2,3 * * *", "2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"),
    ("Europe/Berlin", "*/30 * * * *", "2026-03-29T01:30:00+01:00", "2026-03-29T03:00:00+02:00"),
    ("Europe/Berlin", "0 */2 * * *", "2026-03-29T00:00:00+01:00", "2026-03-29T04:00:00+02:00"),
    ("Europe/Berlin", "*/10 2 * * *", "2026-03-28T02:50:00+01:00", "2026-03-30T02:00:00+02:00"),
    ("Europe/Berlin", "30 2 * * *", "2026-10-25T02:00:00+02:00", "2026-10-25T02:30:00+02:00"),
    ("Europe/Berlin", "30 2 * * *", "2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"),
    ("Europe/Berlin", "30 2 * * *", "2026-10-25T02:10:00+01:00", "2026-10-26T02:30:00+01:00"),
    ("Europe/Berlin", "*/30 * * * *", "2026-10-25T02:30:00+02:00", "2026-10-25T02:00:00+01:00"),
    ("Europe/Berlin", "*/30 * * * *", "2026-10-25T02:30:00+01:00", "2026-10-25T03:00:00+01:00"),
    ("Europe/Berlin", "0 */2 * * *", "2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00"),
    ("Europe/Berlin", "0 0 25 10 *", "2026-10-24T12:00:00+02:00", "2026-10-25T00:00:00+02:00"),
    ("America/New_York", "30 2 * * *", "2026-03-07T12:00:00-05:00", "2026-03-08T03:00:00-04:00"),
    ("America/New_York", "30 2 * * SUN", "2026-03-07T12:00:00-05:00", "2026-03-08T03:00:00-04:00"),
    ("America/New_York", "59 1 * * *", "2026-03-08T01:59:00-05:00", "2026-03-09T01:59:00-04:00"),
    ("America/New_York", "* * * * *", "2026-03-08T01:59:00-05:00", "2026-03-08T03:00:00-04:00"),
    ("America/New_York", "30 1 * * *", "2026-11-01T00:00:00-04:00", "2026-11-01T01:30:00-04:00"),
    ("America/New_York", "30 1 * * *", "2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"),
    ("America/New_York", "45 1 * * *", "2026-11-01T01:10:00-05:00", "2026-11-02T01:45:00-05:00"),
    ("America/New_York", "* * * * *", "2026-11-01T01:59:00-04:00", "2026-11-01T01:00:00-05:00"),
    ("America/New_York", "0 9 * * MON-FRI", "2026-03-06T09:00:00-05:00", "2026-03-09T09:00:00-04:00"),
    ("Australia/Lord_Howe", "15 2 * * *", "2026-10-03T12:00:00+10:30", "2026-10-04T02:30:00+11:00"),
    ("Australia/Lord_Howe", "0 2 * * *", "2026-10-03T12:00:00+10:30", "2026-10-04T02:30:00+11:00"),
    ("Australia/Lord_Howe", "30 2 * * *", "2026-10-03T12:00:00+10:30", "2026-10-04T02:30:00+11:00"),
    ("Australia/Lord_Howe", "*/20 * * * *", "2026-10-04T01:40:00+10:30", "2026-10-04T02:40:00+11:00"),
    ("Australia/Lord_Howe", "*/20 3 * * *", "2026-10-04T02:45:00+11:00", "2026-10-04T03:00:00+11:00"),
    ("Australia/Lord_Howe", "45 1 * * *", "2026-04-05T01:00:00+11:00", "2026-04-05T01:45:00+11:00"),
    ("Australia/Lord_Howe", "45 1 * * *", "2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"),
    ("Australia/Lord_Howe", "*/15 * * * *", "2026-04-05T01:45:00+11:00", "2026-04-05T01:30:00+10:30"),
    ("Australia/Lord_Howe", "*/15 * * * *", "2026-04-05T01:45:00+10:30", "2026-04-05T02:00:00+10:30"),
    ("Australia/Lord_Howe", "0 * * * *", "2026-04-05T01:00:00+11:00", "2026-04-05T02:00:00+10:30"),
    ("America/St_Johns", "30 0 * * *", "2010-03-13T12:00:00-03:30", "2010-03-14T01:01:00-02:30"),
    ("America/St_Johns", "0 0 * * *", "2010-03-13T12:00:00-03:30", "2010-03-14T00:00:00-03:30"),
    ("America/St_Johns", "*/5 * * * *", "2010-03-14T00:00:00-03:30", "2010-03-14T01:05:00-02:30"),
    ("America/St_Johns", "30 23 * * *", "2010-11-06T23:30:00-02:30", "2010-11-07T23:30:00-03:30"),
    ("America/St_Johns", "*/30 * * * *", "2010-11-07T00:00:00-02:30", "2010-11-06T23:30:00-03:30"),
    ("America/St_Johns", "30 2 * * *", "2026-03-07T12:00:00-03:30", "2026-03-08T03:00:00-02:30"),
    ("Africa/Casablanca", "30 2 * * *", "2026-02-15T02:30:00+01:00", "2026-02-16T02:30:00+00:00"),
    ("Africa/Casablanca", "*/30 * * * *", "2026-02-15T02:30:00+01:00", "2026-02-15T02:00:00+00:00"),
    ("Africa/Casablanca", "30 2 * * *", "2026-03-21T12:00:00+00:00", "2026-03-22T03:00:00+01:00"),
    ("Africa/Casablanca", "0 12 * * *", "2026-03-21T12:00:00+00:00", "2026-03-22T12:00:00+01:00"),
    ("Asia/Tehran", "30 0 * * *", "2022-03-21T12:00:00+03:30", "2022-03-22T01:00:00+04:30"),
    ("Asia/Tehran", "*/30 * * * *", "2022-03-21T23:30:00+03:30", "2022-03-22T01:00:00+04:30"),
    ("Asia/Tehran", "30 23 * * *", "2022-09-21T23:30:00+04:30", "2022-09-22T23:30:00+03:30"),
    ("Asia/Tehran", "*/30 * * * *", "2022-09-21T23:30:00+04:30", "2022-09-21T23:00:00+03:30"),
    ("Asia/Tehran", "30 0 * * *", "2023-03-21T12:00:00+03:30", "2023-03-22T00:30:00+03:30"),
    ("America/Sao_Paulo", "0 0 * * *", "2018-11-03T12:00:00-03:00", "2018-11-04T01:00:00-02:00"),
    ("America/Sao_Paulo", "*/30 0 * * *", "2018-11-03T12:00:00-03:00", "2018-11-05T00:00:00-02:00"),
    ("America/Sao_Paulo", "@daily", "2018-02-17T12:00:00-02:00", "2018-02-18T00:00:00-03:00"),
    ("Africa/Cairo", "0 0 * * FRI", "2026-04-23T12:00:00+02:00", "2026-04-24T01:00:00+03:00"),
    ("Pacific/Apia", "0 12 * * *", "2011-12-29T12:00:00-10:00", "2011-12-31T00:00:00+14:00"),
    ("Pacific/Apia", "0 * * * *", "2011-12-29T23:00:00-10:00", "2011-12-31T00:00:00+14:00"),
    ("Asia/Kolkata", "0 9 * * *", "2026-06-01T09:00:00+05:30", "2026-06-02T09:00:00+05:30"),
    ("Asia/Kathmandu", "*/45 * * * *", "2026-06-01T09:45:00+05:45", "2026-06-01T10:00:00+05:45"),
    ("Antarctica/Troll", "30 1 * * *", "2026-03-28T12:00:00+00:00", "2026-03-29T03:00:00+02:00"),
    ("Antarctica/Troll", "30 2 * * *", "2026-10-25T01:30:00+02:00", "2026-10-25T02:30:00+02:00"),
]

# zone, and a day on which its clocks are set
CHANGES = [
    ("Europe/Berlin", "2026-03-29"), ("Europe/Berlin", "2026-10-25"),
    ("America/New_York", "2026-03-08"), ("America/New_York", "2026-11-01"),
    ("Australia/Lord_Howe", "2026-10-04"), ("Australia/Lord_Howe", "2026-04-05"),
    ("America/St_Johns", "2010-03-14"), ("America/St_Johns", "2010-11-07"),
    ("Africa/Casablanca", "2026-02-15"), ("Africa/Casablanca", "2026-03-22"),
    ("Asia/Tehran", "2022-03-22"), ("Asia/Tehran", "2022-09-21"),
    ("America/Sao_Paulo", "2018-11-04"), ("Pacific/Apia", "2011-12-30"), ("UTC", "2026-06-01"),
]  # fmt: skip

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(("zone", "expression", "after", "expected"), NEXT)
def test_the_next_instant(zone: str, expression: str, after: str, expected: str) -> None:
    where = ZoneInfo(zone)
    found = CronExpression.parse(expression).next_after(datetime.fromisoformat(after), where)
    assert found is not None
    assert found.tzinfo is UTC
    assert found.astimezone(where).isoformat() == expected


def test_the_table_is_as_wide_as_it_claims() -> None:
    assert len(NEXT) >= 60
    assert len({zone for zone, *_ in NEXT}) >= 10
    assert {expression for _, expression, *_ in NEXT} >= MACROS.keys() - {"@annually", "@midnight"}


@st.composite
def fields(draw: st.DrawFn, top: int) -> tuple[str, frozenset[int]]:
    """A field and the values it stands for."""
    kind = draw(st.sampled_from(["star", "step", "list", "range"]))
    if kind == "star":
        return "*", frozenset(range(top))
    if kind == "step":
        step = draw(st.integers(1, top - 1))
        return f"*/{step}", frozenset(range(0, top, step))
    if kind == "list":
        values = draw(st.sets(st.integers(0, top - 1), min_size=1, max_size=4))
        return ",".join(map(str, sorted(values))), frozenset(values)
    low = draw(st.integers(0, top - 1))
    high = draw(st.integers(low, top - 1))
    return f"{low}-{high}", frozenset(range(low, high + 1))


def by_hand(
    minutes: tuple[str, frozenset[int]], hours: tuple[str, frozenset[int]], start: datetime, days: int, zone: ZoneInfo
) -> list[datetime]:
    """Every instant of some days, by looking at the clock each minute and writing down what it shows."""

    def matches(wall: datetime) -> bool:
        return wall.minute in minutes[1] and wall.hour in hours[1]

    shown: set[datetime] = set()
    found: list[datetime] = []
    by_elapsed_time = minutes[0].startswith("*") or hours[0].startswith("*")
    last = (start - MINUTE).astimezone(zone).replace(tzinfo=None)
    for number in range(days * 1440):
        moment = start + number * MINUTE
        wall = moment.astimezone(zone).replace(tzinfo=None)
        if by_elapsed_time:
            hit = matches(wall)
        else:
            hit = matches(wall) and wall not in shown
            skipped = last + MINUTE
            while skipped < wall:
                hit = hit or matches(skipped)
                skipped += MINUTE
        if hit:
            found.append(moment)
        shown.add(wall)
        last = wall
    return found


@settings(max_examples=60, deadline=None)
@given(change=st.sampled_from(CHANGES), minutes=fields(60), hours=fields(24))
def test_every_instant_around_the_setting_of_a_clock_is_the_one_a_watcher_would_see(
    change: tuple[str, str], minutes: tuple[str, frozenset[int]], hours: tuple[str, frozenset[int]]
) -> None:
    zone = ZoneInfo(change[0])
    start = datetime.fromisoformat(change[1]).replace(tzinfo=UTC) - timedelta(days=1)
    expected = by_hand(minutes, hours, start, 3, zone)
    expression = CronExpression.parse(f"{minutes[0]} {hours[0]} * * *")
    found: list[datetime] = []
    moment = expression.next_after(start - timedelta(microseconds=1), zone)
    while moment is not None and moment < start + timedelta(days=3):
        found.append(moment)
        moment = expression.next_after(moment, zone)
    assert found == expected


@settings(max_examples=200, deadline=None)
@given(
    zone=st.sampled_from([zone for zone, _ in CHANGES]),
    minutes=fields(60),
    hours=fields(24),
    weekdays=st.sets(st.integers(0, 6), min_size=1),
    after=st.datetimes(datetime(1995, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    later=st.timedeltas(timedelta(), timedelta(days=3)),
)
def test_next_is_strictly_later_monotone_and_on_the_right_day(
    zone: str,
    minutes: tuple[str, frozenset[int]],
    hours: tuple[str, frozenset[int]],
    weekdays: set[int],
    after: datetime,
    later: timedelta,
) -> None:
    where = ZoneInfo(zone)
    text = ",".join(map(str, sorted(weekdays)))
    expression = CronExpression.parse(f"{minutes[0]} {hours[0]} * * {text}")
    found = expression.next_after(after, where)
    assert found is not None
    assert found > after
    again = expression.next_after(after + later, where)
    assert again is not None
    assert again >= found
    assert (again == found) == (after + later < found)
    if expression.is_by_elapsed_time:
        wall = found.astimezone(where)
        assert wall.minute in minutes[1]
        assert wall.hour in hours[1]
        assert wall.isoweekday() % 7 in weekdays


@pytest.mark.parametrize(
    ("text", "field", "sentence"),
    [
        ("61 * * * *", "minute", "minute '61' is none of its values: it takes 0-59"),
        ("* 24 * * *", "hour", "hour '24'"),
        ("0 0 0 * *", "day-of-month", "day-of-month '0'"),
        ("0 0 * FOO *", "month", "JAN-DEC"),
        ("0 0 * * MO", "day-of-week", "SUN-SAT"),
        ("5-1 * * * *", "minute", "a range that ends before it begins"),
        ("0 0 * * FRI-MON", "day-of-week", "a range that ends before it begins"),
        ("*/0 * * * *", "minute", "a step of 1 or more"),
        ("1,,2 * * * *", "minute", "an empty item"),
        ("1,2,99 * * * *", "minute", "minute '99'"),
        ("0 0 31 2 *", "day-of-month", "it never fires"),
        ("0 0 31 4,6,9,11 *", "day-of-month", "it never fires"),
        ("* * * *", None, "has 4"),
        ("0 * * * * *", None, "has 6"),
        ("", None, "has 0"),
        ("@reboot", None, "is none of @yearly"),
        ("1," * 150 + "1 * * * *", None, "at most 200"),
    ],
)
def test_a_wrong_expression_is_told_what_is_wrong_and_where(text: str, field: str | None, sentence: str) -> None:
    with pytest.raises(InvalidCronError) as caught:
        CronExpression.parse(text)
    assert sentence in str(caught.value)
    assert caught.value.context["field"] == field


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.text("0123456789*/,-#LWMONJAN @\x00é", min_size=1, max_size=8), min_size=1, max_size=6).map(" ".join)
)
def test_no_text_makes_the_parser_fail_in_another_way(text: str) -> None:
    try:
        expression = CronExpression.parse(text)
    except InvalidCronError:
        return
    found = expression.next_after(datetime(2026, 1, 1, tzinfo=UTC), ZoneInfo("Europe/Berlin"))
    assert found is None or found > datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "close"),
    [
        ("Europe/Berln", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("Berlin", "Europe/Berlin"),
        ("America/NewYork", "America/New_York"),
        ("new york", "America/New_York"),
        ("Asia/Calcuta", "Asia/Calcutta"),
    ],
)
def test_an_unknown_zone_is_told_which_are_close(name: str, close: str) -> None:
    with pytest.raises(UnknownTimeZoneError, match="did you mean") as caught:
        find_zone(name)
    assert close in caught.value.context["close_matches"]


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "/etc/localtime", "Mars/Olympus", "UTC\x00", "x" * 10_000])
def test_what_is_no_zone_at_all_is_refused(name: str) -> None:
    with pytest.raises(UnknownTimeZoneError):
        find_zone(name)
