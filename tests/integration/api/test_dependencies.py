"""Dependencies over HTTP."""

from typing import Any

import httpx
import pytest

from support import sample_tasks as tasks
from support.api import Api
from support.graphs import FakeWorker, fails, returns
from taskflow.base.ids import uuid7
from taskflow.engine import After, Graph
from taskflow.engine.dependencies.order import CyclicDependencyError
from taskflow.engine.remote import TaskFlow

GRAPH: dict[str, Any] = {
    "tasks": [
        {"name": "report", "task_name": "collect", "results": {"numbers": ["a", "b"]}, "after": ["both"]},
        {"name": "a", "task_name": "add", "args": {"left": 1, "right": 2}},
        {"name": "b", "task_name": "add", "args": [3], "results": {"right": "a"}},
        {"name": "alarm", "task_name": "x", "after": [{"parent": "both", "on_failure": "run", "on_success": "skip"}]},
    ],
    "groups": [{"name": "both", "members": ["a", "b"]}],
}


async def post(client: httpx.AsyncClient, path: str, body: Any = None) -> Any:
    answer = await client.post(f"/api/v1{path}", json=body) if body is not None else await client.post(f"/api/v1{path}")
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


async def test_a_graph_is_submitted_and_read(operator: httpx.AsyncClient, api: Api) -> None:
    ids = (await post(operator, "/tasks/graph", GRAPH))["task_ids"]
    assert list(ids) == ["a", "b", "both", "report", "alarm"]
    assert list(ids.values()) == sorted(ids.values())  # parents are older than their children
    found = (await operator.get(f"/api/v1/tasks/{ids['b']}/graph")).json()
    assert [(node["task_name"], node["status"], node["is_group"]) for node in found["nodes"]] == [
        ("add", "PENDING", False),
        ("add", "BLOCKED", False),
        ("taskflow.group", "BLOCKED", True),
        ("collect", "BLOCKED", False),
        ("x", "BLOCKED", False),
    ]
    names = {task_id: name for name, task_id in ids.items()}
    arrows = {(names[edge["parent_id"]], names[edge["child_id"]]): edge for edge in found["edges"]}
    assert sorted(arrows) == [
        ("a", "b"), ("a", "both"), ("a", "report"), ("b", "both"), ("b", "report"), ("both", "alarm"),
        ("both", "report"),
    ]  # fmt: skip
    assert arrows["a", "b"]["arguments"] == [["right", None]]
    assert arrows["b", "report"]["arguments"] == [["numbers", 1]]
    assert arrows["both", "alarm"]["on_success"] == "skip"
    task = (await operator.get(f"/api/v1/tasks/{ids['report']}")).json()
    assert (task["status"], task["pending_parents"]) == ("BLOCKED", 3)
    assert {parent["task_name"] for parent in task["dependencies"]} == {"add", "taskflow.group"}
    assert (await operator.get(f"/api/v1/tasks/{ids['a']}/graph", params={"limit": 2})).json()["truncated"] is True
    worker = await FakeWorker.register(api.database)
    await worker.run(returns(3))
    await worker.run(returns(6))
    [lease] = await worker.claim()
    assert lease.kwargs == {"numbers": [3, 6]}


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ({"after": ["report"]}, "cyclic_dependency", "a → "),
        ({"after": ["nobody"]}, "invalid_dependency", "'nobody' is neither"),
        ({"name": "b"}, "invalid_dependency", "is called 'b' already"),
        ({"after": [{"parent": "b", "on_success": "skip"}]}, "invalid_dependency", "on_failure"),
        ({"results": {"left": "00000000-0000-7000-8000-000000000007"}}, "invalid_input", "given, and taken"),
        ({"task_name": "noop", "args": {}, "results": {"left": "outside"}}, "invalid_dependency", "neither a name"),
        ({"after": ["00000000-0000-7000-8000-000000000007"]}, "parent_not_found", "to wait for"),
    ],
)
async def test_what_is_wrong_with_a_graph_is_said(
    operator: httpx.AsyncClient, api: Api, change: Any, code: str, says: str
) -> None:
    if change.get("after") == [{"parent": "b", "on_success": "skip"}]:
        body = {"tasks": [{"name": "b", "task_name": "x"}, {"name": "a", "task_name": "x", **change}]}
    else:
        body = {**GRAPH, "tasks": [GRAPH["tasks"][0], {**GRAPH["tasks"][1], **change}, *GRAPH["tasks"][2:]]}
    answer = await operator.post("/api/v1/tasks/graph", json=body)
    assert answer.status_code in (404, 422), answer.text
    assert answer.json()["code"] == code, answer.text
    assert says in answer.text
    assert await api.database.pool.fetchval("SELECT count(*) FROM tasks") == 0


