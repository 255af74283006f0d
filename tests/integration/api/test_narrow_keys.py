"""Keys of applications: they send messages and see their own; whatever else they ask for is refused."""

from collections.abc import AsyncIterator

import httpx
import pytest

from support.api import Api
from support.messages import PATH, call, send, text_call
from taskflow.api import routes
from taskflow.base.ids import uuid7

KEYS = "/api/v1/api-keys"
OPEN = {("POST", PATH), ("GET", PATH), ("GET", f"{PATH}/{{message_id}}"), ("POST", f"{PATH}/{{message_id}}/cancel")}


@pytest.fixture
async def shop(api: Api, admin: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    """An application with a key of an administrator, who may do everything, for mail from one domain."""
    wanted = {"name": "shop", "role": "admin", "scopes": ["messages:send"], "from_domains": ["Sender.example"]}
    made = await admin.post(KEYS, json=wanted)
    assert (made.status_code, made.json()["from_domains"]) == (201, ["sender.example"]), made.text
    async with api.client(made.json()["key"]) as client:
        yield client


async def test_it_comes_to_no_route_but_those_of_its_own_messages(shop: httpx.AsyncClient) -> None:
    for route in routes.walk():
        for method in route.methods - {"WEBSOCKET"}:
            if route.is_public or (method, route.path) in OPEN:
                continue
            answer = await shop.request(method, route.path.replace("{", "").replace("}", ""), json={})
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), f"{method} {route.path}"
    assert "sends messages and sees its own, nothing else" in (await shop.get("/api/v1/contacts")).json()["detail"]


async def test_it_finds_and_cancels_what_came_with_it_and_nothing_else(
    shop: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    own, other = [
        (await send(client, "ann@example.com", key="17"))["messages"][0]["message_id"] for client in (shop, admin)
    ]
    assert own != other, "its Idempotency-Keys are its own"
    for query in ({}, {"address": "ann@example.com"}, {"status": "PENDING"}):
        assert [one["message_id"] for one in (await shop.get(PATH, params=query)).json()["items"]] == [own]
    assert len((await admin.get(PATH)).json()["items"]) == 2
    assert (await shop.get(f"{PATH}/{own}")).json()["message_id"] == own
    assert (await shop.post(f"{PATH}/{own}/cancel")).json()["status"] == "CANCELLED"
    for unknown in (other, str(uuid7())):
        for answer in (await shop.get(f"{PATH}/{unknown}"), await shop.post(f"{PATH}/{unknown}/cancel")):
            assert (answer.status_code, answer.json()["code"]) == (404, "message_not_found")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (call(from_email="a@SENDER.example"), 201),
        (call(from_email="a@mail.sender.example"), 201),
        (call(from_email="a@notsender.example"), 403),
        (call(from_email="a@sender.example.evil.example"), 403),
        (text_call(), 403),
    ],
)
async def test_it_sends_as_its_domains_only(shop: httpx.AsyncClient, body: dict[str, object], status: int) -> None:
    answer = await shop.post(PATH, json=body)
    assert answer.status_code == status, answer.text
    assert status == 201 or answer.json()["code"] == "sender_not_allowed"


async def test_who_may_send_makes_one_and_its_role_is_enough(
    marketer: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    made = await marketer.post(KEYS, json={"name": "shop", "scopes": ["messages:send"]})
    assert (made.status_code, made.json()["role"]) == (201, "marketer"), made.text
    assert (await viewer.post(KEYS, json={"name": "shop", "scopes": ["messages:send"]})).status_code == 403
    for wrong in ({"role": "viewer", "scopes": ["messages:send"]}, {"from_domains": ["sender.example"]}):
        assert (await marketer.post(KEYS, json={"name": "shop"} | wrong)).status_code == 422
