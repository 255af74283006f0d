"""The sandbox inbox over HTTP: read, download, empty, and tell it where to fail."""

from uuid import uuid4

import httpx
import pytest

from support.api import Api
from taskflow.base.ids import uuid7
from taskflow.delivery.mime import Skeleton
from taskflow.delivery.sandbox.repository import InboxRepository, Received

RULES = [
    {"pattern": "bob@example.com", "action": "defer", "times": 2},
    {"pattern": "*@bounce.example", "action": "reject", "times": None},
]


@pytest.fixture
async def received(api: Api) -> list[Received]:
    skeleton = Skeleton(from_email="shop@example.org", from_name="Änne")
    rows = []
    for number in range(3):
        to, subject = f"user{number}@example.com", f"Grüße {number}"
        raw = skeleton.build(
            to=to, subject=subject, message_id="<a@b>", html="<p onclick='x()'>Hi", text="Hi", unsubscribe_url="https://x.org/u"
        )  # fmt: skip
        rows.append(Received(uuid7(), "shop@example.org", to, subject, "<a@b>", raw))
    await InboxRepository(api.database.pool).add(rows)
    return rows


async def test_the_list_is_searched_and_paged(viewer: httpx.AsyncClient, received: list[Received]) -> None:
    first = (await viewer.get("/api/v1/inbox", params={"limit": 2})).json()
    assert [mail["rcpt_to"] for mail in first["items"]] == ["user2@example.com", "user1@example.com"]
    assert set(first["items"][0]) == {"message_id", "received_at", "mail_from", "rcpt_to", "subject", "size"}
    second = (await viewer.get("/api/v1/inbox", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [mail["rcpt_to"] for mail in second["items"]] == ["user0@example.com"]
    assert second["next_cursor"] is None
    found = (await viewer.get("/api/v1/inbox", params={"q": "grüße 1"})).json()
    assert [mail["subject"] for mail in found["items"]] == ["Grüße 1"]


async def test_a_message_is_read_and_downloaded(viewer: httpx.AsyncClient, received: list[Received]) -> None:
    message_id = received[0].message_id
    mail = (await viewer.get(f"/api/v1/inbox/{message_id}")).json()
    assert (mail["subject"], mail["text"], mail["html"]) == ("Grüße 0", "Hi", "<p onclick='x()'>Hi")
    assert {"name": "From", "value": "Änne <shop@example.org>"} in mail["headers"]
    assert mail["raw_size"] == len(received[0].raw)
    raw = await viewer.get(f"/api/v1/inbox/{message_id}/raw")
    assert raw.content == received[0].raw
    assert raw.headers["content-type"] == "message/rfc822"
    assert raw.headers["content-disposition"] == f'attachment; filename="{message_id}.eml"'


@pytest.mark.parametrize("path", ["", "/raw"])
async def test_a_message_that_never_came_is_not_found(viewer: httpx.AsyncClient, path: str) -> None:
    answer = await viewer.get(f"/api/v1/inbox/{uuid4()}{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "mail_not_found")


async def test_the_inbox_is_emptied(marketer: httpx.AsyncClient, received: list[Received]) -> None:
    assert (await marketer.delete("/api/v1/inbox")).status_code == 204
    assert (await marketer.get("/api/v1/inbox")).json()["items"] == []


async def test_rules_are_replaced_as_a_whole(marketer: httpx.AsyncClient) -> None:
    answer = await marketer.put("/api/v1/inbox/rules", json=RULES)
    assert answer.status_code == 200, answer.text
    listed = (await marketer.get("/api/v1/inbox/rules")).json()
    assert sorted(listed, key=lambda rule: rule["action"]) == RULES
    assert (await marketer.put("/api/v1/inbox/rules", json=[])).json() == []


@pytest.mark.parametrize(
    "rule",
    [
        {"pattern": "nobody", "action": "defer", "times": None},
        {"pattern": "a@b@c", "action": "defer", "times": None},
        {"pattern": "a b@c", "action": "defer", "times": None},
        {"pattern": "*@*", "action": "defer", "times": None},
        {"pattern": "a@b\u0000", "action": "defer", "times": None},
        {"pattern": "a@b", "action": "explode", "times": None},
        {"pattern": "a@b", "action": "defer", "times": 0},
        {"pattern": "a@b", "action": "defer", "times": None, "hits": 7},
    ],
)
async def test_a_rule_that_makes_no_sense_is_refused(marketer: httpx.AsyncClient, rule: dict[str, object]) -> None:
    assert (await marketer.put("/api/v1/inbox/rules", json=[rule])).status_code == 422


async def test_a_pattern_comes_once(marketer: httpx.AsyncClient) -> None:
    answer = await marketer.put("/api/v1/inbox/rules", json=[RULES[0], RULES[0] | {"pattern": "BOB@example.com"}])
    assert (answer.status_code, answer.json()["code"]) == (422, "duplicate_rule")


async def test_a_viewer_changes_nothing(viewer: httpx.AsyncClient) -> None:
    assert (await viewer.delete("/api/v1/inbox")).status_code == 403
    assert (await viewer.put("/api/v1/inbox/rules", json=[])).status_code == 403
