"""Probes, metrics, figures, the dashboard's files, CORS, and refusing to start unsafely."""

from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from support.api import Api, client_of, running
from taskflow.api import dashboard_files
from taskflow.api.app import create_app
from taskflow.api.websocket.hub import EventHub
from taskflow.base.errors import ConfigurationError
from taskflow.base.ids import uuid7
from taskflow.settings import Settings


async def test_a_process_that_can_serve_is_ready(api: Api) -> None:
    assert (await api.anonymous.get("/health")).json()["status"] == "ok"
    answer = await api.anonymous.get("/ready")
    assert answer.json() == {"status": "ready", "database": "ok", "migrations": "ok", "redis": "ok", "events": "ok"}


async def test_a_schema_of_another_version_is_not_ready(api: Api) -> None:
    await api.database.pool.execute("UPDATE alembic_version SET version_num = '0000'")
    answer = await api.anonymous.get("/ready")
    assert (answer.status_code, answer.json()["migrations"]) == (503, "behind")


async def test_a_reader_that_has_gone_deaf_is_not_ready(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = api.services.get(EventHub)
    monkeypatch.setattr("taskflow.api.websocket.hub.DEAF_SECONDS", -1.0)
    assert hub.is_deaf
    answer = await api.anonymous.get("/ready")
    assert (answer.status_code, answer.json()["events"]) == (503, "deaf")


async def test_without_redis_the_process_lives_and_is_not_ready(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.redis.url = SecretStr("redis://127.0.0.1:1")
    async with running(settings) as api:
        assert (await api.anonymous.get("/health")).status_code == 200
        answer = await api.anonymous.get("/ready")
        assert (answer.status_code, answer.json()["redis"]) == (503, "down")


async def test_metrics_are_for_this_machine_and_for_those_with_the_right(
    api: Api, admin: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    local = await api.anonymous.get("/metrics")
    assert local.status_code == 200
    assert 'taskflow_http_requests_total{method="POST",operation="sign_in",status="200"}' in local.text
    assert "taskflow_workers_active 0.0" in local.text
    assert (await api.anonymous.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"})).status_code == 401
    assert (await viewer.get("/metrics")).status_code == 403
    assert (await admin.get("/metrics")).status_code == 200
    made = await admin.post("/api/v1/api-keys", json={"name": "prometheus", "scopes": ["metrics"]})
    async with client_of(api.app, "203.0.113.5") as elsewhere:
        assert (await elsewhere.get("/metrics")).status_code == 401
        bearer = {"Authorization": f"Bearer {made.json()['key']}"}
        assert (await elsewhere.get("/metrics", headers=bearer)).status_code == 200


async def test_metrics_tell_of_every_queue_and_bound_their_labels(
    api: Api, operator: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taskflow.api.metrics._MOST_QUEUES", 2)
    for queue in ("a", "b", "c", "d", "d"):
        await operator.post("/api/v1/tasks", json={"task_name": "x", "queue": queue})
    await api.database.pool.execute("UPDATE tasks SET created_at = now() - interval '1 hour' WHERE queue = 'c'")
    text = (await api.anonymous.get("/metrics")).text
    assert 'taskflow_tasks{queue="a",state="ready"} 1.0' in text
    assert 'taskflow_tasks{queue="other",state="ready"} 3.0' in text
    assert 'queue="d"' not in text
    assert 'taskflow_queue_completed_per_second{queue="a"} 0.0' in text
    [oldest] = [line for line in text.splitlines() if line.startswith('taskflow_queue_oldest_seconds{queue="other"}')]
    assert 3600 <= float(oldest.split()[1]) < 3700


async def test_the_figures_are_those_of_the_rows(api: Api, operator: httpx.AsyncClient) -> None:
    for queue in ("a", "a", "b"):
        await operator.post("/api/v1/tasks", json={"task_name": "x", "queue": queue})
    done = (await operator.post("/api/v1/tasks", json={"task_name": "x"})).json()["task_id"]
    await api.database.pool.execute(
        "UPDATE tasks SET status = 'COMPLETED', completed_at = now() WHERE task_id = $1", done
    )
    await api.database.pool.execute(
        "INSERT INTO workers (worker_id, hostname, capacity, current_load) VALUES ($1, 'h', 10, 4)", uuid7()
    )
    stats = (await operator.get("/api/v1/stats")).json()
    assert stats["tasks"]["by_status"] | {"PENDING": 3, "COMPLETED": 1} == stats["tasks"]["by_status"]
    shown = [(q["queue"], q["ready"], q["scheduled"], q["running"]) for q in stats["tasks"]["queues"]]
    assert shown == [("a", 2, 0, 0), ("b", 1, 0, 0), ("default", 0, 0, 0)]
    assert [q["completed_per_second"] for q in stats["tasks"]["queues"]] == [0.0, 0.0, 0.02]
    assert [q["oldest_seconds"] is None for q in stats["tasks"]["queues"]] == [False, False, True]
    assert stats["workers"] == {"active": 1, "capacity": 10, "load": 4}
    assert len(stats["throughput"]) == 60
    assert sum(minute["completed"] for minute in stats["throughput"]) == 1


@pytest.fixture
def built(tmp_path: Path) -> Path:
    folder = tmp_path / "dashboard"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<title>the dashboard</title>")
    (folder / "assets" / "app-1a2b.js").write_text("1")
    (tmp_path / "secret.txt").write_text("outside")
    return folder


async def test_the_dashboard_is_served_with_its_pages_and_hashed_files(built: Path) -> None:
    app = FastAPI()
    app.state.methods_of = lambda _: frozenset()
    dashboard_files.install(app, built)
    async with client_of(app) as client:
        for page in ("/", "/campaigns", "/campaigns/1/recipients"):
            answer = await client.get(page)
            assert "the dashboard" in answer.text
            assert answer.headers["Cache-Control"] == "no-cache"
        asset = await client.get("/assets/app-1a2b.js")
        assert "immutable" in asset.headers["Cache-Control"]
        for missing in (
            "/assets/gone.js",
            "/favicon.png",
            "/../secret.txt",
            "/%2e%2e/secret.txt",
            "/..%2fsecret.txt",
            "/%00",
            "/" + "a" * 300,
            "/" + "a/" * 3_000,
        ):
            answer = await client.get(missing)
            assert answer.status_code in (200, 404)
            assert "outside" not in answer.text
            assert answer.status_code == 404 or "the dashboard" in answer.text


async def test_without_a_build_a_page_says_what_to_do(tmp_path: Path) -> None:
    app = FastAPI()
    dashboard_files.install(app, tmp_path / "nothing")
    async with client_of(app) as client:
        answer = await client.get("/")
        assert answer.status_code == 200
        assert "TaskFlow is running" in answer.text


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://app.example.com", True),
        ("https://app.example.com.evil.example", False),
        ("https://evilapp.example.com", False),
        ("http://app.example.com", False),
        ("https://app.example.com:444", False),
        ("null", False),
    ],
)
async def test_cors_allows_exact_origins_only(settings: Settings, origin: str, allowed: bool) -> None:
    settings.http.cors_origins = ["https://app.example.com"]
    async with running(settings) as api:
        preflight = await api.anonymous.options(
            "/api/v1/tasks",
            headers={
                "Origin": origin,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
            },
        )
        simple = await api.anonymous.get("/api/v1/tasks", headers={"Origin": origin})
        assert simple.status_code == 401
        for answer in (preflight, simple):
            assert answer.headers.get("Access-Control-Allow-Origin") == (origin if allowed else None)
        assert (preflight.status_code == 200) is allowed


@pytest.mark.parametrize("key", [None, "short", "changeme" * 8])
def test_the_api_does_not_start_without_a_real_secret_key(settings: Settings, key: str | None) -> None:
    settings.secret_key = SecretStr(key) if key else None
    with pytest.raises(ConfigurationError):
        create_app(settings)
