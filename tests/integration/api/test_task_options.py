"""Tags, expiry, unique keys, versions and progress over HTTP."""

from typing import Any

import httpx
import pytest

from support import option_tasks
from support.api import Api
from taskflow.base.ids import uuid7
from taskflow.engine.store import ProgressLine, TaskStore

TASKS = "/api/v1/tasks"


async def submit(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await client.post(TASKS, json={"task_name": "x", **body})
    assert answer.status_code == 201, answer.text
    found = await client.get(f"{TASKS}/{answer.json()['task_id']}")
    return dict(found.json())


async def test_tasks_are_found_by_all_the_tags_that_are_asked_for(operator: httpx.AsyncClient) -> None:
    both = await submit(operator, tags=["red", "blue", "red"])
    red = await submit(operator, tags=["red"])
    await submit(operator)
    assert both["tags"] == ["blue", "red"]
    for tags, wanted in ((["red"], [red, both]), (["red", "blue"], [both]), (["green"], [])):
        page = (await operator.get(TASKS, params={"tag": tags})).json()
        assert [item["task_id"] for item in page["items"]] == [task["task_id"] for task in wanted]
    first = (await operator.get(TASKS, params={"tag": "red", "limit": 1})).json()
    second = (await operator.get(TASKS, params={"tag": "red", "limit": 1, "cursor": first["next_cursor"]})).json()
    assert second["items"][0]["task_id"] == both["task_id"]
    assert (await operator.get(TASKS, params={"tag": "red", "status": "COMPLETED"})).json()["items"] == []


async def test_tags_choose_what_is_cancelled_at_once(api: Api, operator: httpx.AsyncClient) -> None:
    for tags in (["red"], ["red", "blue"], []):
        await submit(operator, tags=tags)
    answer = await operator.post(f"{TASKS}/cancel", json={"tags": ["red"]})
    assert answer.json() == {"cancelled": 2}
    assert await api.database.pool.fetchval("SELECT count(*) FROM tasks WHERE status = 'PENDING'") == 1


@pytest.mark.parametrize(
    "body",
    [
        {"tags": [""]},
        {"tags": ["x" * 51]},
        {"tags": [str(number) for number in range(21)]},
        {"expires_in_seconds": 0},
        {"expires_in_seconds": 1, "expires_at": "2099-01-01T00:00:00Z"},
        {"expires_at": "2099-01-01T00:00:00Z", "scheduled_at": "2099-01-02T00:00:00Z"},
        {"version": 0},
        {"unique_key": ""},
        {"unique_key": "k", "on_conflict": "ignore"},
    ],
    ids=str,
)
async def test_an_option_that_cannot_be_is_refused(operator: httpx.AsyncClient, body: dict[str, Any]) -> None:
    assert (await operator.post(TASKS, json={"task_name": "x", **body})).status_code == 422


async def test_a_unique_key_is_answered_refused_or_taken_over(operator: httpx.AsyncClient) -> None:
    first = await submit(operator, unique_key="k")
    assert (await submit(operator, unique_key="k"))["task_id"] == first["task_id"]
    assert (await submit(operator, unique_key="k", task_name="y"))["task_id"] != first["task_id"]
    refused = await operator.post(TASKS, json={"task_name": "x", "unique_key": "k", "on_conflict": "raise"})
    assert (refused.status_code, refused.json()["code"]) == (409, "duplicate_task")
    assert refused.json()["task_id"] == first["task_id"]
    newest = await submit(operator, unique_key="k", on_conflict="replace")
    assert newest["task_id"] != first["task_id"]
    assert (await operator.get(f"{TASKS}/{first['task_id']}")).json()["status"] == "CANCELLED"


async def test_what_is_left_out_is_the_definitions(operator: httpx.AsyncClient) -> None:
    tagged = await submit(operator, task_name=option_tasks.tagged.name)
    assert tagged["tags"] == ["billing", "nightly"]
    assert tagged["expires_at"] is not None
    account = {"task_name": option_tasks.sync_account.name, "args": {"account": 7}}
    assert (await submit(operator, **account))["task_id"] == (await submit(operator, **account))["task_id"]
    assert (await submit(operator, task_name="renamed", args={"full_name": "Ada"}))["payload_version"] == 3
    old = await submit(operator, task_name="renamed", args={"name": "Ada"}, version=2)
    assert old["payload_version"] == 2
    wrong = await operator.post(TASKS, json={"task_name": "renamed", "args": {"name": "Ada"}})
    assert wrong.json()["code"] == "invalid_task_arguments"


async def test_progress_is_shown_with_its_task(api: Api, operator: httpx.AsyncClient) -> None:
    task = await submit(operator)
    assert task["progress"] is None
    store = TaskStore(api.database)
    [lease] = await store.claim(uuid7(), uuid7(), uuid7(), [task["task_id"]])
    await store.write_progress([ProgressLine(lease.task_id, 1, 37.5, 3, 8, "rendering")])
    shown = (await operator.get(f"{TASKS}/{task['task_id']}")).json()["progress"]
    assert shown.pop("updated_at")
    assert shown == {"percent": 37.5, "done": 3, "total": 8, "message": "rendering", "lease_epoch": 1}


async def test_a_schedule_hands_its_options_to_its_tasks(operator: httpx.AsyncClient) -> None:
    body = {"name": "s", "task_name": "renamed", "args": {"full_name": "Ada"}, "interval_seconds": 3600}
    made = await operator.post("/api/v1/schedules", json=body | {"tags": ["red"], "expires_in_seconds": 60})
    assert made.status_code == 201, made.text
    assert (made.json()["tags"], made.json()["expires_in_seconds"]) == (["red"], 60)
    ran = await operator.post(f"/api/v1/schedules/{made.json()['schedule_id']}/run")
    task = (await operator.get(f"{TASKS}/{ran.json()['task_id']}")).json()
    assert (task["tags"], task["payload_version"]) == (["red"], 3)
    assert task["expires_at"] is not None
