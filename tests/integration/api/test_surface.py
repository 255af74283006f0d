"""The whole surface: every route declares who may call it, nobody anonymous passes, every change leaves a trace."""

import re
from uuid import UUID

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from support.api import Api
from taskflow.api import routes
from taskflow.api.metrics import MetricsGuard
from taskflow.base.ids import uuid7
from taskflow.base.pagination import encode_cursor
from taskflow.engine.client import Engine
from taskflow.identity.models import Role

PUBLIC = {
    "/api/v1/auth/login",
    "/api/v1/auth/refresh",
    "/api/v1/auth/logout",
    "/health",
    "/ready",
    "/unsubscribe/{token}",
    "/confirm/{token}",
    "/subscribe/{list_id}",
    "/media/{token}",
    "/hooks/sms/{provider}",
}
CHANGING = {"POST", "PUT", "PATCH", "DELETE"}


def filled(path: str) -> str:
    return re.sub(r"\{\w+\}", str(uuid7()), path)


@pytest.mark.parametrize("route", routes.walk(), ids=lambda route: f"{'/'.join(sorted(route.methods))} {route.path}")
def test_every_route_demands_a_role_or_is_on_the_public_list(route: routes.RouteInfo) -> None:
    if route.path == "/metrics":
        assert MetricsGuard in route.guards
    elif route.is_public:
        assert route.role is None
        assert route.path in PUBLIC
    else:
        assert route.role is not None


def test_the_public_list_is_the_one_the_middleware_uses() -> None:
    assert PUBLIC >= routes.PUBLIC_PATHS | routes.PUBLIC_ROOT_PATHS


@pytest.mark.parametrize(
    "route",
    [route for route in routes.walk() if route.methods & CHANGING],
    ids=lambda route: f"{'/'.join(sorted(route.methods))} {route.path}",
)
def test_every_route_that_changes_something_declares_an_audit_row(route: routes.RouteInfo) -> None:
    assert route.audit


def test_the_walk_sees_every_route_of_the_application(api: Api) -> None:
    served = {
        context.path
        for context in iter_route_contexts(api.app.routes)
        if context.path not in ("/api/v1/openapi.json", "/{path:path}")
    }
    assert served == {route.path for route in routes.walk()}


async def test_nobody_anonymous_gets_further_than_the_door(api: Api) -> None:
    for route in routes.walk():
        for method in route.methods - {"WEBSOCKET"}:
            if route.is_public or route.path == "/metrics":
                continue
            answer = await api.anonymous.request(method, filled(route.path))
            assert answer.status_code == 401, f"{method} {route.path}"
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert answer.json()["code"] == "unauthenticated"


async def test_not_even_a_path_that_does_not_exist_tells_an_anonymous_caller_so(api: Api) -> None:
    for path in ("/api/v1/nothing", "/api/v1/openapi.json", "/api/v1/tasks/../users", "/api/v1/%2e%2e/users"):
        assert (await api.anonymous.get(path)).status_code in (401, 404)


async def test_a_viewer_changes_nothing(viewer: httpx.AsyncClient) -> None:
    for route in routes.walk():
        for method in route.methods & CHANGING:
            if route.role in (None, Role.VIEWER):
                continue
            answer = await viewer.request(method, filled(route.path), json={})
            assert answer.status_code == 403, f"{method} {route.path}: {answer.text}"
            assert answer.json()["code"] == "forbidden"


async def test_each_change_leaves_one_audit_row_that_says_who_what_and_where_from(
    api: Api, admin: httpx.AsyncClient
) -> None:
    created = await admin.post("/api/v1/tasks", json={"task_name": "x"}, headers={"X-Request-ID": "trace-me"})
    task_id = created.json()["task_id"]
    await admin.delete(f"/api/v1/tasks/{task_id}")
    await admin.post(f"/api/v1/tasks/{task_id}/retry")
    made = (await admin.post("/api/v1/api-keys", json={"name": "a\r\nforged: line"})).status_code
    assert made == 422
    rows = (await admin.get("/api/v1/audit-log", params={"target_id": task_id})).json()["items"]
    assert [row["action"] for row in rows] == ["task.retry", "task.cancel", "task.create"]
    assert {row["actor"] for row in rows} == {"admin@example.com"}
    assert rows[-1]["request_id"] == "trace-me"
    assert rows[-1]["address"] == "127.0.0.1"
    assert rows[-1]["detail"] == {"task_name": "x"}


async def test_a_change_that_failed_leaves_no_audit_row(admin: httpx.AsyncClient) -> None:
    before = len((await admin.get("/api/v1/audit-log")).json()["items"])
    assert (await admin.delete(f"/api/v1/tasks/{uuid7()}")).status_code == 404
    assert len((await admin.get("/api/v1/audit-log")).json()["items"]) == before


async def test_an_id_in_another_spelling_is_audited_as_the_same(admin: httpx.AsyncClient) -> None:
    task_id = (await admin.post("/api/v1/tasks", json={"task_name": "x"})).json()["task_id"]
    assert (await admin.delete(f"/api/v1/tasks/{{{task_id.upper()}}}")).status_code == 200
    rows = (await admin.get("/api/v1/audit-log", params={"target_id": task_id})).json()["items"]
    assert [row["action"] for row in rows] == ["task.cancel", "task.create"]


