"""The HTTP client: the same calls, the same errors, and no second task for a repeated call."""

import httpx
import pytest

from support import sample_tasks as tasks
from support.api import Api
from taskflow.base.errors import NotFoundError, UnavailableError
from taskflow.base.ids import uuid7
from taskflow.engine import TaskEnd, TaskHandle
from taskflow.engine.payload import InvalidTaskArgumentsError
from taskflow.engine.remote import SyncTaskFlow, TaskFlow, calls
from taskflow.engine.sealed import SealedError
from taskflow.engine.states import TaskStatus


@pytest.fixture
async def taskflow(operator: httpx.AsyncClient) -> TaskFlow:
    """The client, over the application in this process."""
    operator.base_url = "http://testserver/api/v1"
    return TaskFlow("http://testserver", "unused", http=operator)


async def test_a_task_is_enqueued_read_and_cancelled(taskflow: TaskFlow) -> None:
    handle = await taskflow.enqueue(tasks.add.options(priority="HIGH"), 2, right=3)
    task = await taskflow.get(handle.task_id)
    assert (task["task_name"], task["task_kwargs"]) == ("add", {"left": 2, "right": 3})
    assert (task["priority"], task["status"]) == (8, "PENDING")
    assert await taskflow.cancel(handle.task_id) is TaskStatus.CANCELLED


async def test_a_delayed_task_waits_as_scheduled(taskflow: TaskFlow) -> None:
    handle = await taskflow.enqueue(tasks.noop.options(delay=60))
    assert (await taskflow.get(handle.task_id))["status"] == "SCHEDULED"


async def test_many_are_all_or_none(taskflow: TaskFlow, api: Api) -> None:
    handles = await taskflow.enqueue_many(tasks.add, [{"left": n, "right": n} for n in range(20)])
    assert len({handle.task_id for handle in handles}) == 20
    with pytest.raises(InvalidTaskArgumentsError, match="left"):
        await taskflow.enqueue_many(tasks.add, [{"left": 1, "right": 1}, {"left": "x", "right": 1}])
    assert await api.database.pool.fetchval("SELECT count(*) FROM tasks") == 20


async def test_a_problem_comes_back_as_the_error_it_was(taskflow: TaskFlow) -> None:
    with pytest.raises(NotFoundError) as caught:
        await taskflow.get(uuid7())
    assert caught.value.context["code"] == "task_not_found"


async def test_a_call_whose_answer_was_lost_makes_no_second_task(api: Api, operator: httpx.AsyncClient) -> None:
    lost = 0

    async def lose_the_first_answer(request: httpx.Request) -> httpx.Response:
        nonlocal lost
        answer = await operator.send(
            operator.build_request(request.method, request.url, content=request.content, headers=request.headers)
        )
        if not lost:
            lost += 1
            raise httpx.ReadError("cut")
        return answer

    http = httpx.AsyncClient(
        transport=httpx.MockTransport(lose_the_first_answer),
        base_url="http://testserver/api/v1",
        headers=operator.headers,
    )
    async with TaskFlow("http://testserver", "unused", http=http) as taskflow:
        handle = await taskflow.enqueue(tasks.noop)
    assert lost == 1
    assert await api.database.pool.fetchval("SELECT array_agg(task_id) FROM tasks") == [handle.task_id]


async def test_nobody_there_is_said_so() -> None:
    async with TaskFlow("http://127.0.0.1:9", "unused", seconds=1) as taskflow:
        with pytest.raises(UnavailableError, match="No answer"):
            await taskflow.enqueue(tasks.noop)


async def test_who_waits_and_has_asked_too_often_asks_again_when_they_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "_SHORTEST_PAUSE", 0.0)
    task_id = uuid7()
    ended = {"task_id": str(task_id), "status": "COMPLETED", "result": {"result_data": 5}}
    asked = 0

    def answer(_: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        if asked % 2:
            return httpx.Response(429, headers={"Retry-After": "0"}, json={"title": "Too many", "code": "rate_limited"})
        return httpx.Response(200, json=ended)

    transport = httpx.MockTransport(answer)
    async with TaskFlow("http://x", "k", http=httpx.AsyncClient(transport=transport, base_url="http://x")) as taskflow:
        assert await taskflow._look(task_id) == TaskEnd(task_id, TaskStatus.COMPLETED, 5)
    with SyncTaskFlow("http://x", "k", http=httpx.Client(transport=transport, base_url="http://x")) as blocking:
        assert blocking._look(task_id, None) == TaskEnd(task_id, TaskStatus.COMPLETED, 5)


async def test_an_encrypted_result_is_said_to_be_one_and_not_taken_for_a_value(taskflow: TaskFlow, api: Api) -> None:
    sealed, lookalike = [await taskflow.enqueue(tasks.add, 2, right=3) for _ in range(2)]
    ended = "UPDATE tasks SET status = 'COMPLETED', completed_at = now(), lease_epoch = 1 WHERE task_id = $1"
    for handle, data in ((sealed, {"$encrypted": {"key": "2026", "data": "AA"}}), (lookalike, {"encrypted": "2026"})):
        await api.database.pool.execute(ended, handle.task_id)
        await api.database.pool.execute(
            "INSERT INTO task_results (task_id, result_data) VALUES ($1, $2)", handle.task_id, data
        )
    found = [await taskflow.get(handle.task_id) for handle in (sealed, lookalike)]
    assert [task["result"]["encrypted_with"] for task in found] == ["2026", None]
    unreadable, readable = [calls.end_in(task) for task in found]
    assert unreadable is not None
    assert readable is not None
    with pytest.raises(SealedError, match="'2026'"):
        unreadable.value()
    assert readable.value() == {"encrypted": "2026"}


def test_all_that_a_call_asks_for_is_sent() -> None:
    parent, other = uuid7(), uuid7()
    options = tasks.add.options(
        tags=["red"], expires_in=60, unique_key="k", unique_for=5, on_conflict="raise", after=[parent]
    )
    body = calls.enqueue(options, (1, TaskHandle(other, TaskStatus.PENDING, "default", 5).output), {}).body
    assert body["args"] == {"left": 1}
    assert (body["tags"], body["expires_in_seconds"], body["version"]) == (["red"], 60, 1)
    assert (body["unique_key"], body["unique_for_seconds"], body["on_conflict"]) == ("k", 5, "raise")
    assert [(edge["parent"], edge["on_failure"]) for edge in body["after"]] == [
        (str(parent), "fail"),
        (str(other), "fail"),
    ]
    assert body["results"] == {"right": str(other)}
