"""Tasks over HTTP."""

from datetime import datetime
from uuid import UUID

import httpx
import pytest

from support.api import Api
from taskflow.base.ids import uuid7
from taskflow.base.pagination import encode_cursor


async def test_a_submitted_task_can_be_read_with_its_history(operator: httpx.AsyncClient) -> None:
    created = await operator.post(
        "/api/v1/tasks", json={"task_name": "unknown_here", "args": {"to": "Zoë"}, "priority": "HIGH"}
    )
    assert created.status_code == 201, created.text
    assert created.json()["status"] == "PENDING"
    task_id = created.json()["task_id"]
    found = (await operator.get(f"/api/v1/tasks/{task_id}")).json()
    assert found["task_kwargs"] == {"to": "Zoë"}
    assert (found["priority"], found["priority_name"]) == (8, "HIGH")
    assert found["executions"] == []
    assert found["result"] is None
    assert found["logs"] == []


async def submit(client: httpx.AsyncClient, **body: object) -> str:
    answer = await client.post("/api/v1/tasks", json={"task_name": "x", **body})
    assert answer.status_code == 201, answer.text
    return answer.json()["task_id"]


async def test_arguments_come_as_an_object_a_list_or_both_kinds(operator: httpx.AsyncClient) -> None:
    for body, args, kwargs in (
        ({"args": {"a": 1}}, None, {"a": 1}),
        ({"args": [1, "two"]}, [1, "two"], None),
        ({"args": [1], "kwargs": {"b": 2}}, [1], {"b": 2}),
        ({"kwargs": {"b": 2}}, None, {"b": 2}),
        ({}, None, None),
    ):
        found = (await operator.get(f"/api/v1/tasks/{await submit(operator, **body)}")).json()
        assert (found["task_args"], found["task_kwargs"]) == (args, kwargs)
    both = await operator.post("/api/v1/tasks", json={"task_name": "x", "args": {"a": 1}, "kwargs": {"b": 2}})
    assert both.status_code == 422


@pytest.mark.parametrize(
    ("given", "number"), [("CRITICAL", 10), ("HIGH", 8), ("MEDIUM", 5), ("LOW", 2), (1, 1), (10, 10)]
)
async def test_a_priority_is_a_name_or_a_number(operator: httpx.AsyncClient, given: object, number: int) -> None:
    found = (await operator.get(f"/api/v1/tasks/{await submit(operator, priority=given)}")).json()
    assert found["priority"] == number
    for wrong in ("highest", 0, 11, 5.5, True, "high"):
        assert (await operator.post("/api/v1/tasks", json={"task_name": "x", "priority": wrong})).status_code == 422


async def test_a_task_for_later_waits_as_scheduled(operator: httpx.AsyncClient) -> None:
    task_id = await submit(operator, scheduled_at="2099-01-01T00:00:00+02:00")
    found = (await operator.get(f"/api/v1/tasks/{task_id}")).json()
    assert (found["status"], found["due_at"]) == ("SCHEDULED", "2098-12-31T22:00:00Z")
    for wrong in ("2099-01-01T00:00:00", 0, "tomorrow"):
        assert (await operator.post("/api/v1/tasks", json={"task_name": "x", "scheduled_at": wrong})).status_code == 422


async def test_many_tasks_are_accepted_together_or_not_at_all(api: Api, operator: httpx.AsyncClient) -> None:
    tasks = [{"task_name": "x", "args": {"n": number}} for number in range(250)]
    ids = (await operator.post("/api/v1/tasks/bulk", json={"tasks": tasks})).json()["task_ids"]
    assert len(set(ids)) == 250
    first = (await operator.get(f"/api/v1/tasks/{ids[0]}")).json()
    assert first["task_kwargs"] == {"n": 0}
    refused = await operator.post("/api/v1/tasks/bulk", json={"tasks": [*tasks, {"task_name": ""}]})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "#/tasks/250/task_name"
    assert await api.database.pool.fetchval("SELECT count(*) FROM tasks") == 250