async def test_a_stolen_refresh_token_leaves_a_row_about_the_session_that_it_ended(
    api: Api, admin: httpx.AsyncClient
) -> None:
    session = await api.sign_in(await api.user(Role.VIEWER, "victim@example.com"))
    body = {"refresh_token": session["refresh_token"]}
    answers = [await api.anonymous.post("/api/v1/auth/refresh", json=body) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 401, 401, 401]
    assert answers[1].json().keys() == answers[3].json().keys()
    rows = (await admin.get("/api/v1/audit-log", params={"action": "auth.refresh_reused"})).json()["items"]
    assert [row["actor"] for row in rows] == ["victim@example.com"]  # once: the second theft ends nothing more
    assert rows[0]["target_id"] == session["user"]["user_id"]
    assert session["refresh_token"] not in str(rows)


async def test_a_change_that_broke_off_leaves_a_row_that_says_so(
    api: Api, admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cancelled_and_broken(engine: Engine, task_id: UUID) -> None:
        await cancel(engine, task_id)
        raise RuntimeError("after the commit")

    cancel = Engine.cancel
    monkeypatch.setattr(Engine, "cancel", cancelled_and_broken)
    task_id = (await admin.post("/api/v1/tasks", json={"task_name": "x"})).json()["task_id"]
    assert (await admin.delete(f"/api/v1/tasks/{task_id}")).status_code == 500
    rows = (await admin.get("/api/v1/audit-log", params={"target_id": task_id})).json()["items"]
    assert [(row["action"], (row["detail"] or {}).get("outcome")) for row in rows] == [
        ("task.cancel", "unknown"),
        ("task.create", None),
    ]


async def test_nobody_fills_the_audit_log_by_signing_out_without_a_session(api: Api, admin: httpx.AsyncClient) -> None:
    before = len((await admin.get("/api/v1/audit-log")).json()["items"])
    for _ in range(3):
        answer = await api.anonymous.post("/api/v1/auth/logout", json={"refresh_token": "made up"})
        assert answer.status_code == 204
    assert len((await admin.get("/api/v1/audit-log")).json()["items"]) == before


async def test_failed_sign_ins_are_audited_and_what_was_typed_is_not(api: Api, admin: httpx.AsyncClient) -> None:
    await api.user(Role.VIEWER, "known@example.com")
    for email in ("known@example.com", "my-password-in-the-wrong-field"):
        answer = await api.anonymous.post("/api/v1/auth/login", json={"email": email, "password": "wrong, all wrong"})
        assert answer.status_code == 401
    rows = (await admin.get("/api/v1/audit-log", params={"action": "auth.login_failed"})).json()["items"]
    assert [(row["actor"], row["address"]) for row in rows] == [("anonymous", "127.0.0.1")] * 2
    assert [row["detail"] for row in rows] == [
        {"account": "unknown"},
        {"email": "known@example.com", "is_active": True},
    ]
    assert "wrong" not in str(rows)


async def test_guesses_at_the_present_password_are_audited(api: Api, admin: httpx.AsyncClient) -> None:
    body = {"current_password": "wrong, all wrong", "new_password": "quite another one"}
    assert (await admin.post("/api/v1/auth/password", json=body)).status_code == 422
    [row] = (await admin.get("/api/v1/audit-log", params={"action": "auth.password_failed"})).json()["items"]
    assert (row["actor"], row["detail"]["email"]) == ("admin@example.com", "admin@example.com")


async def test_a_session_that_goes_on_and_its_sockets_leave_no_rows(api: Api, admin: httpx.AsyncClient) -> None:
    session = await api.sign_in(await api.user(Role.VIEWER, "busy@example.com"))
    before = len((await admin.get("/api/v1/audit-log")).json()["items"])
    body = {"refresh_token": session["refresh_token"]}
    assert (await api.anonymous.post("/api/v1/auth/refresh", json=body)).status_code == 200
    assert (await admin.post("/api/v1/auth/ws-ticket")).status_code == 200
    assert len((await admin.get("/api/v1/audit-log")).json()["items"]) == before


async def test_no_list_stumbles_over_a_forged_cursor(admin: httpx.AsyncClient) -> None:
    document = (await admin.get("/api/v1/openapi.json")).json()
    lists = [
        path
        for path, operations in document["paths"].items()
        if any(parameter["name"] == "cursor" for parameter in operations.get("get", {}).get("parameters", ()))
    ]
    assert len(lists) > 10
    for path in lists:
        for parts in (["\0"], [None], [["a"]], ["0001-01-01T00:00:00+23:59", "\0"]):
            answer = await admin.get(filled(path), params={"cursor": encode_cursor(*parts)})
            assert answer.status_code in (404, 422), f"{path}: {answer.text}"


async def test_no_task_takes_the_name_of_groups(operator: httpx.AsyncClient) -> None:
    answer = await operator.post("/api/v1/tasks", json={"task_name": "taskflow.group"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
