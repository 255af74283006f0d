"""Fields, tags, bulk actions and exports of contacts."""

import csv
import io
from typing import Any
from uuid import UUID

import httpx
import pytest

from support.api import Api
from taskflow.audience.consent.service import ConsentService
from taskflow.audience.contacts.bulk import BulkService, Change
from taskflow.audience.contacts.filters import ContactFilter
from taskflow.audience.exports import restore
from taskflow.base.ids import uuid7

CONTACTS, FIELDS, LISTS = "/api/v1/contacts", "/api/v1/contact-fields", "/api/v1/lists"
FORMULAS = ["=1+1", "@SUM(A1)", "+1", "-1", "\t=1", "'=1", ' "=1', "a;=1", "=cmd|' /C calc'!A0", "\uff1d1"]


async def people(client: httpx.AsyncClient, count: int, **body: Any) -> list[str]:
    ids = []
    for number in range(count):
        answer = await client.post(CONTACTS, json={"email": f"p{number}@example.com", **body})
        assert answer.status_code == 201, answer.text
        ids.append(answer.json()["contact_id"])
    return ids


async def bulk(client: httpx.AsyncClient, action: str, **body: Any) -> httpx.Response:
    return await client.post(f"{CONTACTS}/bulk", json={"action": action, **body})


async def work(api: Api) -> list[dict[str, int]]:
    """Do what the bulk tasks ask for, as a worker does."""
    consents = ConsentService(api.database, api.broker, api.settings.audience)
    service = BulkService(api.database, consents)
    done = []
    for row in await api.database.pool.fetch("DELETE FROM tasks WHERE task_name = 'change_contacts' RETURNING *"):
        wanted, change = row["task_kwargs"]["wanted"], Change.from_json(row["task_kwargs"]["change"])
        ids = await service.batch(ContactFilter.from_json(wanted), None, UUID(row["task_kwargs"]["until"]))
        done.append({"matched": len(ids), "changed": await service.apply(change, ids)})
    return done


