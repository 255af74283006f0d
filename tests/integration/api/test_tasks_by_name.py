"""A task submitted by its name is checked against its definition and takes its options, where the API knows it."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from support.api import Api
from taskflow.engine import task

TASKS = "/api/v1/tasks"


@task(name="known.resize", queue="images", priority="HIGH", timeout=45, max_retries=2)
async def resize(image_id: int, width: int = 640, key: SecretStr | None = None) -> None:
    """Resize."""


async def options_of(client: httpx.AsyncClient, task_id: str) -> tuple[Any, ...]:
    found = (await client.get(f"{TASKS}/{task_id}")).json()
    return tuple(found[name] for name in ("queue", "priority", "timeout_seconds", "max_retries"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ("images", 8, 45, 2)),
        ({"queue": None, "max_retries": None}, ("images", 8, 45, 2)),
        ({"queue": "other", "priority": "LOW"}, ("other", 2, 45, 2)),
        ({"timeout_seconds": 1, "max_retries": 0}, ("images", 8, 1, 0)),
    ],
)
async def test_what_a_request_leaves_open_is_the_definitions(
    operator: httpx.AsyncClient, given: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    body = {"task_name": "known.resize", "args": {"image_id": 3}, **given}
    one = (await operator.post(TASKS, json=body)).json()["task_id"]
    [many] = (await operator.post(f"{TASKS}/bulk", json={"tasks": [body]})).json()["task_ids"]
    assert await options_of(operator, one) == await options_of(operator, many) == expected


async def test_a_name_that_nobody_here_knows_is_taken_as_it_is(operator: httpx.AsyncClient) -> None:
    created = await operator.post(TASKS, json={"task_name": "known.elsewhere", "args": ["anything", 1]})
    assert created.status_code == 201
    assert await options_of(operator, created.json()["task_id"]) == ("default", 5, 300, 5)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({}, "image_id: Field required"),
        ({"image_id": "three"}, "image_id: Input should be a valid integer"),
        ({"image_id": 3, "widht": 1}, "widht: Extra inputs"),
        ([1, 2, None, 4], "takes 3 arguments, 4 were given"),
    ],
)
async def test_arguments_that_do_not_fit_are_refused(
    api: Api, operator: httpx.AsyncClient, args: object, words: str
) -> None:
    body = {"task_name": "known.resize", "args": args}
    refused = await operator.post(TASKS, json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_task_arguments")
    assert words in refused.json()["detail"]
    good = {"task_name": "known.resize", "args": {"image_id": 1}}
    bulk = await operator.post(f"{TASKS}/bulk", json={"tasks": [good, body]})
    assert (bulk.status_code, bulk.json()["code"], bulk.json()["index"]) == (422, "invalid_task_arguments", 1)
    assert "tasks[1]: known.resize" in bulk.json()["detail"]
    assert await api.database.pool.fetchval("SELECT count(*) FROM tasks") == 0


async def test_arguments_are_kept_as_they_were_given(operator: httpx.AsyncClient) -> None:
    given = {"image_id": "3", "key": "hunter2"}
    created = await operator.post(TASKS, json={"task_name": "known.resize", "args": given})
    found = (await operator.get(f"{TASKS}/{created.json()['task_id']}")).json()
    assert found["task_kwargs"] == given, "a secret that is masked before it is kept reaches no worker"


async def test_the_api_does_not_start_with_a_module_that_cannot_be_imported(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "broken_tasks.py").write_text("raise ValueError('no such queue')\n")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "taskflow.cli.main", "api",
        env={**environment, "TASKFLOW_WORKER_IMPORTS": '["broken_tasks"]'},
        cwd=tmp_path,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, said = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 1
    assert said.decode().startswith("taskflow: The module 'broken_tasks' of TASKFLOW_WORKER_IMPORTS (or --import)")
    assert "ValueError: no such queue" in said.decode()
    assert "Traceback" not in said.decode()