async def test_pages_together_give_every_task_once_newest_first(operator: httpx.AsyncClient) -> None:
    ids = [await submit(operator) for _ in range(7)]
    seen: list[str] = []
    cursor = None
    while True:
        query = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = (await operator.get("/api/v1/tasks", params=query)).json()
        seen += [item["task_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == list(reversed(ids))


async def test_lists_are_filtered_and_failures_come_by_when_they_failed(api: Api, operator: httpx.AsyncClient) -> None:
    first, second, third = [await submit(operator, queue=queue) for queue in ("a", "b", "b")]
    fail = (
        "UPDATE tasks SET status = $2, completed_at = now(), failed_at = now() - $3 * interval '1 hour' "
        "WHERE task_id = $1"
    )
    await api.database.pool.execute(fail, UUID(first), "FAILED", 0)
    await api.database.pool.execute(fail, UUID(third), "TIMEOUT", 1)

    async def listed(**query: object) -> list[str]:
        answer = await operator.get("/api/v1/tasks", params=query)
        assert answer.status_code == 200, answer.text
        return [item["task_id"] for item in answer.json()["items"]]

    assert await listed(status=["FAILED", "TIMEOUT"]) == [first, third]
    assert await listed(status="PENDING") == [second]
    assert await listed(status=["PENDING", "FAILED"]) == [second, first]
    assert await listed(queue="b") == [third, second]
    assert await listed(task_name="y") == []
    assert await listed(created_after="2099-01-01T00:00:00Z") == []
    assert await listed(created_before="2099-01-01T00:00:00Z") == [third, second, first]
    page = (await operator.get("/api/v1/tasks", params={"status": "FAILED,", "limit": 1})).status_code
    assert page == 422
    one = (await operator.get("/api/v1/tasks", params={"status": ["FAILED", "TIMEOUT"], "limit": 1})).json()
    rest = await listed(status=["FAILED", "TIMEOUT"], limit=1, cursor=one["next_cursor"])
    assert rest == [third]


async def test_cancel_and_retry_follow_the_state_machine(operator: httpx.AsyncClient) -> None:
    task_id = await submit(operator)
    assert (await operator.post(f"/api/v1/tasks/{task_id}/retry")).json()["code"] == "illegal_transition"
    assert (await operator.delete(f"/api/v1/tasks/{task_id}")).json()["status"] == "CANCELLED"
    assert (await operator.delete(f"/api/v1/tasks/{task_id}")).status_code == 409
    assert (await operator.post(f"/api/v1/tasks/{task_id}/retry")).json()["status"] == "PENDING"


async def test_all_tasks_that_match_are_cancelled_and_retried(api: Api, operator: httpx.AsyncClient) -> None:
    later = "2099-01-01T00:00:00Z"
    mine = [await submit(operator, queue="mine", scheduled_at=later) for _ in range(2)]
    bulk = {"tasks": [{"task_name": "x", "queue": "mine", "scheduled_at": later}] * 1_100}  # more than two slices
    mine += (await operator.post("/api/v1/tasks/bulk", json=bulk)).json()["task_ids"]
    await submit(operator, queue="other", scheduled_at=later)
    await api.database.pool.execute(
        "UPDATE tasks SET status = 'COMPLETED', due_at = NULL, completed_at = now() WHERE task_id = $1", UUID(mine[0])
    )

    async def count(**query: str) -> int:
        return await api.database.pool.fetchval(
            "SELECT count(*) FROM tasks WHERE queue = $1 AND status = $2", query["queue"], query["status"]
        )

    async def act(verb: str, **which: object) -> dict[str, int]:
        answer = await operator.post(f"/api/v1/tasks/{verb}", json=which)
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert await act("cancel", queue="mine", status=["COMPLETED"]) == {"cancelled": 0}
    assert await act("cancel", queue="mine", created_before="2001-01-01T00:00:00Z") == {"cancelled": 0}
    assert await act("cancel", queue="mine") == {"cancelled": 1_101}
    assert await count(queue="mine", status="CANCELLED") == 1_101
    assert await count(queue="other", status="SCHEDULED") == 1
    assert await act("retry", queue="mine", status=["FAILED"]) == {"retried": 0}
    assert await act("retry", queue="mine", status=["CANCELLED"]) == {"retried": 1_101}
    assert await count(queue="mine", status="PENDING") == 1_101
    entries = await api.database.pool.fetch("SELECT detail FROM audit_log WHERE action = 'task.cancel_many'")
    assert {"cancelled": 1_101, "queue": "mine"} in [entry["detail"] for entry in entries]
    assert (await operator.post("/api/v1/tasks/cancel", json={"status": ["NONSENSE"]})).status_code == 422
    assert (await operator.post("/api/v1/tasks/cancel", json={})).status_code == 422  # all of them, by accident
    assert (await operator.post("/api/v1/tasks/cancel", json={"all": True})).json() == {"cancelled": 1_102}


async def test_workers_are_listed_paused_and_resumed(api: Api, operator: httpx.AsyncClient) -> None:
    alive, dead = uuid7(), uuid7()
    insert = "INSERT INTO workers (worker_id, hostname, status) VALUES ($1, $2, $3)"
    await api.database.pool.execute(insert, alive, "one", "ACTIVE")
    await api.database.pool.execute(insert, dead, "two", "DEAD")
    listed = (await operator.get("/api/v1/workers")).json()["items"]
    assert {item["hostname"] for item in listed} == {"one", "two"}
    for verb, wanted in (("pause", "PAUSE"), ("resume", "RUN")):
        assert (await operator.post(f"/api/v1/workers/{alive}/{verb}")).status_code == 200
        assert await api.database.pool.fetchval("SELECT wanted FROM workers WHERE worker_id = $1", alive) == wanted
    assert (await operator.post(f"/api/v1/workers/{dead}/pause")).json()["code"] == "worker_gone"
    assert (await operator.post(f"/api/v1/workers/{uuid7()}/pause")).status_code == 404


BEYOND_TIME = ["0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"]
BEYOND_TIME += ["9999-12-31T23:59:59-14:00"]


@pytest.mark.parametrize("instant", BEYOND_TIME)
async def test_an_instant_that_utc_does_not_have_is_an_input_error(admin: httpx.AsyncClient, instant: str) -> None:
    """At the ends of time an offset leads out of it, and asyncpg says infinity."""
    asked = [
        await admin.post("/api/v1/tasks", json={"task_name": "x", "scheduled_at": instant}),
        await admin.post("/api/v1/tasks/bulk", json={"tasks": [{"task_name": "x", "scheduled_at": instant}]}),
        await admin.get("/api/v1/tasks", params={"created_after": instant}),
        await admin.get("/api/v1/tasks", params={"created_before": instant}),
        await admin.post("/api/v1/api-keys", json={"name": "k", "expires_at": instant}),
    ]
    assert [answer.status_code for answer in asked] == [422] * len(asked)


@pytest.mark.parametrize(
    "instant", ["0002-01-01T00:00:00+23:59", "9998-12-31T23:59:59-14:00", "2026-10-25T02:30:00+23:59"]
)
async def test_every_other_instant_is_kept(operator: httpx.AsyncClient, instant: str) -> None:
    made = await operator.post("/api/v1/tasks", json={"task_name": "x", "scheduled_at": instant})
    assert made.status_code == 201
    kept = (await operator.get(f"/api/v1/tasks/{made.json()['task_id']}")).json()["scheduled_at"]
    assert datetime.fromisoformat(kept) == datetime.fromisoformat(instant)


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01", 5])
async def test_a_cursor_at_no_moment_is_an_input_error(operator: httpx.AsyncClient, moment: object) -> None:
    given = {"status": "FAILED", "cursor": encode_cursor(moment, uuid7())}
    answer = await operator.get("/api/v1/tasks", params=given)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")
