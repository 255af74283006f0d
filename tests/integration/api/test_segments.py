"""Segments over HTTP: counted while they are edited, kept, changed, read; what is wrong with them is told."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from support.api import Api
from support.contacts import add_contact, add_event, add_list
from taskflow.base.ids import uuid7
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


async def test_a_segment_is_kept_changed_counted_and_deleted(
    api: Api, marketer: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    await someone(api, "anna", opened_days_ago=3, country="Germany")
    answer = await marketer.post(URL, json={"name": "Engaged", "description": "May letter", "definition": ENGAGED})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["name"], made["last_count"], made["definition"]["time_zone"]) == ("Engaged", None, "UTC")
    path = f"{URL}/{made['segment_id']}"
    assert (await viewer.post(f"{path}/count")).json() == {"contacts": 1, "reachable": 1}
    found = (await viewer.get(path)).json()
    assert (found["last_count"], found["counted_at"] is not None) == (1, True)
    kept = (await marketer.patch(path, json={"name": "Warm", "definition": ENGAGED})).json()
    assert (kept["name"], kept["last_count"]) == ("Warm", 1)
    other = {"condition": {"type": "tags", "values": ["VIP "]}, "time_zone": "Europe/Berlin"}
    changed = (await marketer.patch(path, json={"definition": other})).json()
    assert (changed["last_count"], changed["definition"]["condition"]["values"]) == (None, ["vip"])
    assert [item["name"] for item in (await viewer.get(URL, params={"search": "wAR"})).json()["items"]] == ["Warm"]
    taken = await marketer.post(URL, json={"name": "warm", "definition": other})
    assert (taken.status_code, taken.json()["code"]) == (409, "segment_name_taken")
    assert (await marketer.delete(path)).status_code == 204
    assert (await viewer.get(path)).json()["code"] == "segment_not_found"


async def test_contacts_of_a_segment_come_page_by_page(api: Api, marketer: httpx.AsyncClient) -> None:
    for number in range(5):
        await someone(api, f"p{number}", opened_days_ago=1, country="Germany")
    made = (await marketer.post(URL, json={"name": "Engaged", "definition": ENGAGED})).json()
    emails: list[str] = []
    cursor = None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await marketer.get(f"{URL}/{made['segment_id']}/contacts", params=query)).json()
        emails += [contact["email"] for contact in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert emails == [f"p{number}@example.com" for number in range(5)]


async def test_a_segment_that_a_waiting_campaign_names_stays(api: Api, marketer: httpx.AsyncClient) -> None:
    made = (await marketer.post(URL, json={"name": "Engaged", "definition": ENGAGED})).json()
    campaign = {
        "name": "May letter",
        "template_subject": "Hello",
        "template_body": "<p>Hello</p>",
        "from_email": "shop@example.com",
        "audience": {"segments": [made["segment_id"]]},
    }
    answer = await marketer.post("/api/v1/campaigns", json=campaign)
    assert answer.status_code == 201, answer.text
    assert answer.json()["audience"]["segments"] == [made["segment_id"]]
    refused = await marketer.delete(f"{URL}/{made['segment_id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "segment_in_use")
    assert "'May letter'" in refused.json()["detail"]
    await marketer.post(f"/api/v1/campaigns/{answer.json()['campaign_id']}/cancel")
    assert (await marketer.delete(f"{URL}/{made['segment_id']}")).status_code == 204
    both = campaign | {"recipients": [{"email": "a@example.com"}]}
    assert (await marketer.post("/api/v1/campaigns", json=both)).status_code == 422


async def test_what_is_wrong_with_conditions_is_said(api: Api, marketer: httpx.AsyncClient) -> None:
    await api.database.pool.execute(
        "INSERT INTO contact_fields (name, label, type, choices) VALUES ('age', 'Age', 'number', '{}'),"
        " ('plan', 'Plan', 'choice', '{free,pro}'), ('born', 'Born', 'date', '{}')"
    )

    async def refusal(condition: dict[str, Any]) -> tuple[str, str]:
        answer = await marketer.post(f"{URL}/count", json={"condition": condition})
        assert answer.status_code == 422, answer.text
        return answer.json()["code"], answer.json()["detail"]

    def attribute(name: str, operator: str, **value: Any) -> dict[str, Any]:
        return {"type": "attribute", "name": name, "operator": operator, **value}

    code, detail = await refusal(attribute("age", "contains", value="3"))
    assert (code, detail[:19]) == ("invalid_segment", "'age' is a number: ")
    assert (await refusal(attribute("age", "is", value="30")))[1] == "'age' is a number: it cannot be '30'."
    assert (await refusal(attribute("age", "is", value=True)))[1] == "'age' is a number: it cannot be True."
    assert (await refusal(attribute("plan", "in", value=["PRO", "gold"])))[1] == (
        "'plan' is one of free, pro: it cannot be 'gold'."
    )
    assert (await refusal(attribute("born", "less_than", value=3)))[0] == "invalid_segment"
    missing = uuid7()
    assert (await refusal({"type": "lists", "list_ids": [str(missing)]}))[1] == f"There is no list {missing}."
    known = {"type": "event", "event": "opened", "campaign_id": str(missing)}
    assert (await refusal(known))[1] == f"There is no campaign {missing}."
    for condition in (
        attribute("x", "before", value="tomorrow"),
        attribute("x", "before", value="2026-02-31"),
        attribute("x", "in", value="a"),
        attribute("x", "in", value=[]),
        attribute("x", "exists", value=1),
        attribute("x", "in_last_days", value=-1),
        attribute("x", "is"),
        {"type": "field", "name": "password", "operator": "exists"},
        {"type": "field", "name": "status", "operator": "is", "value": "HAPPY"},
        {"type": "field", "name": "created_at", "operator": "contains", "value": "2026"},
        {"type": "tags", "values": []},
        {"type": "sql", "text": "true"},
        {"type": "all", "conditions": []},
    ):
        assert (await refusal(condition))[0] == "invalid_input", condition


async def test_the_vocabulary_names_fields_with_the_operators_that_fit(api: Api, viewer: httpx.AsyncClient) -> None:
    await api.database.pool.execute(
        "INSERT INTO contact_fields (name, label, type, choices) VALUES ('plan', 'Plan', 'choice', '{free,pro}')"
    )
    found = (await viewer.get(f"{URL}/vocabulary")).json()
    fields = {field["name"]: field for field in found["fields"]}
    assert fields["plan"] == {
        "condition": "attribute",
        "name": "plan",
        "label": "Plan",
        "kind": "choice",
        "operators": ["is", "is_not", "in", "not_in", "exists", "missing"],
        "choices": ["free", "pro"],
    }
    assert "ACTIVE" in fields["status"]["choices"]
    assert "in_last_days" in fields["created_at"]["operators"]
    assert "opened" in found["events"]


async def test_an_audience_is_counted_before_anything_is_started(api: Api, marketer: httpx.AsyncClient) -> None:
    anna = await someone(api, "anna", opened_days_ago=None)
    newsletter = await add_list(api.database, "Newsletter", [anna, await someone(api, "ben", opened_days_ago=None)])
    await marketer.post("/api/v1/suppressions", json={"address": "ben@example.com"})
    answer = await marketer.post("/api/v1/audiences/count", json={"lists": [str(newsletter)]})
    assert answer.json() == {"matched": 2, "recipients": 1, "suppressed": 1, "unreachable": 0}
    unknown = await marketer.post("/api/v1/audiences/count", json={"segments": [str(uuid7())]})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_audience")
