"""Middleware around tasks of a real worker: what it may change, and what its errors do."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.duties import lead
from support.following import ended, result, row
from support.processes import running
from support.waiting import eventually
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine import Engine, Middleware, PayloadEncryption, Request
from taskflow.engine.coordinator.relay import Relay
from taskflow.engine.middleware.stack import MiddlewareStack
from taskflow.engine.repository import EngineReader
from taskflow.engine.requests import TaskRow
from taskflow.engine.schemas import TaskDetail
from taskflow.settings import Settings

KEYS = {"old": bytes(range(32)), "new": bytes(range(32, 64))}


@pytest.fixture
async def make_engine(database: Database, broker: RedisBroker, settings: Settings) -> Callable[..., Engine]:
    await Relay().run_once(await lead(database, broker, settings))
    return lambda *middleware: Engine(database, broker, middleware=MiddlewareStack(*middleware))


def node(environment: dict[str, str], **more: str) -> Any:
    return running(
        {**environment, "TASKFLOW_WORKER_PROCESSES": "1", **more}, "worker", "--import", "support.surrounded_tasks"
    )


async def test_hooks_run_in_order_change_what_they_may_and_fail_what_they_must(
    make_engine: Callable[..., Engine], environment: dict[str, str], database: Database, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    engine = make_engine()
    async with node(environment, SURROUNDED_TASKS="journal", SURROUNDED_TASKS_JOURNAL=str(journal)):
        greeted = await engine.submit(Request("surrounded.greet", kwargs={"name": "Ada"}, max_retries=0))
        assert (await ended(database, greeted.task_id))["status"] == "COMPLETED"
        assert (await result(database, greeted.task_id))["result_data"] == "Hello AdaBA!!"

        def told() -> list[str]:
            lines = journal.read_text().splitlines()
            return lines if lines[-1].startswith("A after_complete") else []

        assert await eventually(told) == [
            "B after_claim 1", "A after_claim 1", "B before_run", "A before_run", "A after_run None",
            "B after_run None", "B after_complete COMPLETED", "A after_complete COMPLETED",
        ]  # fmt: skip

        in_a_slot = await engine.submit(Request("surrounded.greet_in_a_slot", kwargs={"name": "Ada"}, max_retries=0))
        refused = await engine.submit(Request("surrounded.greet", kwargs={"name": "refused"}, max_retries=0))
        lost = await engine.submit(Request("surrounded.greet", kwargs={"name": "uncommittable"}, max_retries=0))
        await ended(database, in_a_slot.task_id)
        assert (await result(database, in_a_slot.task_id))["result_data"] == "Hello AdaBA!!"
        assert (await ended(database, refused.task_id))["status"] == "FAILED"
        assert (await result(database, refused.task_id))["error_message"] == "PermissionError: not this one"
        assert (await ended(database, lost.task_id))["status"] == "FAILED"
        assert await result(database, lost.task_id) == {
            **await result(database, lost.task_id),
            "result_data": None,
            "stack_trace": None,
            "error_message": "Middleware failed on its end: RuntimeError in Journal.before_complete.",
        }


async def test_an_error_before_the_enqueueing_leaves_nothing_and_one_after_it_is_logged(
    make_engine: Callable[..., Engine], database: Database
) -> None:
    class Quota(Middleware):
        """Has opinions."""

        async def before_enqueue(self, task: TaskRow) -> TaskRow:
            if task.queue == "full":
                raise PermissionError("enough")
            return task._replace(tags=("seen",))

        async def after_enqueue(self, task: TaskRow) -> None:
            raise RuntimeError(f"too late for {task.task_id}")

    engine = make_engine(Quota())
    handle = await engine.submit(Request("anything"))
    assert (await row(database, handle.task_id))["tags"] == ["seen"]
    with pytest.raises(PermissionError, match="enough"):
        await engine.submit_many([Request("anything"), Request("anything", queue="full")])
    assert await database.pool.fetchval("SELECT count(*) FROM tasks") == 1


async def test_payloads_are_unreadable_at_rest_and_keys_rotate(
    make_engine: Callable[..., Engine], environment: dict[str, str], database: Database
) -> None:
    names = ("surrounded.greet", "surrounded.greet_in_a_slot")
    old, new = (make_engine(PayloadEncryption(KEYS, current=key)) for key in ("old", "new"))
    async with node(environment):
        secrets = [
            await e.submit(Request(name, kwargs={"name": "Ada"}, max_retries=0)) for e in (old, new) for name in names
        ]
        plain = await make_engine().submit(Request(names[0], kwargs={"name": "Ada"}, max_retries=0))
        failing = await new.submit(Request(names[0], kwargs={"name": "nobody"}, max_retries=0))
        foreign = await make_engine(PayloadEncryption({"lost": bytes(32)}, current="lost")).submit(
            Request(names[0], kwargs={"name": "Ada"}, max_retries=0)
        )
        for handle in (*secrets, plain):
            assert (await ended(database, handle.task_id))["status"] == "COMPLETED"
        assert (await ended(database, failing.task_id))["status"] == "FAILED"
        assert (await ended(database, foreign.task_id))["status"] == "FAILED"

    seals = PayloadEncryption(KEYS, current="new")
    for handle in (*secrets, plain):
        stored = (await result(database, handle.task_id))["result_data"]
        assert seals.open(stored, (await row(database, handle.task_id))["task_name"], "result") == "Hello Ada"
    error = await result(database, failing.task_id)
    assert seals.open(error["error_message"], names[0], "error") == "ValueError: nobody is there"
    assert "raise ValueError" in seals.open(error["stack_trace"], names[0], "stack")
    lost = seals.open((await result(database, foreign.task_id))["error_message"], names[0], "error")
    assert lost == "SealedError: surrounded.greet: its arguments is sealed with the key 'lost', which is not here."

    dump = await database.pool.fetch(
        "SELECT to_jsonb(t)::text FROM tasks t WHERE task_id <> $1"
        " UNION ALL SELECT to_jsonb(r)::text FROM task_results r"
        " UNION ALL SELECT to_jsonb(e)::text FROM task_executions e"
        " UNION ALL SELECT to_jsonb(d)::text FROM dead_letter_queue d",
        plain.task_id,
    )
    assert not [text for (text,) in dump if "Ada" in text or "nobody" in text]

    detail = TaskDetail.of_history(await EngineReader(database.pool).history(failing.task_id, 10))
    shown = json.loads(detail.model_dump_json())
    assert shown["task_kwargs"] == {"encrypted": "new"}
    assert shown["result"]["error_message"] == shown["executions"][0]["error_message"] == "(encrypted with the key new)"
