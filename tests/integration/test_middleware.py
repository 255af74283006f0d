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
from taskflow.base.ids import uuid7
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine import Engine, Middleware, PayloadEncryption, Request
from taskflow.engine.coordinator.relay import Relay
from taskflow.engine.dependencies.graph import group_row
from taskflow.engine.dependencies.models import Edge, OnFailure
from taskflow.engine.middleware.stack import MiddlewareStack
from taskflow.engine.repository import EngineReader
from taskflow.engine.requests import TaskRow
from taskflow.engine.schemas import TaskDetail
from taskflow.engine.sealed import SealedError
from taskflow.settings import Settings

GREET = "surrounded.greet"
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
        name = (await row(database, handle.task_id))["task_name"]
        assert seals.open(stored, name, "result", handle.task_id) == "Hello Ada"
    moved = (await result(database, secrets[0].task_id))["result_data"]
    with pytest.raises(SealedError, match="sealed for something else"):
        seals.open(moved, names[0], "result", secrets[2].task_id)
    error = await result(database, failing.task_id)
    assert seals.open(error["error_message"], names[0], "error", failing.task_id) == "ValueError: nobody is there"
    assert "raise ValueError" in seals.open(error["stack_trace"], names[0], "stack", failing.task_id)
    lost = seals.open((await result(database, foreign.task_id))["error_message"], names[0], "error", foreign.task_id)
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
    assert shown["result"]["encrypted_with"] is None
    assert shown["result"]["error_message"] == shown["executions"][0]["error_message"] == "(encrypted with the key new)"


async def test_encrypted_results_become_arguments_on_the_worker_and_are_unreadable_on_the_way(
    make_engine: Callable[..., Engine], environment: dict[str, str], database: Database
) -> None:
    seals = PayloadEncryption(KEYS, current="new")
    sealing, plain = make_engine(seals), make_engine()

    def greet_all(greeting: str, **more: Any) -> Request:
        return Request(f"{GREET}_all", kwargs={"greeting": greeting, **more}, max_retries=0)

    ada, eve = [await sealing.submit(Request(GREET, kwargs={"name": name})) for name in ("Ada", "Eve")]
    open_ada = await plain.submit(Request(GREET, kwargs={"name": "Ada"}))  # sealed by the worker only
    members = (Edge(one.task_id, OnFailure.RUN, arguments=(("members", n),)) for n, one in enumerate((eve, ada)))
    [group] = await sealing.submit_rows([group_row(uuid7(), tuple(members))])
    slot = Request(f"{GREET}_all_in_a_slot", kwargs={"greeting": "From a slot:", "names": [eve.output]}, max_retries=0)
    expected = {
        await sealing.submit(greet_all("Two:", names=[ada.output, eve.output])): "Two: Hello Ada, Hello Eve",
        await sealing.submit(greet_all("Group:", names=group.output, last=ada.output)): (
            "Group: Hello Eve, Hello AdaHello Ada"
        ),
        await sealing.submit(slot): "From a slot: Hello Eve",
        (last := await plain.submit(greet_all("Open:", names=[open_ada.output]))): "Open: Hello Ada",
    }
    async with node(environment):
        for handle, text in expected.items():
            assert (await ended(database, handle.task_id))["status"] == "COMPLETED"
            stored, name = (
                (await result(database, handle.task_id))["result_data"],
                (await row(database, handle.task_id))["task_name"],
            )
            assert seals.open(stored, name, "result", handle.task_id) == text
    dump = await database.pool.fetch(
        "SELECT to_jsonb(t)::text FROM tasks t WHERE task_id <> ALL($1)"
        " UNION ALL SELECT to_jsonb(r)::text FROM task_results r",
        [open_ada.task_id, last.task_id],
    )
    assert not [text for (text,) in dump if "Ada" in text or "Eve" in text or "Two:" in text]


async def test_a_worker_without_keys_fails_what_takes_encrypted_results(
    make_engine: Callable[..., Engine], environment: dict[str, str], database: Database
) -> None:
    engine = make_engine(PayloadEncryption(KEYS, current="new", tasks=[GREET]))
    first = await engine.submit(Request(GREET, kwargs={"name": "Ada"}))
    last = await engine.submit(
        Request(f"{GREET}_all", kwargs={"greeting": "Hi", "names": [first.output]}, max_retries=0)
    )
    async with node(environment, SURROUNDED_TASKS="forgetful"):
        assert (await ended(database, last.task_id))["status"] == "FAILED"
    error = (await result(database, last.task_id))["error_message"]
    assert error == "SealedError: surrounded.greet_all takes results that are encrypted, and this worker opens none."
