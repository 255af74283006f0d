"""Lists over HTTP: who is on them, how they got there, and that nobody brings back who has left."""

from typing import Any

import httpx
import pytest

from support.api import Api
from taskflow.base.ids import uuid7

CONTACTS, LISTS = "/api/v1/contacts", "/api/v1/lists"


async def make(client: httpx.AsyncClient, name: str = "News", **body: Any) -> dict[str, Any]:
    answer = await client.post(LISTS, json={"name": name, **body})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def people(client: httpx.AsyncClient, *names: str) -> list[str]:
    ids = []
    for name in names:
        answer = await client.post(CONTACTS, json={"email": f"{name}@example.com"})
        assert answer.status_code == 201, answer.text
        ids.append(answer.json()["contact_id"])
    return ids


async def put_on(client: httpx.AsyncClient, made: dict[str, Any], ids: list[str], **body: Any) -> dict[str, int]:
    answer = await client.post(f"{LISTS}/{made['list_id']}/contacts", json={"contact_ids": ids, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def steps(client: httpx.AsyncClient, contact_id: str) -> list[tuple[str, str]]:
    """Return a person's consents, oldest first, as (action, source)."""
    items = (await client.get(f"{CONTACTS}/{contact_id}/consents")).json()["items"]
    return [(item["action"], item["source"]) for item in reversed(items)]


async def test_a_list_is_made_changed_archived_and_deleted(
    marketer: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    made = await make(marketer, description="Once a week")
    assert (made["opt_in"], made["visibility"], made["confirmed"]) == ("single", "private", 0)
    path = f"{LISTS}/{made['list_id']}"
    changed = (await marketer.patch(path, json={"name": "Weekly", "description": None})).json()
    assert (changed["name"], changed["description"]) == ("Weekly", None)
    assert (await marketer.patch(path, json={"archived": True})).json()["archived_at"]
    assert (await viewer.get(LISTS, params={"archived": False})).json()["items"] == []
    [contact_id] = await people(marketer, "ada")
    answer = await marketer.post(f"{path}/contacts", json={"contact_ids": [contact_id]})
    assert (answer.status_code, answer.json()["code"]) == (409, "list_archived")
    await make(marketer, "weekly")  # the name of an archived list is free
    answer = await marketer.patch(path, json={"archived": False})
    assert (answer.status_code, answer.json()["code"]) == (409, "list_name_taken")
    assert (await marketer.delete(path)).status_code == 204
    assert (await viewer.get(path)).json()["code"] == "list_not_found"


@pytest.mark.parametrize("wanted", [{"opt_in": "double"}, {"visibility": "public"}])
async def test_a_list_that_asks_people_has_a_sender(marketer: httpx.AsyncClient, wanted: dict[str, str]) -> None:
    answer = await marketer.post(LISTS, json={"name": "News", **wanted})
    assert (answer.status_code, answer.json()["code"]) == (422, "sender_required")
    for sender, code in (("nobody", "invalid_contact"), ("a@example.com\nBcc: b@example.com", "invalid_contact")):
        answer = await marketer.post(LISTS, json={"name": "News", "confirm_from": sender, **wanted})
        assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    made = await make(marketer, confirm_from="News@Shop.Example", **wanted)
    assert made["confirm_from"] == "News@shop.example"
    answer = await marketer.patch(f"{LISTS}/{made['list_id']}", json={"confirm_from": None})
    assert (answer.status_code, answer.json()["code"]) == (422, "sender_required")


async def test_people_are_added_counted_listed_and_removed(
    marketer: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    made = await make(marketer)
    ids = await people(marketer, "ada", "grace", "alan")
    assert await put_on(marketer, made, ids[:2]) == {"confirmed": 2, "pending": 0, "unchanged": 0}
    assert await put_on(marketer, made, [*ids, str(uuid7())]) == {"confirmed": 1, "pending": 0, "unchanged": 3}
    path = f"{LISTS}/{made['list_id']}"
    assert (await viewer.get(path)).json()["confirmed"] == 3
    first = (await viewer.get(f"{path}/contacts", params={"limit": 2})).json()
    rest = (await viewer.get(f"{path}/contacts", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [item["contact_id"] for item in first["items"] + rest["items"]] == ids[::-1]
    assert first["items"][0]["subscription_status"] == "CONFIRMED"
    found = (await viewer.get(CONTACTS, params={"list_id": made["list_id"], "list_status": "CONFIRMED"})).json()
    assert [item["contact_id"] for item in found["items"]] == ids[::-1]
    assert (await marketer.delete(f"{path}/contacts/{ids[0]}")).status_code == 204
    assert (await marketer.delete(f"{path}/contacts/{ids[0]}")).status_code == 204
    assert (await viewer.get(path)).json()["confirmed"] == 2
    assert await steps(viewer, ids[0]) == [("granted", "api"), ("withdrawn", "api")]


async def test_a_contact_is_made_with_its_lists_or_not_at_all(api: Api, marketer: httpx.AsyncClient) -> None:
    news = await make(marketer)
    shop = await make(marketer, "Shop", opt_in="double", confirm_from="news@shop.example")
    lists = [news["list_id"], shop["list_id"]]
    body = {"email": "ada@example.com", "lists": [*lists, str(uuid7())]}
    answer = await marketer.post(CONTACTS, json=body)
    assert (answer.status_code, answer.json()["code"]) == (404, "list_not_found")
    assert (await marketer.get(CONTACTS)).json()["items"] == []
    key = {"Idempotency-Key": "same"}
    for _ in range(2):  # the second is a repetition of one whose process died
        answer = await marketer.post(CONTACTS, json=body | {"lists": lists}, headers=key)
        assert answer.status_code == 201, answer.text
        await api.database.pool.execute(
            "UPDATE idempotency_keys SET response_status = NULL, response_body = NULL, locked_until = now()"
        )
    items = (await marketer.get(f"{CONTACTS}/{answer.json()['contact_id']}/subscriptions")).json()["items"]
    assert [(item["name"], item["status"]) for item in items] == [("News", "CONFIRMED"), ("Shop", "PENDING")]
    assert await api.database.pool.fetchval("SELECT count(*) FROM tasks") == 1


async def test_who_said_no_is_not_put_back(marketer: httpx.AsyncClient) -> None:
    made = await make(marketer)
    [ada] = await people(marketer, "ada")
    await put_on(marketer, made, [ada])
    answer = await marketer.post(
        f"{CONTACTS}/{ada}/consents", json={"action": "withdrawn", "list_id": made["list_id"], "source": "phone"}
    )
    assert answer.status_code == 201, answer.text
    assert (answer.json()["list_name"], answer.json()["actor"]) == ("News", "marketer@example.com")
    assert await put_on(marketer, made, [ada]) == {"confirmed": 0, "pending": 0, "unchanged": 1}
    path = f"{LISTS}/{made['list_id']}"
    await marketer.delete(f"{path}/contacts/{ada}")  # nor by taking them off first
    assert await put_on(marketer, made, [ada]) == {"confirmed": 0, "pending": 0, "unchanged": 1}
    [subscription] = (await marketer.get(f"{CONTACTS}/{ada}/subscriptions")).json()["items"]
    assert (subscription["status"], subscription["name"]) == ("UNSUBSCRIBED", "News")
    assert await steps(marketer, ada) == [("granted", "api"), ("withdrawn", "phone")]


async def test_a_wish_is_heeded_also_of_an_archived_list(marketer: httpx.AsyncClient) -> None:
    made = await make(marketer)
    [ada] = await people(marketer, "ada")
    await put_on(marketer, made, [ada])
    await marketer.patch(f"{LISTS}/{made['list_id']}", json={"archived": True})
    body = {"action": "withdrawn", "list_id": made["list_id"]}
    assert (await marketer.post(f"{CONTACTS}/{ada}/consents", json=body)).status_code == 201
    [subscription] = (await marketer.get(f"{CONTACTS}/{ada}/subscriptions")).json()["items"]
    assert subscription["status"] == "UNSUBSCRIBED"


async def test_who_takes_everything_back_is_no_longer_written_to(marketer: httpx.AsyncClient) -> None:
    [ada] = await people(marketer, "ada")
    body = {"action": "granted", "wording": "I want mail", "source": "paper"}
    key = {"Idempotency-Key": "same"}
    first, second = [await marketer.post(f"{CONTACTS}/{ada}/consents", json=body, headers=key) for _ in range(2)]
    assert first.json() == second.json()
    assert first.json()["wording"] == "I want mail"
    assert first.json()["address"] == "127.0.0.1"
    await marketer.post(f"{CONTACTS}/{ada}/consents", json={"action": "withdrawn"})
    assert (await marketer.get(f"{CONTACTS}/{ada}")).json()["status"] == "UNSUBSCRIBED"
    assert await steps(marketer, ada) == [("granted", "paper"), ("withdrawn", "api")]


async def test_a_double_opt_in_asks_in_the_same_transaction_and_not_twice(
    api: Api, marketer: httpx.AsyncClient
) -> None:
    made = await make(marketer, opt_in="double", confirm_from="news@shop.example")
    ids = await people(marketer, "ada", "grace")
    assert await put_on(marketer, made, ids) == {"confirmed": 0, "pending": 2, "unchanged": 0}
    assert await put_on(marketer, made, ids) == {"confirmed": 0, "pending": 0, "unchanged": 2}
    tasks = await api.database.pool.fetch("SELECT task_name, task_args, task_kwargs FROM tasks")
    assert [task["task_name"] for task in tasks] == ["send_confirmation"] * 2
    assert "example.com" not in str([dict(task) for task in tasks])
    assert await steps(marketer, ids[0]) == [("requested", "api")]


async def test_people_who_agreed_already_are_not_asked_when_it_is_said_to_what(marketer: httpx.AsyncClient) -> None:
    made = await make(marketer, opt_in="double", confirm_from="news@shop.example")
    [ada] = await people(marketer, "ada")
    body = {"contact_ids": [ada], "confirmed": True}
    answer = await marketer.post(f"{LISTS}/{made['list_id']}/contacts", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "wording_required")
    assert (await put_on(marketer, made, [ada], confirmed=True, wording="I want it"))["confirmed"] == 1
    [consent] = (await marketer.get(f"{CONTACTS}/{ada}/consents")).json()["items"]
    assert (consent["action"], consent["wording"], consent["actor"]) == ("granted", "I want it", "marketer@example.com")


async def test_a_confirmation_is_asked_for_a_few_times_a_day_at_most(marketer: httpx.AsyncClient) -> None:
    made = await make(marketer, opt_in="double", confirm_from="news@shop.example")
    [ada] = await people(marketer, "ada")
    path = f"{CONTACTS}/{ada}/subscriptions/{made['list_id']}/resend"
    answer = await marketer.post(path)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_pending")
    await put_on(marketer, made, [ada])
    answers = [await marketer.post(path) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert answers[2].json()["code"] == "confirmation_limit"
    assert await steps(marketer, ada) == [("requested", "api")] * 3
