"""Queues and limits over HTTP: seen, steered, changed; what is wrong is told, with a stable code."""

import httpx

from support import sample_tasks as tasks
from support.api import Api
from support.lives import publish_generation
from taskflow.broker.limits import Limit
from taskflow.engine import Engine, Request
from taskflow.engine.limits.publishing import publish_limits

URL = "/api/v1/queues"
LIMITS = "/api/v1/limits"


async def test_a_queue_is_there_once_it_is_used(api: Api, viewer: httpx.AsyncClient) -> None:
    engine = Engine(api.database, api.broker)
    assert (await viewer.get(f"{URL}/mail")).json()["code"] == "queue_not_found"
    low, high = [(await engine.submit(Request("x", queue="mail", priority=p))).task_id for p in (2, 8)]
    found = (await viewer.get(URL)).json()["items"]
    assert [(queue["name"], queue["state"], queue["waiting"], queue["running"]) for queue in found] == [
        ("mail", "active", 2, 0)
    ]
    assert found[0]["oldest_seconds"] >= 0
    assert (await viewer.get(f"{URL}/mail/peek")).json() == [str(high), str(low)]


async def test_a_paused_queue_hands_out_nothing_of_any_of_its_lines(api: Api, operator: httpx.AsyncClient) -> None:
    await publish_generation(api.broker, "test")
    engine = Engine(api.database, api.broker)
    assert (await operator.post(f"{URL}/default/pause")).json()["state"] == "paused"
    await engine.enqueue(tasks.noop)
    await engine.enqueue(tasks.serve, tenant="ada")
    claimed = await api.broker.dispatch.claim("c", limit=9, quota=9, lease=30)
    assert claimed.groups == ()
    assert (await operator.post(f"{URL}/default/resume")).json()["state"] == "active"
    claimed = await api.broker.dispatch.claim("c", limit=9, quota=9, lease=30)
    assert {key for key, _ in claimed.groups} == {"default", "default/task:serve/ada"}


async def test_a_draining_queue_takes_no_new_tasks_until_it_is_resumed(operator: httpx.AsyncClient) -> None:
    assert (await operator.post(f"{URL}/mail/drain")).json()["state"] == "drained"
    answer = await operator.post("/api/v1/tasks", json={"task_name": "x", "queue": "mail"})
    assert (answer.status_code, answer.json()["code"]) == (409, "queue_draining")
    assert (await operator.post(f"{URL}/mail/resume")).json()["state"] == "active"
    assert (await operator.post("/api/v1/tasks", json={"task_name": "x", "queue": "mail"})).status_code == 201
    assert (await operator.post(f"{URL}/mail/drain")).json()["state"] == "draining"


async def test_a_purge_cancels_what_has_not_started(api: Api, operator: httpx.AsyncClient) -> None:
    engine = Engine(api.database, api.broker)
    gone = [(await engine.submit(Request("x", queue="mail"))).task_id for _ in range(3)]
    kept = await engine.submit(Request("x", queue="other"))
    assert (await operator.post(f"{URL}/mail/purge")).json() == {"cancelled": 3}
    rows = await api.database.pool.fetch("SELECT task_id, status FROM tasks")
    assert {row["task_id"]: row["status"] for row in rows} == dict.fromkeys(gone, "CANCELLED") | {
        kept.task_id: "PENDING"
    }
    assert await api.broker.dispatch.sizes(["mail", "other"]) == [(0, 0), (1, 0)]


async def test_a_queue_grants_what_its_tasks_leave_open(api: Api, operator: httpx.AsyncClient) -> None:
    changed = (
        await operator.patch(
            f"{URL}/mail",
            json={"priority": "HIGH", "max_retries": 1, "timeout_seconds": 9, "concurrency": 3, "rate": "90/30s"},
        )
    ).json()
    assert (changed["priority"], changed["concurrency"], changed["rate"]) == (8, 3, "90/30s")
    assert await api.broker.dispatch.limits() == {"queue:mail": Limit(3, 180)}
    engine = Engine(api.database, api.broker)
    open_, said = [
        await engine.submit(Request("x", queue="mail", priority=priority, max_retries=retries))
        for priority, retries in ((None, None), (2, 0))
    ]
    rows = {row["task_id"]: row for row in await api.database.pool.fetch("SELECT * FROM tasks")}
    terms = [
        (row["priority"], row["max_retries"], row["timeout_seconds"])
        for row in (rows[open_.task_id], rows[said.task_id])
    ]
    assert terms == [(8, 1, 9), (2, 0, 9)]
    changed = (await operator.patch(f"{URL}/mail", json={"priority": None, "rate": None})).json()
    assert (changed["priority"], changed["concurrency"], changed["rate"]) == (None, 3, None)


async def test_what_is_wrong_is_told(operator: httpx.AsyncClient, viewer: httpx.AsyncClient) -> None:
    answer = await operator.patch(f"{URL}/mail", json={"rate": "often"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_rate")
    assert (await operator.patch(f"{URL}/mail", json={"concurrency": 0})).status_code == 422
    assert (await operator.post(f"{URL}/a%20b/pause")).status_code == 422
    assert (await viewer.post(f"{URL}/mail/pause")).status_code == 403
    answer = await operator.put(LIMITS, json={"task_name": "nobody", "key": "a", "concurrency": 3})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_limit")


async def test_an_operators_word_wins_and_can_be_taken_back(api: Api, operator: httpx.AsyncClient) -> None:
    await publish_limits(api.database, api.broker, [tasks.serve, tasks.alone, tasks.noop])
    found = {item["subject"]: item for item in (await operator.get(LIMITS)).json()["items"]}
    assert {subject: item["concurrency"] for subject, item in found.items()} == {"task:alone": 1, "task:serve/*": 2}
    answer = await operator.put(LIMITS, json={"task_name": "serve", "concurrency": 5})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["source"], answer.json()["key"], answer.json()["code_concurrency"]) == ("operator", "*", 2)
    one = (
        await operator.put(LIMITS, json={"task_name": "serve", "key": "ada & bob", "weight": 3, "rate": "1/s"})
    ).json()
    assert (one["key"], one["concurrency"], one["rate"], one["weight"]) == ("ada & bob", 5, "1/s", 3)
    await publish_limits(api.database, api.broker, [tasks.serve])
    assert await api.broker.dispatch.limits() == {
        "task:alone": Limit(1),
        "task:serve/*": Limit(5),
        "task:serve/ada%20%26%20bob": Limit(5, 60, 3),
    }
    for key in (None, "ada & bob"):
        assert (await operator.post(f"{LIMITS}/reset", json={"task_name": "serve", "key": key})).status_code == 204
    assert await api.broker.dispatch.limits() == {"task:alone": Limit(1), "task:serve/*": Limit(2)}
    answer = await operator.post(f"{LIMITS}/reset", json={"task_name": "serve"})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_limit")
