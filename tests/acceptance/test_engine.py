"""The engine as its users see it: what it promises, on a running `taskflow up`, by command line and HTTP.

Limits under load are in `test_limits.py`, a resumed WebSocket in `test_websocket_resume.py`, kills in `tests/chaos`.
"""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from support.command_line import CONFLICT, FAILED, NOT_FOUND, USAGE, Cli
from support.processes import running
from support.receiver import receiving
from support.up import System
from support.waiting import eventually, eventually_sync

pytestmark = pytest.mark.xdist_group("cli")

GRAPH = {
    "tasks": [
        *({"name": f"part {number}", "task_name": "add", "args": {"left": number, "right": 1}} for number in range(3)),
        {"name": "sum", "task_name": "collect", "results": {"numbers": [f"part {number}" for number in range(3)]}},
        {"name": "told", "task_name": "noop", "after": ["all parts"]},
    ],
    "groups": [{"name": "all parts", "members": [f"part {number}" for number in range(3)]}],
}


def submit(cli: Cli, *arguments: str) -> str:
    return cli("task", "submit", *arguments).strip()


def status(cli: Cli, task_id: str) -> str:
    return str(cli.json("task", "get", task_id)["status"])


# ── schedules ───────────────────────────────────────────────────────────────────────────────────────


def test_a_delayed_task_waits_and_then_runs(cli: Cli) -> None:
    delayed = submit(cli, "noop", "--delay", "1h")
    assert status(cli, delayed) == "SCHEDULED"
    due = datetime.fromisoformat(cli.json("task", "get", delayed)["due_at"])
    assert timedelta(minutes=59) < due - datetime.now(UTC) <= timedelta(hours=1)
    assert cli("task", "submit", "noop", "--delay", "1s", "--wait").split()[1] == "COMPLETED"
    cli("task", "submit", "noop", "--delay", "1s", "--at", "2100-01-01T00:00:00Z", code=CONFLICT)


def test_a_schedule_is_tried_paused_backfilled_and_run_by_hand(cli: Cli) -> None:
    nights = cli.json("schedule", "next", "--cron", "30 2 * * *", "--zone", "Europe/Berlin", "--count", "3")
    assert all(datetime.fromisoformat(night).utcoffset() is not None for night in nights)
    terms = ("--cron", "0 * * * *", "--misfire", "all", "--overlap", "skip", "--jitter", "5s", "--paused")
    cli("schedule", "create", "hourly", "add", "left=1", "right=2", *terms)
    day = ("--from", "2026-01-01T00:00:00Z", "--to", "2026-01-01T05:00:00Z")
    filled = cli.json("schedule", "backfill", "hourly", *day)
    assert (filled["created"], filled["instants"]) == (6, 6)
    assert cli.json("schedule", "backfill", "hourly", *day)["created"] == 0  # an instant fires once
    fires = cli.json("schedule", "fires", "hourly")
    for fire in fires:
        assert cli("task", "watch", fire["task_id"]).split()[1] == "COMPLETED"
    assert cli("schedule", "run", "hourly", "--wait").split()[1] == "COMPLETED"
    cli("schedule", "update", "hourly", code=USAGE)
    cli("schedule", "create", "never", "add", code=USAGE)
    cli("schedule", "delete", "hourly")


# ── dependencies ────────────────────────────────────────────────────────────────────────────────────


