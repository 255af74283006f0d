"""The examples do what they show."""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx
import psycopg
import pytest

from support import sample_tasks as tasks
from support.api import serving
from support.up import System
from support.waiting import eventually
from taskflow.db.pool import Database
from taskflow.engine import TaskHandle, enqueue_through
from taskflow.engine.foreign import OneStatementError
from taskflow.engine.payload import InvalidTaskArgumentsError
from taskflow.identity.first_start import ensure_cli_key, ensure_first_admin
from taskflow.settings import Settings
from taskflow.testing.worker import environment_of, running_worker

EXAMPLES = Path(__file__).parents[2] / "examples"


async def run(folder: str, environment: Mapping[str, str], *program: str) -> str:
    """Run a Python program in the folder of an example and return what it prints."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *program),
        cwd=EXAMPLES / folder,
        env={**environment, "PYTHONPATH": str(EXAMPLES / folder), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


async def test_the_script_counts_words(settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES / "script"))
    await ensure_first_admin(database, settings)
    settings.home.mkdir(parents=True)
    await ensure_cli_key(database, settings)
    files = [EXAMPLES / "script" / "words.py", EXAMPLES / "README.md"]
    async with serving(settings) as url, running_worker(settings, ["words"]):
        environment = environment_of(settings) | {"TASKFLOW_API_URL": url}
        output = await run("script", environment, "words.py", *map(str, files))
    lines = [line.split() for line in output.splitlines()]
    assert [(int(count.replace(",", "")), path) for count, path in lines] == [
        (len(file.read_text().split()), str(file)) for file in files
    ]


async def test_the_newsletter_goes_to_a_segment_of_a_file(system: System) -> None:
    environment = {**system.environment, "TASKFLOW_API_URL": system.url}
    output = await run("messaging", environment, "newsletter.py", "people.csv")
    summary, count, lint, sent, refused, erased = [line for line in output.splitlines() if "%" not in line]
    assert (summary, count, sent) == ("3 created, 1 rejected", "2 in the segment", "2 sent, 0 failed")
    assert "lack 'first_nmae'" in lint
    assert refused == "illegal_transition: A campaign that is COMPLETED cannot be started."
    assert erased.endswith("left: []")
    assert {message["rcpt_to"] for message in system.get("/inbox")["items"]} == {"bert@example.com"}


async def test_the_fastapi_order_and_its_task_are_one(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES / "fastapi"))
    for name, value in environment_of(settings).items():
        if name in ("TASKFLOW_DATABASE_URL", "TASKFLOW_REDIS_URL"):
            monkeypatch.setenv(name, value)
    import shop

    transport = httpx.ASGITransport(app=shop.app)
    async with (
        shop.app.router.lifespan_context(shop.app),
        httpx.AsyncClient(transport=transport, base_url="http://shop") as client,
        running_worker(settings, ["shop"]),
    ):
        order = (await client.post("/orders", json={"item": "tea", "pieces": 2})).raise_for_status().json()
        result = await client.get(f"/tasks/{order['task_id']}/result", timeout=30)
        assert result.json() == f"order {order['order_id']} is confirmed"
        assert await database.pool.fetchval("SELECT confirmed FROM orders")
        refused = await client.post("/orders", json={"item": "tea", "pieces": 2_000})
        assert refused.status_code == 422
    assert await database.pool.fetchval("SELECT count(*) FROM orders") == 1
    assert await database.pool.fetchval("SELECT count(*) FROM tasks") == 1


_ORDERS = """
import worker
from django.test import Client
client = Client()
made = client.post("/orders", {"item": "tea", "pieces": 2}, content_type="application/json")
refused = client.post("/orders", {"item": "tea", "pieces": 2000}, content_type="application/json")
print(made.status_code, refused.status_code, refused.json())
"""


async def test_the_django_order_and_its_task_are_one(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = environment_of(settings)
    await run("django", environment, "manage.py", "migrate", "--verbosity", "0")
    assert await run("django", environment, "manage.py", "makemigrations", "--check") == "No changes detected\n"
    output = await run("django", environment, "-c", _ORDERS)
    assert output == "201 422 {'errors': ['So many we do not have.']}\n"
    assert await database.pool.fetchval("SELECT count(*) FROM tasks") == 1
    monkeypatch.syspath_prepend(str(EXAMPLES / "django"))
    monkeypatch.setitem(os.environ, "DJANGO_SETTINGS_MODULE", "project")
    async with running_worker(settings, ["worker"]):
        await eventually(
            lambda: database.pool.fetchval("SELECT bool_and(confirmed) FROM shop_order"), seconds=30, what="the order"
        )


async def test_any_cursor_enqueues_in_its_transaction(database_url: str, database: Database) -> None:
    def program() -> list[TaskHandle[object]]:
        with psycopg.connect(database_url) as connection, connection.cursor() as cursor:
            with connection.transaction():
                made = [
                    enqueue_through(cursor, tasks.add.options(priority="HIGH"), 2, right=3),
                    enqueue_through(cursor, tasks.noop.options(delay=60, tags=["red"], expires_in=90)),
                ]
            with pytest.raises(InvalidTaskArgumentsError, match="left"):
                enqueue_through(cursor, tasks.add, "x", 3)  # type: ignore[arg-type]  # that is the point
            for more in (
                tasks.noop.options(idempotency_key="k"),
                tasks.noop.options(unique_key="k"),
                tasks.noop.options(after=[made[0]]),
            ):
                with pytest.raises(OneStatementError, match="enqueue_in"):
                    enqueue_through(cursor, more)
            with connection.transaction():
                enqueue_through(cursor, tasks.noop)
                raise psycopg.Rollback
        return made

    now, later = await asyncio.to_thread(program)
    rows = {row["task_id"]: dict(row) for row in await database.pool.fetch("SELECT * FROM tasks")}
    assert set(rows) == {now.task_id, later.task_id}
    assert (rows[now.task_id]["task_kwargs"], rows[now.task_id]["priority"]) == ({"left": 2, "right": 3}, 8)
    late = rows[later.task_id]
    assert (late["status"], later.status, late["tags"]) == ("SCHEDULED", "SCHEDULED", ["red"])
    assert (late["expires_at"] - late["due_at"]).total_seconds() == 30
