"""Random condition trees and contacts, drawn from small pools so that they meet each other."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from support.segment_evaluator import Happening, Mail, Person
from taskflow.base.ids import uuid7

LISTS = [uuid7() for _ in range(3)]
CAMPAIGNS = [uuid7() for _ in range(2)]
ZONES = ["UTC", "Europe/Berlin", "Pacific/Kiritimati", "America/Los_Angeles"]
STATUSES = ["ACTIVE", "UNSUBSCRIBED", "BOUNCED", "COMPLAINED", "DISABLED"]
EVENTS = ["opened", "clicked", "bounced", "complained", "unsubscribed"]
_HOSTILE = ["x'); DROP TABLE subscribers; --", "$1", "@operand", "\\", "%", "a_b"]
TEXTS = ["", "a", "A", "Ä", "ä", "De", "de-AT", "50%", "%", "_", "\\", "2026-02-31x", *_HOSTILE]
NAMES = ["country", "plan", "age", "born", "address", "address.city", "a'b", "$path", "@operand", "--"]
_NOW = datetime.now(UTC)
DAYS = [str((_NOW + timedelta(days=days)).date()) for days in (-400, -31, -30, -2, -1, 0, 1, 2, 30)]
_ALREADY = [*DAYS, *(f"{day}T23:30:00Z" for day in DAYS[2:6]), "2026-02-31", "2026-13-01 x"]

numbers = st.sampled_from([0, 1, -1, 18, 0.1, 0.30000000000000004, 1e20, 10**18, 3.0])
texts = st.sampled_from(TEXTS + _ALREADY)
scalars: st.SearchStrategy[Any] = texts | numbers | st.booleans()
json_values = st.recursive(
    scalars | st.none(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["city", "x"]), inner, max_size=2),
    max_leaves=4,
)
# Half a day off the whole days that conditions ask for: the test's clock is not the database's.
moments = st.integers(-3, 60).map(lambda days: _NOW - timedelta(days=days, hours=12))
some_text = st.sampled_from([text for text in TEXTS if text])
windows = st.none() | st.sampled_from([0, 1, 2, 30, 400])


@st.composite
def people(draw: st.DrawFn) -> Person:
    contact_id = uuid7()
    return Person(
        contact_id=contact_id,
        email=draw(st.sampled_from([f"{contact_id}@Example.com", f"A{contact_id}@other.example"])),
        phone=None,
        status=draw(st.sampled_from(STATUSES)),
        locale=draw(st.none() | st.sampled_from(["de", "de-AT", "en"])),
        time_zone=draw(st.none() | st.sampled_from(ZONES)),
        attributes=draw(st.dictionaries(st.sampled_from([n for n in NAMES if "." not in n]), json_values, max_size=5)),
        tags=draw(st.lists(st.sampled_from(["vip", "new", "a b"]), unique=True)),
        created_at=draw(moments),
        updated_at=draw(moments),
        lists=draw(st.dictionaries(st.sampled_from(LISTS), st.sampled_from(["PENDING", "CONFIRMED", "UNSUBSCRIBED"]))),
        events=draw(
            st.lists(
                st.builds(Happening, st.sampled_from(EVENTS), moments, st.sampled_from(CAMPAIGNS), st.booleans()),
                max_size=4,
            )
        ),
        mails=[
            Mail(status, campaign_id, draw(moments))
            for campaign_id in draw(st.lists(st.sampled_from(CAMPAIGNS), unique=True))
            for status in [draw(st.sampled_from(["SENT", "BOUNCED", "UNSUBSCRIBED", "SUPPRESSED"]))]
        ],
    )


def _comparison(operators: list[str], value: st.SearchStrategy[Any] | None) -> st.SearchStrategy[dict[str, Any]]:
    operator = st.sampled_from(operators)
    if value is None:
        return st.fixed_dictionaries({"operator": operator})
    return st.fixed_dictionaries({"operator": operator, "value": value})


def _listed(value: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return _comparison(["in", "not_in"], st.lists(value, min_size=1, max_size=4))


_PRESENCE = _comparison(["exists", "missing"], None)
_TEXTUAL = _comparison(["contains", "not_contains", "starts_with", "ends_with"], some_text)
_TIMES = _comparison(["before", "on", "after"], st.sampled_from(DAYS)) | _comparison(
    ["in_last_days", "in_next_days", "more_than_days_ago"], st.sampled_from([0, 1, 2, 30, 400])
)
_attributes = st.builds(
    lambda name, rest: {"type": "attribute", "name": name, **rest},
    st.sampled_from(NAMES),
    _comparison(["is", "is_not"], scalars)
    | _listed(scalars)
    | _TEXTUAL
    | _comparison(["less_than", "at_most", "more_than", "at_least"], numbers)
    | _TIMES
    | _PRESENCE,
)
_fields = st.builds(
    lambda name, rest: {"type": "field", "name": name, **rest},
    st.sampled_from(["email", "phone", "locale", "time_zone"]),
    _comparison(["is", "is_not"], texts) | _listed(st.sampled_from(["de", "DE-at", "UTC"])) | _TEXTUAL | _PRESENCE,
)
_statuses = st.builds(
    lambda rest: {"type": "field", "name": "status", **rest}, _listed(st.sampled_from([*STATUSES, "active"]))
)
_times = st.builds(
    lambda name, rest: {"type": "field", "name": name, **rest}, st.sampled_from(["created_at", "updated_at"]), _TIMES
)
_quantifiers = st.sampled_from(["any", "all", "none"])
_tags = st.fixed_dictionaries(
    {
        "type": st.just("tags"),
        "operator": _quantifiers,
        "values": st.lists(st.sampled_from(["vip", "new", "a b", "gone"]), min_size=1, max_size=3),
    }
)
_lists = st.fixed_dictionaries(
    {
        "type": st.just("lists"),
        "operator": _quantifiers,
        "list_ids": st.lists(st.sampled_from([str(key) for key in LISTS]), min_size=1, max_size=3),
    }
)
_events = st.fixed_dictionaries(
    {
        "type": st.just("event"),
        "event": st.sampled_from([*EVENTS, "received"]),
        "operator": st.sampled_from(["did", "never"]),
        "in_last_days": windows,
        "campaign_id": st.none() | st.sampled_from([str(key) for key in CAMPAIGNS]),
        "at_least": st.sampled_from([1, 2, 3, 11]),
    }
)


def _grown(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    several = st.lists(inner, min_size=1, max_size=4)
    return st.fixed_dictionaries(
        {"type": st.sampled_from(["all", "any"]), "conditions": several}
    ) | st.fixed_dictionaries({"type": st.just("not"), "condition": inner})


conditions = st.recursive(_attributes | _fields | _statuses | _times | _tags | _lists | _events, _grown, max_leaves=8)
definitions = st.fixed_dictionaries({"condition": conditions, "time_zone": st.sampled_from(ZONES)})