def test_a_graph_fans_out_and_in_and_hands_results_on(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "graph.json"
    file.write_text(json.dumps(GRAPH), encoding="utf-8")
    ids = cli.json("task", "submit-graph", str(file))["task_ids"]
    ended = cli("task", "watch", ids["sum"], ids["told"], ids["all parts"])
    assert ended.count("COMPLETED") == 3
    assert cli.json("task", "get", ids["sum"])["result"]["result_data"] == 6
    drawn = cli.json("task", "graph", ids["sum"])
    assert {node["task_id"] for node in drawn["nodes"]} == set(ids.values())
    assert "collect" in cli("task", "graph", ids["sum"])


def test_a_circle_is_refused_and_named(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "circle.json"
    tasks = [{"name": name, "task_name": "noop", "after": [other]} for name, other in ("ab", "bc", "ca")]
    file.write_text(json.dumps({"tasks": tasks}), encoding="utf-8")
    said = cli("task", "submit-graph", str(file), code=CONFLICT)
    assert "in a circle" in said


def test_a_failed_graph_goes_on_from_where_it_failed(cli: Cli, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    first = submit(cli, "needs", f"path={missing}")
    behind = submit(cli, "noop", "--after", first)
    assert cli("task", "watch", first, behind, code=FAILED).count("FAILED") == 2
    missing.touch()
    assert cli.json("task", "retry", "--from-failed", first)[0]["retried"] == 2
    assert cli("task", "watch", first, behind).count("COMPLETED") == 2


def test_a_subtree_is_cancelled_whole(cli: Cli) -> None:
    top = submit(cli, "noop", "--delay", "1h")
    below = submit(cli, "noop", "--after", top)
    under = submit(cli, "noop", "--after", below)
    assert cli.json("task", "cancel", "--subtree", top)[0]["cancelled"] == 3
    assert {status(cli, task_id) for task_id in (top, below, under)} == {"CANCELLED"}


# ── dead letters and poison ─────────────────────────────────────────────────────────────────────────


def letter_of(cli: Cli, task_id: str) -> dict[str, Any]:
    return next(row for row in cli.json("dlq", "list", "--waiting") if row["task_id"] == task_id)


def test_dead_letters_are_grouped_edited_requeued_and_purged(cli: Cli) -> None:
    failed = [
        cli("task", "submit", "checks_word", "word=left", "--max-retries", "0", "--wait", code=FAILED).split()[0]
        for _ in range(2)
    ]
    (group,) = cli.json("dlq", "groups", "--name", "checks_word")
    assert (group["letters"], group["error_class"]) == (2, "ValueError")
    letter = letter_of(cli, failed[0])
    shown = cli("dlq", "show", letter["dlq_id"])
    assert "left is not right" in shown
    mended = cli("dlq", "requeue", letter["dlq_id"], "--set", "word=right").strip()
    assert cli("task", "watch", mended).split()[1] == "COMPLETED"
    assert cli.json("dlq", "requeue", "--fingerprint", group["fingerprint"])["requeued"] == 1
    cli("task", "watch", failed[1], code=FAILED)
    assert cli.json("dlq", "purge", "--name", "checks_word")["purged"] == 3
    assert cli("dlq", "requeue", str(uuid4()), code=FAILED) == "0 requeued\n"
    assert cli("dlq", "purge", letter["dlq_id"], code=FAILED) == "0 purged\n"
    cli("dlq", "show", letter["dlq_id"], code=NOT_FOUND)
    assert "'yesterday' is no instant" in cli("dlq", "list", "--after", "yesterday", code=USAGE)


def test_a_retry_policy_lets_a_task_come_back_by_itself(cli: Cli, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    cli("dlq", "policy", "set", "needs", "--retries", "3", "--delay", "1s")
    try:
        task_id = cli("task", "submit", "needs", f"path={missing}", "--wait", code=FAILED).split()[0]
        missing.touch()
        eventually_sync(lambda: status(cli, task_id) == "COMPLETED", seconds=60, every=0.5, what="its policy at work")
    finally:
        cli("dlq", "policy", "delete", "needs")


def test_a_task_that_kills_its_process_is_quarantined_and_its_neighbours_finish(cli: Cli) -> None:
    neighbours = [submit(cli, "sleeps", "seconds=1") for _ in range(4)]
    poison = submit(cli, "exits_the_process", "--max-retries", "10")
    assert cli("task", "watch", poison, *neighbours, code=FAILED).count("COMPLETED") == 4
    found = cli.json("task", "get", poison)
    assert (found["status"], found["crash_count"]) == ("FAILED", 3)
    assert {attempt["status"] for attempt in found["executions"]} == {"CRASHED"}
    assert letter_of(cli, poison)["task_name"] == "exits_the_process"


# ── cancel ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_task_is_cancelled_wherever_it_is(cli: Cli, system: System) -> None:
    cli("queue", "pause", "held")
    waits = [
        submit(cli, "noop", "--queue", "held"),
        submit(cli, "noop", "--delay", "1h"),
        submit(cli, "noop", "--after", submit(cli, "noop", "--delay", "1h")),
    ]
    assert [status(cli, task_id) for task_id in waits] == ["PENDING", "SCHEDULED", "BLOCKED"]
    runs = [submit(cli, name, "seconds=600") for name in ("sleeps", "sleeps_in_a_slot")]
    for task_id in runs:
        eventually_sync(lambda task_id=task_id: status(cli, task_id) == "RUNNING", seconds=30, what="it runs")
    cli("task", "cancel", *waits, *runs)
    for task_id in (*waits, *runs):
        assert system.ended(task_id)["status"] == "CANCELLED"
    assert cli("task", "submit", "sleeps_in_a_slot", "seconds=0", "--wait").split()[1] == "COMPLETED"  # a new slot
    cli("queue", "resume", "held")


# ── limits, queues and workers ──────────────────────────────────────────────────────────────────────


def test_a_limit_is_overridden_and_the_code_decides_again(cli: Cli) -> None:
    assert cli("task", "submit", "alone", "--wait").split()[1] == "COMPLETED"  # its worker has published its limit

    def limit() -> dict[str, Any]:
        return next(dict(row) for row in cli.json("limit", "list") if row["task_name"] == "alone")

    assert (limit()["concurrency"], limit()["source"]) == (1, "code")
    cli("limit", "set", "alone", "--concurrency", "3")
    assert (limit()["concurrency"], limit()["code_concurrency"]) == (3, 1)
    cli("limit", "reset", "alone")
    assert limit()["concurrency"] == 1
    cli("limit", "set", "taskflow.echo", "--concurrency", "1")  # its definition asks for none
    cli("limit", "reset", "taskflow.echo")
    cli("limit", "reset", "taskflow.echo", code=NOT_FOUND)


def test_a_queue_is_paused_peeked_into_purged_and_drained(cli: Cli) -> None:
    cli("queue", "set", "images", "--priority", "HIGH", "--max-retries", "2", "--concurrency", "4", "--rate", "600/m")
    cli("queue", "pause", "images")
    first, second = (submit(cli, "taskflow.echo", "message=hello", "--queue", "images") for _ in range(2))
    assert cli.json("task", "get", first)["priority"] == 8
    assert cli("queue", "peek", "images").split() == [first, second]
    assert cli.json("queue", "show", "images")["waiting"] == 2
    assert cli.json("queue", "purge", "images", "--yes") == {"cancelled": 2}
    third = submit(cli, "noop", "--queue", "images")
    cli("queue", "drain", "images")
    cli("task", "submit", "noop", "--queue", "images", code=CONFLICT)
    assert cli("task", "watch", third).split()[1] == "COMPLETED"  # who drains runs what waits
    assert cli.json("queue", "resume", "images")[0]["state"] == "active"


async def test_a_worker_joins_chooses_its_queue_and_is_shut_down_from_afar(cli: Cli) -> None:
    known = {row["worker_id"] for row in cli.json("worker", "list")}
    async with running(cli.environment, "worker", "--queues", "far", "--autoscale", "1:2") as process:

        async def joined() -> dict[str, Any] | None:
            rows = await asyncio.to_thread(cli.json, "worker", "list")
            return next((row for row in rows if row["worker_id"] not in known), None)

        worker = await eventually(joined, seconds=30, what="the worker is listed")
        assert worker["queues"] == ["far"]
        done = await asyncio.to_thread(cli, "worker", "shutdown", worker["worker_id"])
        assert "DEAD" in done
        assert await process.wait() == 0


def test_the_wanted_workers_are_told_for_an_autoscaler(cli: Cli, system: System) -> None:
    assert system.get("/autoscaling", queue="nothing.is.here")["desired_workers"] == 0
    gate = submit(cli, "sleeps", "seconds=600", "--queue", "scaled")

    def wanted() -> int:
        return int(system.get("/autoscaling", queue="scaled")["desired_workers"])

    eventually_sync(lambda: wanted() == 1, seconds=30, every=0.5, what="one worker is wanted")
    cli("task", "cancel", gate)
    eventually_sync(lambda: wanted() == 0, seconds=30, every=0.5, what="none is wanted")


# ── what a task says, keeps and may be ──────────────────────────────────────────────────────────────


def test_a_task_tells_progress_logs_and_its_fence(cli: Cli, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    task_id = submit(cli, "reports", f"path={gate}")

    def progress() -> dict[str, Any]:
        return cli.json("task", "get", task_id)["progress"] or {}

    eventually_sync(lambda: progress().get("message") == "rendering", seconds=30, what="it tells how far it is")
    gate.touch()
    assert cli("task", "watch", task_id).rstrip().endswith("COMPLETED")
    assert (progress()["done"], progress()["total"]) == (8, 8)
    fence = cli("task", "submit", "reports_from_a_slot", "--wait").splitlines()[-1].split()[0]
    assert cli.json("task", "get", fence)["result"]["result_data"] == 1
    silent = cli("task", "submit", "falls_silent", "beats=1", "--wait", code=FAILED).split()
    assert silent[1] == "TIMEOUT"


def test_results_are_kept_as_the_task_says(cli: Cli) -> None:
    def result(name: str, *arguments: str, code: int = 0) -> dict[str, Any]:
        task_id = cli("task", "submit", name, *arguments, "--wait", code=code).split()[0]
        return cli.json("task", "get", task_id)["result"] or {}

    assert result("keeps_for_an_hour")["result_data"] == "fresh"
    assert result("keeps_nothing").get("result_data") is None
    assert "ResultTooLargeError" in result("returns_bytes", "count=1000", code=FAILED)["error_message"]


def test_tags_expiry_unique_and_idempotency_keys(cli: Cli) -> None:
    tagged = submit(cli, "noop", "--tag", "red", "--tag", "blue")
    assert [row["task_id"] for row in cli.json("task", "list", "--tag", "red", "--tag", "blue")] == [tagged]
    cli("queue", "pause", "stale")
    stale = submit(cli, "noop", "--queue", "stale", "--expires-in", "1")
    eventually_sync(lambda: status(cli, stale) == "CANCELLED", seconds=30, every=0.2, what="it expires")
    cli("queue", "resume", "stale")
    held = ("sync_account", "account=7", "--delay", "1h")
    holder = submit(cli, *held)
    assert submit(cli, *held) == holder
    assert holder in cli("task", "submit", *held, "--on-conflict", "raise", code=CONFLICT)
    assert submit(cli, *held, "--on-conflict", "replace") != holder
    assert status(cli, holder) == "CANCELLED"
    once = ("add", "left=1", "right=2", "--idempotency-key", "order 17")
    assert submit(cli, *once) == submit(cli, *once)
    cli("task", "submit", "add", "left=2", "right=2", "--idempotency-key", "order 17", code=CONFLICT)


def test_middleware_dependencies_lifespan_encryption_and_versions(cli: Cli, system: System) -> None:
    greeted = cli("task", "submit", "house.greet", "name=Ada", "--wait").split()[0]
    assert cli.json("task", "get", greeted)["tags"] == ["house"]  # by its middleware
    sealed = cli("task", "submit", "house.keep_secret", "word=sesame", "--wait").split()[0]
    found = cli.json("task", "get", sealed)
    assert "sesame" not in json.dumps(found)
    assert found["task_kwargs"] == {"encrypted": "test"}
    session = cli("task", "submit", "uses_a_session", "fails=false", "--wait").split()[0]
    assert cli.json("task", "get", session)["result"]["result_data"][0] == "uses_a_session"
    journal = Path(system.environment["OPTION_TASKS_JOURNAL"]).read_text(encoding="utf-8")
    assert "child begins" in journal
    assert "session committed" in journal
    old = {"task_name": "renamed", "args": {"first": "Ada", "last": "Lovelace"}, "version": 1}
    upgraded = system.ended(system.post("/tasks", old)["task_id"])
    assert upgraded["result"]["result_data"] == "Hello Ada Lovelace"


# ── signals of life ─────────────────────────────────────────────────────────────────────────────────


def test_an_event_stream_goes_on_behind_its_last_cursor(cli: Cli, system: System) -> None:
    def listen(cursor: str | None, until: str) -> tuple[str, list[str]]:
        """Read until an event names a task; return the last cursor and all tasks that were told of."""
        last, told = cursor or "", []
        headers = {"Last-Event-ID": cursor} if cursor else {}
        with system.http.stream("GET", "/events", params={"topic": "tasks"}, headers=headers) as answer:
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                if name == "id":
                    last = value
                elif name == "event" and value == "subscribed" and not cursor:
                    submit(cli, "noop", "--idempotency-key", "heard")
                elif name == "data" and "task_id" in (data := json.loads(value).get("data", {})):
                    told.append(data["task_id"])
                    if data["task_id"] == until or until == "any":
                        return last, told
        raise AssertionError("the stream ended")

    cursor, _ = listen(None, "any")
    missed = [cli("task", "submit", "noop", "--wait").split()[0] for _ in range(3)]
    _, told = listen(cursor, missed[-1])
    assert [task_id for task_id in told if task_id in missed] == missed


async def test_ends_are_told_to_a_webhook_signed(cli: Cli) -> None:
    async with receiving() as receiver:
        url = f"http://127.0.0.1:{receiver.port}/hook"
        made = await asyncio.to_thread(cli.json, "webhook", "create", url, "--task", "add", "--event", "task.completed")
        try:
            task_id = await asyncio.to_thread(submit, cli, "add", "left=1", "right=2")

            async def told() -> bool:
                return bool(receiver.messages)

            await eventually(told, seconds=30, what="the webhook is told")
            (message,) = receiver.messages
            assert message.is_signed_with(made["secret"])
            assert (message.json["type"], message.json["data"]["task_id"]) == ("task.completed", task_id)
            deliveries = await asyncio.to_thread(cli.json, "webhook", "deliveries", made["webhook_id"])
            assert [row["event"] for row in deliveries] == ["task.completed"]
        finally:
            await asyncio.to_thread(cli, "webhook", "delete", made["webhook_id"])


def test_metrics_name_queues_and_no_ids(cli: Cli, system: System) -> None:
    task_id = submit(cli, "noop", "--queue", "measured", "--delay", "1h")

    def metrics() -> str:
        return system.http.get(f"{system.url}/metrics").text

    eventually_sync(
        lambda: 'taskflow_tasks{queue="measured",state="scheduled"} 1' in metrics(), seconds=30, what="it is measured"
    )
    assert task_id not in metrics()
    cli("task", "cancel", task_id)