async def test_a_field_types_what_is_written_after_it(marketer: httpx.AsyncClient, viewer: httpx.AsyncClient) -> None:
    await people(marketer, 1, attributes={"plan": 7, "age": "many"})
    made = await marketer.post(
        FIELDS, json={"name": "plan", "label": "Plan", "type": "choice", "choices": ["Basic", "Pro"]}
    )
    assert (made.status_code, made.json()["choices"]) == (201, ["Basic", "Pro"])
    await marketer.post(FIELDS, json={"name": "age", "type": "number"})
    assert [item["name"] for item in (await viewer.get(FIELDS)).json()["items"]] == ["age", "plan"]
    body = {"email": "ada@example.com", "attributes": {"plan": "pro", "age": "36"}}
    assert (await marketer.post(CONTACTS, json=body)).json()["attributes"] == {"plan": "Pro", "age": 36}
    answer = await marketer.post(CONTACTS, json={"email": "eve@example.com", "attributes": {"plan": "Gold"}})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_contact")
    assert "Basic, Pro" in answer.json()["detail"]
    assert (await marketer.patch(f"{FIELDS}/plan", json={"choices": ["Basic", "Pro", "Gold"]})).status_code == 200
    assert (await marketer.delete(f"{FIELDS}/plan")).status_code == 204
    assert (await marketer.delete(f"{FIELDS}/plan")).json()["code"] == "field_not_found"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": "email", "type": "text"}, "invalid_field"),
        ({"name": "attributes", "type": "text"}, "invalid_field"),
        ({"name": "plan", "type": "choice"}, "invalid_field"),
        ({"name": "plan", "type": "text", "choices": ["a"]}, "invalid_field"),
        ({"name": "plan", "type": "choice", "choices": ["a", "A"]}, "invalid_field"),
        ({"name": "Plan", "type": "text"}, "invalid_input"),
        ({"name": "a'; DROP TABLE subscribers; --", "type": "text"}, "invalid_input"),
        ({"name": "plan", "type": "uuid"}, "invalid_input"),
    ],
)
async def test_a_field_that_cannot_be_is_refused(marketer: httpx.AsyncClient, body: dict[str, Any], code: str) -> None:
    answer = await marketer.post(FIELDS, json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text


async def test_named_contacts_are_changed_at_once(marketer: httpx.AsyncClient) -> None:
    ids = await people(marketer, 3, tags=["old"])
    answer = await bulk(marketer, "add_tags", ids=[*ids[:2], str(uuid7())], tags=["VIP", "old"])
    assert (answer.status_code, answer.json()) == (200, {"changed": 2, "task_id": None})
    tags = (await marketer.get("/api/v1/tags")).json()["items"]
    assert tags == [{"tag": "old", "contacts": 3}, {"tag": "vip", "contacts": 2}]
    first = (await marketer.get("/api/v1/tags", params={"limit": 1})).json()
    assert [item["tag"] for item in first["items"]] == ["old"]
    assert (await bulk(marketer, "remove_tags", ids=ids, tags=["vip"])).json()["changed"] == 2
    assert (await bulk(marketer, "set_status", ids=ids, status="DISABLED")).json()["changed"] == 3
    assert (await bulk(marketer, "set_status", ids=ids, status="DISABLED")).json()["changed"] == 0
    assert (await bulk(marketer, "delete", ids=ids[:1])).json()["changed"] == 1
    assert [item["contact_id"] for item in (await marketer.get(CONTACTS)).json()["items"]] == ids[:0:-1]


async def test_a_filter_is_worked_off_by_a_task_which_leaves_later_contacts_alone(
    api: Api, marketer: httpx.AsyncClient
) -> None:
    ids = await people(marketer, 3)
    made = (await marketer.post(LISTS, json={"name": "News"})).json()
    key = {"Idempotency-Key": "same"}
    body = {"action": "add_to_list", "filter": {"search": "p", "status": "ACTIVE"}, "list_id": made["list_id"]}
    first, second = [await marketer.post(f"{CONTACTS}/bulk", json=body, headers=key) for _ in range(2)]
    assert (first.status_code, second.json()) == (202, first.json())
    await marketer.post(CONTACTS, json={"email": "p-later@example.com"})
    assert await work(api) == [{"matched": 3, "changed": 3}]
    assert (await marketer.get(f"{LISTS}/{made['list_id']}")).json()["confirmed"] == 3
    [consent] = (await marketer.get(f"{CONTACTS}/{ids[0]}/consents")).json()["items"]
    assert (consent["actor"], consent["address"]) == ("marketer@example.com", "127.0.0.1")
    await bulk(marketer, "remove_from_list", filter={"list_id": made["list_id"]}, list_id=made["list_id"])
    await bulk(marketer, "delete", everybody=True)
    assert [done["changed"] for done in await work(api)] == [3, 4]
    assert (await marketer.get(CONTACTS)).json()["items"] == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"action": "delete"}, "invalid_input"),
        ({"action": "delete", "filter": {}}, "invalid_input"),
        ({"action": "delete", "filter": {"status": None}}, "invalid_input"),
        ({"action": "delete", "ids": [], "everybody": False}, "invalid_input"),
        ({"action": "delete", "ids": [str(UUID(int=1))], "everybody": True}, "invalid_input"),
        ({"action": "add_tags", "everybody": True}, "invalid_bulk_action"),
        ({"action": "add_tags", "everybody": True, "tags": ["a,b"]}, "invalid_contact"),
        ({"action": "set_status", "everybody": True}, "invalid_bulk_action"),
        ({"action": "add_to_list", "everybody": True}, "invalid_bulk_action"),
        ({"action": "add_to_list", "everybody": True, "list_id": str(UUID(int=1))}, "list_not_found"),
        ({"action": "drop", "everybody": True}, "invalid_input"),
    ],
)
async def test_a_bulk_action_says_whom_and_what(
    api: Api, marketer: httpx.AsyncClient, body: dict[str, Any], code: str
) -> None:
    answer = await marketer.post(f"{CONTACTS}/bulk", json=body)
    assert answer.status_code in (404, 422)
    assert answer.json()["code"] == code, answer.text
    assert await api.database.pool.fetchval("SELECT count(*) FROM tasks") == 0


async def test_an_export_holds_everything_and_no_formula(api: Api, marketer: httpx.AsyncClient) -> None:
    await marketer.post(FIELDS, json={"name": "company", "type": "text"})
    made = (await marketer.post(LISTS, json={"name": "=News"})).json()
    ids = []
    for number, formula in enumerate(FORMULAS):
        body = {
            "email": f"=p{number}@example.com",
            "phone": f"+4917112345{number:02}",
            "attributes": {"company": formula, "=odd"[1:]: formula, "orders": [1]},
            "tags": ["b", "@a"],
        }
        answer = await marketer.post(CONTACTS, json=body)
        assert answer.status_code == 201, answer.text
        ids.append(answer.json()["contact_id"])
    await marketer.post(f"{LISTS}/{made['list_id']}/contacts", json={"contact_ids": ids})
    answer = await marketer.get(f"{CONTACTS}/export.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="contacts.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert [row["contact_id"] for row in rows] == ids
    for row, formula in zip(rows, FORMULAS, strict=True):
        assert all(
            not cell.lstrip(" '\"").startswith(("=", "+", "-", "@")) or cell.startswith("'") for cell in row.values()
        )
        assert restore(row["company"]) == formula
        assert restore(row["email"]).startswith("=p")
        assert restore(row["phone"]).startswith("+49171")
        assert (restore(row["tags"]), restore(row["lists"])) == ("@a,b", "=News")
        assert row["attributes"].startswith('{"odd":')
    assert (await marketer.get(f"{CONTACTS}/export.csv", params={"status": "BOUNCED"})).text.count("\n") == 1
    audited = await api.database.pool.fetch("SELECT actor FROM audit_log WHERE action = 'contact.export'")
    assert [row["actor"] for row in audited] == ["marketer@example.com"] * 2


async def test_viewers_export_nobody(viewer: httpx.AsyncClient) -> None:
    assert (await viewer.get(f"{CONTACTS}/export.csv")).status_code == 403
