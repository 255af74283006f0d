"""Filters of contacts: the statement is one of a finite set, whatever a caller writes; tasks carry them unharmed."""

import json
import re
from dataclasses import fields
from datetime import UTC
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from taskflow.audience.consent.models import SubscriptionStatus
from taskflow.audience.contacts.filters import ContactFilter
from taskflow.audience.contacts.models import ContactStatus

TEXT = st.none() | st.text(max_size=30)
FILTERS = st.builds(
    ContactFilter,
    search=TEXT,
    email=TEXT,
    phone=TEXT,
    status=st.none() | st.sampled_from(ContactStatus),
    tags=st.none() | st.lists(st.text(max_size=10), min_size=1, max_size=3).map(tuple),
    list_id=st.none() | st.uuids(),
    list_status=st.none() | st.sampled_from(SubscriptionStatus),
    created_after=st.none() | st.datetimes(timezones=st.just(UTC)),
    created_before=st.none() | st.datetimes(timezones=st.just(UTC)),
)
PLAIN: dict[str, Any] = {"search": "a", "email": "a", "phone": "a", "tags": ("a",)}


@given(FILTERS)
def test_the_statement_depends_on_which_filters_are_given_and_never_on_their_values(wanted: ContactFilter) -> None:
    given_names = [field.name for field in fields(wanted) if getattr(wanted, field.name) is not None]
    plain = ContactFilter(**{name: PLAIN.get(name, getattr(wanted, name)) for name in given_names})
    where, binds = wanted.where()
    assert where == plain.where()[0]
    assert sorted({int(number) for number in re.findall(r"\$(\d+)", where)}) == list(range(1, len(binds) + 1))


@given(FILTERS)
def test_a_filter_comes_back_from_the_arguments_of_a_task(wanted: ContactFilter) -> None:
    assert ContactFilter.from_json(json.loads(json.dumps(wanted.to_json()))) == wanted


@given(FILTERS)
def test_a_normalised_filter_stays_as_it_is(wanted: ContactFilter) -> None:
    once = wanted.normalised()
    assert once.normalised() == once
    assert once.is_empty == wanted.is_empty
