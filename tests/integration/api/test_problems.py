"""Errors: problems with stable codes, and nothing about our insides."""

import httpx
import pytest

from support.api import Api
from taskflow.base.ids import uuid7
from taskflow.engine.repository import EngineReader

PROBLEM = "application/problem+json"


async def test_a_missing_thing_is_a_problem_with_a_code_and_the_request_id(viewer: httpx.AsyncClient) -> None:
    answer = await viewer.get(f"/api/v1/tasks/{uuid7()}", headers={"X-Request-ID": "abc"})
    assert answer.headers["Content-Type"] == PROBLEM
    found = answer.json()
    assert (answer.status_code, found["status"], found["code"]) == (404, 404, "task_not_found")
    assert found["type"] == "urn:taskflow:problem:task_not_found"
    assert found["request_id"] == answer.headers["X-Request-ID"] == "abc"


async def test_a_failed_validation_points_at_each_place_and_repeats_no_input(operator: httpx.AsyncClient) -> None:
    answer = await operator.post("/api/v1/tasks", json={"task_name": "", "priority": "hunter2", "a/b": 1})
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == PROBLEM
    assert {"#/task_name", "#/a~1b"} <= {item["pointer"] for item in answer.json()["errors"]}
    assert "hunter2" not in answer.text
    unions = await operator.post("/api/v1/tasks", json={"task_name": "x", "priority": 11, "args": 3})
    assert {item["pointer"] for item in unions.json()["errors"]} == {"#/priority", "#/args"}
    early = await operator.post("/api/v1/tasks", json={"task_name": "x", "scheduled_at": "tomorrow"})
    assert early.json()["detail"] == "#/scheduled_at: an instant is written like 2026-01-31T09:00:00+01:00"
    query = await operator.get("/api/v1/tasks", params={"limit": 0})
    assert query.json()["errors"][0]["parameter"] == "limit"
    broken = await operator.post("/api/v1/tasks", content="{", headers={"Content-Type": "application/json"})
    assert broken.json()["errors"][0]["pointer"] == "#"


async def test_an_unknown_route_is_a_problem_and_a_wrong_method_names_all_right_ones(viewer: httpx.AsyncClient) -> None:
    unknown = await viewer.get("/api/v1/nothing")
    assert (unknown.status_code, unknown.headers["Content-Type"]) == (404, PROBLEM)
    for method in ("PUT", "DELETE", "PATCH"):
        wrong = await viewer.request(method, "/api/v1/tasks")
        assert (wrong.status_code, wrong.headers["Allow"]) == (405, "GET, POST")
        assert wrong.json()["code"] == "method_not_allowed"
    bulk = await viewer.get("/api/v1/tasks/bulk")
    assert (bulk.status_code, bulk.headers["Allow"]) == (405, "POST")
    nowhere = await viewer.post("/api/v1/nothing/at/all")
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "not_found")
    get = await viewer.get("/api/v1/auth/ws-ticket")
    assert (get.status_code, get.headers["Allow"]) == (405, "POST")


async def test_a_fault_of_ours_says_nothing_about_itself(
    viewer: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("secret detail postgresql://user:hunter2@db")

    monkeypatch.setattr(EngineReader, "history", broken)
    answer = await viewer.get(f"/api/v1/tasks/{uuid7()}")
    assert (answer.status_code, answer.headers["Content-Type"]) == (500, PROBLEM)
    assert answer.json()["code"] == "internal_error"
    assert answer.headers["X-Request-ID"] == answer.json()["request_id"]
    assert "hunter2" not in answer.text
    assert "detail" not in answer.json()


async def test_every_answer_carries_the_security_headers(api: Api, viewer: httpx.AsyncClient) -> None:
    for answer in (
        await viewer.get("/api/v1/tasks"),
        await viewer.get("/api/v1/nothing"),
        await api.anonymous.get("/api/v1/tasks"),
        await api.anonymous.get("/"),
        await api.anonymous.get("/health"),
    ):
        policy = answer.headers["Content-Security-Policy"]
        assert "script-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "server" not in answer.headers
    assert (await viewer.get("/api/v1/tasks")).headers["Cache-Control"] == "no-store"
