"""Segments over HTTP: counted while they are edited, kept, changed, read; what is wrong with them is told."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from support.api import Api
from support.contacts import add_contact, add_event
from taskflow.identity.models import Role

URL = "/api/v1/segments"
ENGAGED = {
    "condition": {
        "type": "all",
        "conditions": [
            {"type": "event", "event": "opened", "in_last_days": 30},
            {"type": "attribute", "name": "country", "operator": "in", "value": ["Germany", "Austria"]},
            {"type": "not", "condition": {"type": "attribute", "name": "customer", "operator": "is", "value": True}},
        ],
    }
}


@pytest.fixture
async def marketer(api: Api) -> Any:
    async with await api.as_role(Role.MARKETER) as client:
        yield client


async def someone(api: Api, name: str, *, opened_days_ago: int | None, **attributes: Any) -> UUID:
    contact_id = await add_contact(api.database, f"{name}@example.com", attributes=attributes)
    if opened_days_ago is not None:
        await add_event(api.database, contact_id, "opened", ago=timedelta(days=opened_days_ago))
    return contact_id


async def test_who_opened_something_lately_in_germany_or_austria_and_is_no_customer(
    api: Api, marketer: httpx.AsyncClient
) -> None:
    await someone(api, "anna", opened_days_ago=3, country="Germany")
    await someone(api, "ben", opened_days_ago=29, country="austria", customer=False)
    await someone(api, "carl", opened_days_ago=3, country="Germany", customer=True)
    await someone(api, "dora", opened_days_ago=31, country="Germany")
    await someone(api, "emil", opened_days_ago=None, country="Austria")
    await someone(api, "fred", opened_days_ago=3, country="France")
    machine = await someone(api, "gina", opened_days_ago=None, country="Germany")
    await add_event(api.database, machine, "opened", is_machine=True)
    answer = await marketer.post(f"{URL}/count", json=ENGAGED)
    assert answer.json() == {"contacts": 2, "reachable": 2}
    made = (await marketer.post(URL, json={"name": "Engaged", "definition": ENGAGED})).json()
    found = (await marketer.get(f"{URL}/{made['segment_id']}/contacts")).json()
    assert [contact["email"] for contact in found["items"]] == ["anna@example.com", "ben@example.com"]