async def test_a_repeated_submission_makes_no_second_graph(operator: httpx.AsyncClient, api: Api) -> None:
    headers = {"Idempotency-Key": str(uuid7())}
    answers = [await operator.post("/api/v1/tasks/graph", json=GRAPH, headers=headers) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert await api.database.pool.fetchval("SELECT count(*) FROM tasks") == 5


async def test_a_single_task_waits_too(operator: httpx.AsyncClient, api: Api) -> None:
    first = (await post(operator, "/tasks", {"task_name": "x"}))["task_id"]
    body = {"task_name": "collect", "after": [{"parent": first, "on_failure": "run"}], "results": {"numbers": [first]}}
    second = await post(operator, "/tasks", body)
    assert second["status"] == "BLOCKED"
    bulk = await post(operator, "/tasks/bulk", {"tasks": [{"task_name": "x"}, {"task_name": "x", "after": [first]}]})
    statuses = [(await operator.get(f"/api/v1/tasks/{i}")).json()["status"] for i in bulk["task_ids"]]
    assert statuses == ["PENDING", "BLOCKED"]


async def test_a_subtree_is_cancelled_and_a_graph_goes_on_from_where_it_failed(
    operator: httpx.AsyncClient, viewer: httpx.AsyncClient, api: Api
) -> None:
    ids = (await post(operator, "/tasks/graph", GRAPH))["task_ids"]
    await (await FakeWorker.register(api.database)).run(fails)
    assert (await viewer.post(f"/api/v1/tasks/{ids['a']}/graph/retry")).status_code == 403
    assert await post(operator, f"/tasks/{ids['report']}/graph/retry") == {"retried": 4}
    assert await post(operator, f"/tasks/{ids['b']}/graph/cancel") == {"cancelled": 4}
    again = await operator.post(f"/api/v1/tasks/{ids['b']}/graph/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "illegal_transition")
    assert (await operator.get(f"/api/v1/tasks/{uuid7()}/graph")).status_code == 404


async def test_the_client_submits_graphs(operator: httpx.AsyncClient, api: Api) -> None:
    operator.base_url = "http://testserver/api/v1"
    taskflow = TaskFlow("http://testserver", "unused", http=operator)
    graph = Graph()
    parts = [graph.add(tasks.add, number, right=1) for number in range(3)]
    group = graph.group(parts, on_failure=tasks.noop)
    graph.add(tasks.collect.options(queue="a"), [part.output for part in parts])
    report = graph.add(tasks.collect.options(queue="b", after=[After(group, on_failure="skip")]), group.output)
    handles = await taskflow.submit_graph(graph)
    assert handles[report.task_id].status == "BLOCKED"
    worker = await FakeWorker.register(api.database)
    await worker.run(lambda lease: returns(lease.kwargs["left"])(lease))
    found = {lease.dispatch_key: lease.kwargs for lease in await worker.claim()}
    assert found == {"a": {"numbers": [0, 1, 2]}, "b": {"numbers": [0, 1, 2]}}
    later = await taskflow.enqueue(tasks.noop.options(after=[handles[report.task_id]]))
    assert (await taskflow.get(later.task_id))["status"] == "BLOCKED"
    graph.depend(parts[0], report)
    with pytest.raises(CyclicDependencyError):
        await taskflow.submit_graph(graph)
