"""Webhooks over HTTP: made with a secret that is shown once, read, changed, tested, and for administrators alone."""

from ipaddress import ip_network
from typing import Any

import httpx
import pytest

from support.api import Api
from taskflow.base.ids import uuid7

URL = "/api/v1/webhooks"
NEW = {"url": "http://127.0.0.1:9/in", "events": ["task.failed"], "task_names": ["mail"]}


@pytest.fixture(autouse=True)
def _loopback_is_allowed(api: Api) -> None:
    api.settings.webhook.allow_networks = [ip_network("127.0.0.0/8")]


async def made(admin: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    answer = await admin.post(URL, json=NEW | changes)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_the_secret_is_shown_once(api: Api, admin: httpx.AsyncClient) -> None:
    new = await made(admin)
    assert new["secret"].startswith("whsec_")
    path = f"{URL}/{new['webhook_id']}"
    for answer in (await admin.get(path), await admin.get(URL), await admin.patch(path, json={"description": "x"})):
        assert answer.status_code == 200
        assert "secret" not in answer.json()
        assert new["secret"] not in answer.text
    rows = await api.database.pool.fetch("SELECT webhooks::text FROM webhooks")
    assert new["secret"].removeprefix("whsec_") not in str(rows)
    rotated = (await admin.post(f"{path}/rotate")).json()
    assert rotated["secret"] != new["secret"]
    assert rotated["previous_secret_until"] is not None


async def test_a_webhook_is_changed_disabled_enabled_and_deleted(admin: httpx.AsyncClient) -> None:
    path = f"{URL}/{(await made(admin))['webhook_id']}"
    changed = (await admin.patch(path, json={"events": [], "queues": ["slow"]})).json()
    assert (changed["events"], changed["queues"], changed["task_names"]) == ([], ["slow"], ["mail"])
    assert (await admin.patch(path, json={"enabled": False})).json()["disabled_reason"] == "Disabled by hand."
    answer = await admin.post(f"{path}/test")
    assert (answer.status_code, answer.json()["code"]) == (409, "webhook_disabled")
    assert (await admin.patch(path, json={"enabled": True})).json()["disabled_at"] is None
    assert (await admin.delete(path)).status_code == 204
    answer = await admin.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "webhook_not_found")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"url": "http://10.0.0.1/"}, "invalid_webhook_url"),
        ({"url": "https://user:pass@example.com/"}, "invalid_webhook_url"),
        ({"url": ""}, "invalid_input"),
        ({"events": ["task.started"]}, "invalid_input"),
        ({"queues": ["a b"]}, "invalid_input"),
        ({"what": 1}, "invalid_input"),
    ],
)
async def test_what_is_wrong_is_told(admin: httpx.AsyncClient, change: dict[str, Any], code: str) -> None:
    answer = await admin.post(URL, json=NEW | change)
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert (await admin.get(URL)).json()["items"] == []


async def test_a_test_message_is_a_delivery_with_a_task(admin: httpx.AsyncClient) -> None:
    path = f"{URL}/{(await made(admin))['webhook_id']}"
    sent = (await admin.post(f"{path}/test")).json()
    assert (sent["event"], sent["attempts"], sent["task_status"]) == ("webhook.test", 0, "PENDING")
    [listed] = (await admin.get(f"{path}/deliveries", params={"delivered": False})).json()["items"]
    assert listed == sent
    assert (await admin.get(f"{path}/deliveries", params={"delivered": True})).json()["items"] == []
    answer = await admin.post(f"{path}/deliveries/{sent['delivery_id']}/replay")
    assert (answer.status_code, answer.json()["code"]) == (409, "delivery_under_way")
    answer = await admin.post(f"{path}/deliveries/{uuid7()}/replay")
    assert (answer.status_code, answer.json()["code"]) == (404, "delivery_not_found")


async def test_an_operator_sees_no_webhooks(operator: httpx.AsyncClient) -> None:
    assert (await operator.get(URL)).status_code == 403


async def test_every_change_leaves_its_audit_row_without_the_secret(admin: httpx.AsyncClient) -> None:
    new = await made(admin)
    path = f"{URL}/{new['webhook_id']}"
    for verb in ("test", "rotate"):
        await admin.post(f"{path}/{verb}")
    await admin.patch(path, json={"enabled": False})
    await admin.delete(path)
    rows = (await admin.get("/api/v1/audit-log", params={"target_id": new["webhook_id"]})).json()["items"]
    assert [row["action"].partition(".")[2] for row in rows] == ["delete", "update", "rotate", "test", "create"]
    assert new["secret"] not in str(rows)
