"""Commands that speak HTTP, against a served API, as a shell runs them."""

import asyncio
import json
import re
import sys
import zipfile
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from support import sample_tasks
from support.api import serving
from support.dns_server import DnsServer
from support.letters import give_up
from support.lives import publish_generation
from support.processes import running
from support.waiting import eventually
from taskflow.base.ids import uuid7
from taskflow.broker.redis.broker import RedisBroker
from taskflow.broker.redis.dispatch import Settled
from taskflow.broker.redis.events import Event
from taskflow.db.pool import Database
from taskflow.engine.limits.publishing import publish_limits
from taskflow.engine.outcomes import completed
from taskflow.engine.store import ProgressLine, TaskStore
from taskflow.identity.first_start import ensure_cli_key, ensure_first_admin
from taskflow.settings import Settings


class Shell:
    """Runs `taskflow …`."""

    def __init__(self, environment: dict[str, str], url: str) -> None:
        self.environment = environment | {"TASKFLOW_API_URL": url}

    async def start(self, *arguments: str, **changes: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "taskflow.cli.main", *arguments,
            env=self.environment | changes,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip

    async def run(self, *arguments: str, stdin: str = "", **changes: str) -> tuple[int, str, str]:
        process = await self.start(*arguments, **changes)
        out, err = await asyncio.wait_for(process.communicate(stdin.encode()), 60)
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    async def json(self, *arguments: str) -> object:
        code, out, err = await self.run(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)


@pytest.fixture
async def shell(settings: Settings, database: Database, environment: dict[str, str]) -> AsyncIterator[Shell]:
    await ensure_first_admin(database, settings)
    settings.home.mkdir(parents=True)
    await ensure_cli_key(database, settings)
    async with serving(settings) as url:
        yield Shell(environment, url)


async def test_a_task_is_submitted_found_cancelled_and_retried(shell: Shell) -> None:
    created = await shell.json("task", "submit", "resize", "image_id=3", "name=tree", "--priority", "high")
    task_id = created["task_id"]  # type: ignore[index]
    found = await shell.json("task", "get", task_id)
    assert found["task_kwargs"] == {"image_id": 3, "name": "tree"}  # type: ignore[index]
    assert found["priority"] == 8  # type: ignore[index]
    listed = await shell.json("task", "list", "--status", "pending")
    assert [item["task_id"] for item in listed] == [task_id]  # type: ignore[attr-defined]
    code, out, _ = await shell.run("task", "cancel", task_id)
    assert (code, "CANCELLED" in out) == (0, True)
    assert (await shell.json("task", "retry", task_id))[0]["status"] == "PENDING"  # type: ignore[index]
    assert await shell.json("task", "logs", task_id) == []


async def test_exit_codes_tell_scripts_what_happened(shell: Shell) -> None:
    code, _, err = await shell.run("task", "get", str(uuid7()))
    assert (code, err.startswith("taskflow: There is no task")) == (3, True)
    for command in ("list", "watch"):
        code, _, err = await shell.run("task", command, TASKFLOW_API_KEY="tf_000000000000_" + "A" * 43)
        assert (code, "does not take TASKFLOW_API_KEY" in err) == (4, True), err
    assert (await shell.run("task", "list", TASKFLOW_HOME="/nonexistent"))[0] == 4
    assert (await shell.run("task", "submit", ""))[0] == 5
    assert (await shell.run("task", "submit", "x", "no-equals-sign"))[0] == 2
    assert (await shell.run("task", "list", TASKFLOW_API_URL="http://127.0.0.1:1"))[0] == 6
    assert (await shell.run("dlq", "requeue"))[0] == 2
    assert (await shell.run("task", "list", TASKFLOW_API_URL="localhost:8000"))[0] == 2


async def test_watching_what_cannot_be_there_ends_with_a_sentence(shell: Shell) -> None:
    for noun, refused, said in (("task", 2, "'no-id' is not a valid UUID"), ("campaign", 5, "taskflow: campaign_id:")):
        code, _, err = await shell.run(noun, "watch", "no-id")
        assert (code, said in err) == (refused, True), err
        assert (await shell.run(noun, "watch", str(uuid7())))[0] == 3


async def test_files_and_options_that_cannot_be_read_are_usage_errors(shell: Shell, tmp_path: Path) -> None:
    people, page, broken = tmp_path / "people.csv", tmp_path / "mail.html", tmp_path / "broken.json"
    people.write_text("email\nada@example.com\n", encoding="utf-8")
    page.write_bytes(b"<p>caf\xe9</p>")
    broken.write_text("{", encoding="utf-8")
    array = tmp_path / "array.json"
    array.write_text("[]", encoding="utf-8")
    for arguments, said in (
        (("campaign", "create", str(people), "--variables", "{"), "--variables is no JSON"),
        (("campaign", "create", str(people), "--config", str(broken)), "broken.json is no JSON"),
        (("campaign", "create", str(people), "--config", str(array)), "array.json holds no JSON object"),
        (("campaign", "create", str(people), "--html", str(page)), "mail.html is not UTF-8"),
        (("inbox", "rules", str(broken)), "broken.json is no JSON"),
        (("user", "create", "ada@example.com"), "use --password-stdin"),
    ):
        code, _, err = await shell.run(*arguments)
        assert (code, said in err) == (2, True), err


async def test_an_unknown_revision_is_not_found(shell: Shell) -> None:
    for step in (("upgrade", "9999"), ("downgrade", "9999", "--yes")):
        code, _, err = await shell.run("db", *step)
        assert (code, "9999" in err, "Traceback" in err) == (3, True, False), err


async def test_a_database_that_cannot_be_reached_is_a_sentence(shell: Shell) -> None:
    for url, expected, said in (
        ("postgresql://127.0.0.1:1/x", 6, "PostgreSQL does not answer"),
        ("nonsense", 1, "TASKFLOW_DATABASE_URL cannot be used"),
    ):
        for command in ("current", "upgrade"):
            code, _, err = await shell.run("db", command, TASKFLOW_DATABASE_URL=url)
            assert (code, said in err, "Traceback" in err) == (expected, True, False), err


async def test_users_keys_workers_and_dead_letters_are_managed(shell: Shell, tmp_path: Path) -> None:
    code, out, err = await shell.run("user", "create", "ada@example.com", "--password-stdin", stdin="a long password\n")
    assert (code, out) == (0, "ada@example.com may sign in as viewer.\n"), err
    made = await shell.json("key", "create", "robot", "--role", "operator", "--scope", "metrics")
    assert made["key"].startswith("tf_")  # type: ignore[index]
    assert (await shell.run("task", "list", TASKFLOW_API_KEY=made["key"]))[0] == 0  # type: ignore[index]
    past = await shell.run("key", "create", "late", "--expires-at", "2020-01-01T00:00:00Z")
    assert (past[0], "lies in the past" in past[2]) == (5, True)
    assert (await shell.run("key", "revoke", made["key_id"]))[0] == 0  # type: ignore[index]
    assert (await shell.run("worker", "list"))[::2] == (0, "No workers.\n")
    assert await shell.json("worker", "list") == []
    assert await shell.json("dlq", "list") == []
    assert await shell.json("dlq", "requeue", "--all") == {"requeued": 0}


async def test_a_schedule_is_made_read_steered_and_deleted(shell: Shell) -> None:
    code, out, err = await shell.run(
        *("schedule", "create", "nightly", "report", "day=yesterday", "--cron", "0 3 * * MON-FRI"),
        *("--zone", "Europe/Berlin", "--overlap", "skip", "--priority", "high", "--window", "2h"),
    )
    assert code == 0, err
    assert out.startswith("when                    0 3 * * MON-FRI (Europe/Berlin)\n")
    assert out.count("next  2") == 5
    found = await shell.json("schedule", "get", "nightly")
    assert found["misfire_window_seconds"] == 7200  # type: ignore[index]
    assert found["task_kwargs"] == {"day": "yesterday"}  # type: ignore[index]
    assert (await shell.json("schedule", "update", "nightly", "--every", "5m"))["interval_seconds"] == 300  # type: ignore[index]
    _, out, _ = await shell.run("schedule", "list")
    header, line = out.splitlines()
    assert header.split() == ["NAME", "WHEN", "TASK_NAME", "NEXT_FIRE_AT", "LAST_FIRE_AT", "PAUSED"]
    assert line.startswith("nightly  every 300 s  report")
    assert [row["paused"] for row in await shell.json("schedule", "pause", "nightly")] == [True]  # type: ignore[attr-defined]
    assert await shell.json("schedule", "list", "--active") == []
    assert [row["paused"] for row in await shell.json("schedule", "resume", found["schedule_id"])] == [False]  # type: ignore[attr-defined, index]
    assert len(await shell.json("schedule", "next", "nightly", "--count", "3")) == 3  # type: ignore[arg-type]
    made = await shell.json("schedule", "run", "nightly")
    filled = ("schedule", "backfill", "nightly", "--from", "2026-06-01T00:00:00Z", "--to", "2026-06-01T00:59:59Z")
    assert (await shell.json(*filled))["created"] == 12  # type: ignore[index]
    _, out, _ = await shell.run(*filled)
    assert out == "0 of 12 instants fired now; the rest had before.\n"
    fires = await shell.json("schedule", "fires", "nightly")
    assert len(fires) == 13  # type: ignore[arg-type]
    assert fires[0]["task_id"] == made["task_id"]  # type: ignore[index]
    assert (await shell.run("schedule", "delete", "nightly"))[:2] == (0, "deleted nightly\n")
    assert await shell.json("schedule", "list") == []


async def test_a_schedule_that_is_wrong_is_told_so(shell: Shell) -> None:
    code, _, err = await shell.run("schedule", "get", "nobody")
    assert (code, err) == (3, "taskflow: There is no schedule called 'nobody'.\n")
    code, _, err = await shell.run("schedule", "create", "x", "y", "--cron", "0 25 * * *")
    assert (code, "hour '25' is none of its values: it takes 0-23" in err) == (5, True)
    code, _, err = await shell.run("schedule", "create", "x", "y", "--cron", "@daily", "--zone", "Europe/Berln")
    assert (code, "did you mean Europe/Berlin" in err) == (5, True)
    assert (await shell.run("schedule", "create", "x", "y"))[0] == 2
    assert (await shell.run("schedule", "create", "x", "y", "--every", "soon"))[0] == 2
    assert (await shell.run("schedule", "next"))[0] == 2


async def test_an_expression_is_tried_without_a_server() -> None:
    shell = Shell({"TASKFLOW_HOME": "/nonexistent"}, "http://127.0.0.1:1")
    code, out, err = await shell.run(
        "schedule", "next", "--cron", "30 2 * * *", "--zone", "Europe/Berlin", "--count", "2"
    )
    assert (code, len(out.splitlines())) == (0, 2), err
    assert all("T02:30:00+0" in line or "T03:00:00+02:00" in line for line in out.splitlines())


async def test_watching_a_task_ends_with_it_and_tells_how_it_ended(
    shell: Shell, database: Database, broker: RedisBroker
) -> None:
    await publish_generation(broker, "g")
    done = (await shell.json("task", "submit", "x"))["task_id"]  # type: ignore[index]
    failed = (await shell.json("task", "submit", "x"))["task_id"]  # type: ignore[index]
    watching = await shell.start("task", "watch", done, failed)
    await asyncio.sleep(1)  # not needed for the result: ends before and after the subscription are both found
    for task_id, status, failed_at in ((done, "COMPLETED", None), (failed, "FAILED", "now()")):
        await database.pool.execute(
            f"UPDATE tasks SET status = '{status}', completed_at = now(), failed_at = {failed_at or 'NULL'} "  # noqa: S608
            "WHERE task_id = $1::text::uuid",
            task_id,
        )
        await broker.dispatch.settle([Settled("default", task_id, status)])
    out, _ = await asyncio.wait_for(watching.communicate(), 30)
    assert sorted(out.decode().splitlines()) == sorted([f"{done}  COMPLETED", f"{failed}  FAILED"])
    assert watching.returncode == 1


async def test_a_graph_is_submitted_shown_cancelled_and_retried(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "graph.json"
    file.write_text(
        json.dumps({"tasks": [{"name": "a", "task_name": "x"}, {"name": "b", "task_name": "y", "after": ["a"]}]})
    )
    created: Any = await shell.json("task", "submit-graph", str(file))
    a, b = created["task_ids"]["a"], created["task_ids"]["b"]
    after: Any = await shell.json("task", "submit", "z", "--after", b)
    assert after["status"] == "BLOCKED"
    code, out, _ = await shell.run("task", "graph", b)
    assert code == 0
    assert [line.split()[0::2] for line in out.splitlines()[1:]] == [["1", "x", "-"], ["2", "y", "1"], ["3", "z", "2"]]
    _, out, _ = await shell.run("task", "get", b)
    assert f"after {a}  x  PENDING" in out
    assert await shell.json("task", "cancel", "--subtree", a) == [{"task_id": a, "cancelled": 3}]
    assert await shell.json("task", "retry", "--from-failed", b) == [{"task_id": b, "retried": 3}]
    file.write_text('{"tasks": [{"name": "a", "task_name": "x", "after": ["a"]}]}')
    code, _, err = await shell.run("task", "submit-graph", str(file))
    assert code == 5
    assert "in a circle: a → a." in err


async def test_options_of_a_task_and_its_progress(shell: Shell, database: Database, broker: RedisBroker) -> None:
    await publish_generation(broker, "first")
    arguments = ("--tag", "red", "--tag", "blue", "--expires-in", "1h", "--unique-key", "k")
    created = await shell.json("task", "submit", "render", *arguments)
    task_id = created["task_id"]  # type: ignore[index]
    assert await shell.json("task", "submit", "render", *arguments) == created
    code, _, err = await shell.run("task", "submit", "render", "--unique-key", "k", "--on-conflict", "raise")
    assert (code != 0, task_id in err) == (True, True), err
    [found] = await shell.json("task", "list", "--tag", "red", "--tag", "blue")  # type: ignore[misc]
    assert (found["task_id"], found["tags"]) == (task_id, ["blue", "red"])
    assert await shell.json("task", "list", "--tag", "green") == []

    store = TaskStore(database)
    [lease] = await store.claim(uuid7(), uuid7(), uuid7(), [task_id])
    await store.write_progress([ProgressLine(lease.task_id, 1, 37.5, 3, 8, "rendering")])
    assert "progress: 38 %  (3 of 8)  rendering" in (await shell.run("task", "get", task_id))[1]

    watching = await shell.start("task", "watch", task_id)
    assert watching.stdout is not None
    data = {"task_id": task_id, "percent": 50.0, "done": None, "total": None, "message": "half"}
    reading = asyncio.create_task(watching.stdout.readline())

    async def told() -> bool:
        """Say it again: the socket may not have listened yet."""
        await broker.events.publish([Event(f"task:{task_id}", "task.progress", data)])
        return reading.done()

    await eventually(told, seconds=30, every=0.2)
    assert (await reading).decode() == f"{task_id}  50 %  half\n"
    await store.finish([completed(lease, 0.1)])
    await broker.dispatch.settle([Settled("default", task_id, "COMPLETED")])
    out, _ = await asyncio.wait_for(watching.communicate(), 30)
    assert out.decode().splitlines()[-1] == f"{task_id}  COMPLETED"


async def test_dead_letters_are_shown_grouped_edited_purged_and_get_policies(shell: Shell, database: Database) -> None:
    dlq_id, _ = await give_up(database, "mail", kwargs={"to": "Adda", "times": 2}, queue="slow")
    other, _ = await give_up(database, "mail", kwargs={"to": "Bob"})
    [group] = await shell.json("dlq", "groups", "--name", "mail")  # type: ignore[misc]
    assert (group["letters"], group["error_place"]) == (2, "app.py:work")
    found = ("dlq", "list", "--fingerprint", group["fingerprint"], "--queue", "slow", "--waiting")
    assert [row["dlq_id"] for row in await shell.json(*found)] == [str(dlq_id)]  # type: ignore[attr-defined]
    code, out, err = await shell.run("dlq", "show", str(dlq_id))
    assert (code, "ValueError: broken" in out) == (0, True), err
    assert (await shell.json("dlq", "show", str(dlq_id)))["task_status"] == "FAILED"  # type: ignore[index]
    code, out, err = await shell.run("dlq", "requeue", str(dlq_id), "--set", "to=Ada", "--priority", "high")
    assert code == 0, err
    task = await shell.json("task", "get", out.strip())
    assert (task["task_kwargs"], task["priority"]) == ({"to": "Ada", "times": 2}, 8)  # type: ignore[index]
    assert (await shell.run("dlq", "requeue", str(dlq_id), str(other), "--to-queue", "x"))[0] == 2
    assert (await shell.run("dlq", "requeue", "--set", "to=Ada", "--name", "mail"))[0] == 2
    made = await shell.json("dlq", "policy", "set", "a/b c", "--retries", "2", "--delay", "5m")
    assert (made[0]["task_name"], made[0]["delay_seconds"]) == ("a/b c", 300)  # type: ignore[index]
    assert len(await shell.json("dlq", "policy", "list")) == 1  # type: ignore[arg-type]
    assert (await shell.run("dlq", "policy", "delete", "a/b c"))[:2] == (0, "deleted a/b c\n")
    assert (await shell.run("dlq", "policy", "delete", "a/b c"))[0] == 3
    assert (await shell.run("dlq", "purge"))[0] == 2
    assert await shell.json("dlq", "purge", "--requeued") == {"purged": 1}
    assert await shell.json("dlq", "purge", str(other)) == {"purged": 1}


async def test_a_webhook_is_made_tested_listed_and_deleted(settings: Settings, shell: Shell) -> None:
    settings.webhook.allow_networks = [ip_network("127.0.0.0/8")]
    made = await shell.json("webhook", "create", "http://127.0.0.1:9/", "--event", "task.failed", "--task", "mail")
    webhook_id = made["webhook_id"]  # type: ignore[index]
    assert made["secret"].startswith("whsec_")  # type: ignore[index]
    assert "secret" not in (await shell.json("webhook", "show", webhook_id))  # type: ignore[operator]
    sent = await shell.json("webhook", "test", webhook_id)
    code, out, err = await shell.run("webhook", "deliveries", webhook_id, "--undelivered")
    assert (code, sent["delivery_id"] in out, "webhook.test" in out) == (0, True, True), err  # type: ignore[index]
    assert (await shell.run("webhook", "rotate", webhook_id))[1].startswith("whsec_")
    [off] = await shell.json("webhook", "disable", webhook_id)  # type: ignore[misc]
    [on] = await shell.json("webhook", "enable", webhook_id)  # type: ignore[misc]
    assert (off["disabled_reason"], on["disabled_reason"]) == ("Disabled by hand.", None)
    code, _, err = await shell.run("webhook", "create", "https://10.0.0.1/")
    assert (code, "10.0.0.1" in err) == (5, True)
    assert (await shell.run("webhook", "delete", webhook_id))[0] == 0
    assert await shell.json("webhook", "list") == []


async def test_queues_and_limits_are_steered(shell: Shell, database: Database, broker: RedisBroker) -> None:
    await publish_limits(database, broker, [sample_tasks.serve])
    await shell.run("task", "submit", "x", "--queue", "mail")
    [listed] = await shell.json("queue", "list")  # type: ignore[misc]
    assert (listed["name"], listed["state"], listed["waiting"]) == ("mail", "active", 1)
    assert (await shell.json("queue", "pause", "mail"))[0]["state"] == "paused"  # type: ignore[index]
    changed = await shell.json("queue", "set", "mail", "--concurrency", "3", "--rate", "100/m", "--priority", "high")
    assert {"concurrency": 3, "rate": "100/m", "priority": 8}.items() <= changed.items()  # type: ignore[attr-defined]
    assert (await shell.json("queue", "set", "mail", "--rate", "none"))["rate"] is None  # type: ignore[index]
    assert len(await shell.json("queue", "peek", "mail")) == 1  # type: ignore[arg-type]
    assert await shell.json("queue", "purge", "mail", "--yes") == {"cancelled": 1}
    assert (await shell.json("queue", "drain", "mail"))[0]["state"] == "drained"  # type: ignore[index]
    assert (await shell.json("queue", "resume", "mail"))[0]["state"] == "active"  # type: ignore[index]
    code, _, err = await shell.run("queue", "show", "nobodys")
    assert (code, "There is no queue 'nobodys'" in err) == (3, True)
    assert (await shell.run("queue", "set", "mail"))[0] == 2
    assert (await shell.run("queue", "set", "mail", "--concurrency", "few"))[0] == 2
    override = await shell.json("limit", "set", "serve", "ada", "--concurrency", "7")
    assert (override["key"], override["source"]) == ("ada", "operator")  # type: ignore[index]
    limits = await shell.json("limit", "list")
    assert {item["key"]: item["concurrency"] for item in limits} == {"*": 2, "ada": 7}  # type: ignore[attr-defined]
    assert (await shell.run("limit", "reset", "serve", "ada"))[0] == 0
    assert (await shell.run("limit", "reset", "serve", "ada"))[0] == 3


async def test_a_worker_command_shows_the_node_once_it_has_obeyed(shell: Shell, environment: dict[str, str]) -> None:
    quick = {"TASKFLOW_WORKER_PROCESSES": "1", "TASKFLOW_WORKER_HEARTBEAT_SECONDS": "0.5"}
    async with running({**environment, **quick}, "worker") as node:

        async def registered() -> object:
            return await shell.json("worker", "list")

        [worker] = await eventually(registered, seconds=30)  # type: ignore[misc]
        for verb, statuses in (("pause", {"PAUSED"}), ("resume", {"IDLE"}), ("drain", {"DRAINING", "DEAD"})):
            [row] = await shell.json("worker", verb, worker["worker_id"])  # type: ignore[misc]
            assert row["status"] in statuses
        assert await node.wait() == 0
        code, _, err = await shell.run("worker", "shutdown", worker["worker_id"])
        assert (code, "has stopped or is dead" in err) == (5, True)


async def test_top_prints_what_is_there_for_scripts(shell: Shell) -> None:
    await shell.run("task", "submit", "resize", "image_id=3", "--queue", "images")
    code, out, err = await shell.run("top", "--once", "--sort", "name")
    assert code == 0, err
    assert ("images" in out, "No worker node" in out, "None." in out) == (True, True, True)
    figures = await shell.json("top")
    assert figures["stats"]["tasks"]["queues"][0]["ready"] == 1  # type: ignore[index]
    assert (figures["workers"], figures["failures"]) == ([], [])  # type: ignore[index]
    code, _, err = await shell.run("top", TASKFLOW_API_URL="http://127.0.0.1:1")  # no terminal: as with --once
    assert (code, "No answer" in err) == (6, True)


async def test_a_provider_is_added_shown_changed_tested_and_removed_and_its_secret_stays_off_the_command_line(
    shell: Shell, tmp_path: Path
) -> None:
    assert "smtp" in (await shell.run("provider", "kinds"))[1]
    assert (await shell.json("provider", "kinds", "sendgrid"))[0]["name"] == "api_key"  # type: ignore[index]
    told = ("--set", "host=127.0.0.1", "--set", "port=1", "--set", "security=none", "--set", "username=u")
    code, out, err = await shell.run(
        "provider", "add", "relay", "smtp", *told, "--secret-stdin", "password", stdin="s3cret!\n"
    )
    assert (code, "provider test relay" in out) == (0, True), err
    shown = await shell.json("provider", "show", "relay")
    assert (shown["settings"]["port"], shown["secrets_set"]) == (1, ["password"])  # type: ignore[index]
    (tmp_path / "key").write_text("another\n")
    change = ("--priority", "3", "--per-day", "100", "--class", "bulk", "--unset", "port", "--disable")
    code, _, err = await shell.run("provider", "set", "relay", *change, "--secret-file", f"password={tmp_path / 'key'}")
    assert code == 0, err
    shown = await shell.json("provider", "show", shown["provider_id"])  # type: ignore[index]
    assert "port" not in shown["settings"]  # type: ignore[index]
    assert [shown[name] for name in ("priority", "per_day", "classes", "enabled")] == [3, 100, ["bulk"], False]  # type: ignore[index]
    await shell.run("provider", "set", "relay", "--set", "port=1", "--per-day", "0", "--all-classes", "--rename", "r2")
    assert [one["per_day"] for one in await shell.json("provider", "list")] == [None]  # type: ignore[attr-defined]
    await shell.run("provider", "set", "r2", "--prefer", "bulk=2", "--prefer", "transactional@Example.org=1:5")
    ordered: Any = await shell.json("provider", "show", "r2")
    assert ordered["preferences"] == [
        {"message_class": "bulk", "domain": None, "priority": 2, "weight": None},
        {"message_class": "transactional", "domain": "example.org", "priority": 1, "weight": 5},
    ]
    assert (await shell.run("provider", "set", "r2", "--prefer", "spam=2"))[0] == 2
    await shell.run("provider", "set", "r2", "--no-preferences")
    assert [one["preferences"] for one in await shell.json("provider", "list")] == [[]]  # type: ignore[attr-defined]
    await shell.run("provider", "set", "r2", "--price", "0.25", "--currency", "EUR")
    assert [one["price"] for one in await shell.json("provider", "list")] == [0.25]  # type: ignore[attr-defined]
    await shell.run("provider", "set", "r2", "--no-price")
    refused = await shell.run("provider", "set", "r2", "--price-to", "+91=0.002", "--currency", "INR")
    assert "Prices by number are of texts" in refused[2]
    assert [one["currency"] for one in await shell.json("provider", "list")] == [None]  # type: ignore[attr-defined]
    code, out, _ = await shell.run("provider", "test", "r2")
    assert (code, out.startswith("127.0.0.1:1: CONNECT")) == (1, True)
    assert "1 were already" in (await shell.run("provider", "rotate-secrets"))[1]
    assert (await shell.run("provider", "show", "relay"))[0] == 3
    assert (await shell.run("provider", "set", "r2"))[0] == 2
    code, _, error = await shell.run("provider", "remove", "r2")
    assert (code != 0, "--last" in error) == (True, True)
    assert (await shell.run("provider", "remove", "r2", "--last"))[0] == 0
    assert "sandbox inbox takes the mail" in (await shell.run("provider", "list"))[2]


async def test_a_field_of_text_takes_digits_and_a_warm_up_is_told_day_by_day(shell: Shell) -> None:
    entity = "1101234567890123456"
    told = ("--set", f"entity_id={entity}", "--set", "sender=SHOPEX", "--warm-up", "50, 100")
    code, _, err = await shell.run(
        "provider", "add", "india", "fast2sms", *told, "--secret-stdin", "api_key", stdin="a-secret-key\n"
    )
    assert code == 0, err
    shown: Any = await shell.json("provider", "show", "india")
    assert (shown["settings"]["entity_id"], shown["warm_up"]) == (entity, [50, 100])
    assert (await shell.run("provider", "set", "india", "--warm-up", ""))[0] == 0
    assert (await shell.json("provider", "show", "india"))["warm_up"] == []  # type: ignore[index]
    code, _, err = await shell.run("provider", "set", "india", "--warm-up", "50,few")
    assert (code, "50,100,500" in err) == (2, True)


async def test_messages_are_sent_listed_shown_cancelled_and_exported(shell: Shell, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<p>Order {{ order }}</p>", encoding="utf-8")
    words = ("--subject", "Order {{ order }}", "--html", str(page), "--variables", '{"order": 7}')
    send = ("message", "send", "ada@example.com", "bert@example.com", "--from", "shop@example.com", *words)
    made: Any = await shell.json(*send, "--tag", "order", "--key", "seven")
    assert await shell.json(*send, "--tag", "order", "--key", "seven") == made, "a repetition sends nothing twice"
    ada, bert = (one["message_id"] for one in made["messages"])
    listed: Any = await shell.json("message", "list", "--tag", "order", "--status", "pending")
    assert [one["message_id"] for one in listed] == [bert, ada]
    found: Any = await shell.json("message", "get", ada)
    assert (found["address"], found["from_address"]) == ("ada@example.com", "shop@example.com")
    assert "Nothing that has a price" in (await shell.run("message", "costs", "--tag", "order"))[2]
    cancelled: Any = await shell.json("message", "cancel", ada)
    assert cancelled[0]["status"] == "CANCELLED"
    code, _, err = await shell.run("message", "resend", ada)
    assert (code, "CANCELLED" in err) == (5, True)
    code, _, err = await shell.run("message", "resolve", "sent", ada)
    assert (code, "CANCELLED" in err) == (5, True)
    code, out, _ = await shell.run("message", "export", "--address", "bert@example.com")
    assert (code, "bert@example.com" in out, "ada@example.com" in out) == (0, True, False)
    code, _, err = await shell.run("message", "send", "nobody", "--from", "shop@example.com", *words)
    assert (code, "to[0]" in err) == (5, True)


async def test_messages_with_files_are_searched_counted_and_steered_many_at_once(shell: Shell, tmp_path: Path) -> None:
    bill = tmp_path / "bill.pdf"
    bill.write_bytes(b"%PDF-")
    send = ("message", "send", "ada@example.com", "bert@example.com", "--from", "shop@example.com", "--subject", "Bill")
    more = ("--text", "It is here.", "--attach", str(bill), "--header", "X-Order: 7", "--archive", "none")
    made: Any = await shell.json(*send, *more)
    ada = made["messages"][0]["message_id"]
    assert [one["message_id"] for one in await shell.json("message", "list", "--search", ada)] == [ada]  # type: ignore[union-attr]
    code, _, err = await shell.run("message", "raw", ada, "-o", str(tmp_path / "bill.eml"))
    assert (code, "not kept" in err) == (3, True)
    body = tmp_path / "body.json"
    to = [{"address": "eve@example.com", "variables": {"first_name": "Eve"}}]
    body.write_text(json.dumps({"to": to, "from_email": "shop@example.com", "tags": ["file"]}), encoding="utf-8")
    words = tmp_path / "hello.html"
    words.write_text("<p>Hello {{ first_name }}</p>", encoding="utf-8")
    assert (await shell.run("template", "create", "Welcome", str(words), "--subject", "Hello"))[0] == 0
    made_of_file: Any = await shell.json("message", "send", "--file", str(body), "--template", "welcome")
    assert [one["address"] for one in made_of_file["messages"]] == ["eve@example.com"]
    target = tmp_path / "november.zip"
    assert (await shell.run("message", "export", "--content", "--tag", "file", "-o", str(target)))[0] == 0
    assert zipfile.is_zipfile(target), "nothing is kept of what has not been sent"
    code, out, _ = await shell.run("message", "stats")
    assert (code, "PENDING" in out, "total" in out) == (0, True, True)
    assert (await shell.json("message", "cancel", "--submission", made["submission_id"])) == {"cancelled": 2}
    assert (await shell.json("message", "resolve", "sent", "--all", "--provider", "ses")) == {"resolved": 0}
    for wrong in (("cancel",), ("cancel", ada, "--tag", "a"), ("resolve", "sent", ada, "--all")):
        assert (await shell.run("message", *wrong))[0] == 2
    code, _, err = await shell.run(*send, "--text", "x", "--header", "X-Order")
    assert (code, "NAME: VALUE" in err) == (2, True)


async def test_texts_are_sent_from_the_shell(shell: Shell) -> None:
    send = ("message", "send", "--sms", "+49 171 1234567")
    words = ("--text", "Your code is {{ code }}.", "--variables", '{"code": 7}', "--sender", "ACME")
    made: Any = await shell.json(*send, *words)
    assert [(one["address"], one["parts"], one["encoding"]) for one in made["messages"]] == [
        ("+491711234567", 1, "gsm7")
    ]
    code, out, err = await shell.run(*send, "--text", "x" * 158 + "😀")
    assert (code, " 3 " in out, "ucs2" in out) == (0, True, True), err
    registered = ("--template-id", "1107161234567890123", "--entity-id", "1101234567890123456", "--header", "TSKFLW")
    await shell.run("sms", "template", "add", "otp", "{#var#} is your code for {#var#}.", *registered)
    dlt = ("message", "send", "--sms", "+919876543210", "--dlt", "otp")
    made = await shell.json(*dlt, "--value", "123456", "--value", "me")
    found: Any = await shell.json("message", "get", made["messages"][0]["message_id"])
    assert (found["channel"], found["from_address"], found["delivery"]) == ("sms", "TSKFLW", None)
    code, _, err = await shell.run(*dlt, "--text", "123456 is your Code for me.")
    assert (code, "At character 16 the text has 'Code" in err) == (5, True)
    assert len(await shell.json("message", "list", "--channel", "sms")) == 3  # type: ignore[arg-type]
    assert await shell.json("message", "list", "--channel", "email") == []


async def test_a_sending_domain_is_made_ready_from_the_shell(shell: Shell, settings: Settings) -> None:
    async with DnsServer() as zone:
        settings.domain.nameservers = [zone.address]
        code, out, err = await shell.run("domain", "add", "example.org", "--return-path", "bounces.example.org")
        assert (code, '._domainkey.example.org. IN TXT "v=DKIM1; k=rsa; p=' in out) == (0, True), err
        code, _, err = await shell.run("domain", "rotate", "example.org")
        assert (code, "DNS does not show" in err) == (5, True)
        _, records, _ = await shell.run("domain", "show", "example.org", "--zone")
        for line in records.splitlines():
            if not line.startswith(";"):
                zone.add_line(line)
        code, out, err = await shell.run("domain", "check", "example.org")
        assert code == 1, err  # no MX, for one
        assert re.search(r"^ok    dkim         tf\S+ shows our ed25519-sha256 key \(active\)\.$", out, re.MULTILINE), (
            out
        )
        assert re.search(r"^FAIL  mx   ", out, re.MULTILINE), out
        zone.add("other.example", "A", "127.0.0.1")
        code, out, _ = await shell.run("domain", "rotate", "example.org", "--force")  # makes the next ones
        assert (code, out.count("  next"), out.count("  active")) == (0, 2, 2)
    assert (await shell.json("domain", "list"))[0]["status"] == "fail"  # type: ignore[index]
    code, out, _ = await shell.run("domain", "update", "example.org", "--return-path", "-")
    assert code == 0
    code, out, _ = await shell.run("domain", "show", "example.org")
    assert (code, "bounces to the sender" in out, "0 of 5,000" in out) == (0, True, True)
    assert (await shell.run("domain", "remove", "example.org"))[0] == 0
    assert (await shell.run("domain", "show", "example.org"))[0] == 3
    assert (await shell.run("domain", "show", "../users"))[0] in (3, 5)


async def test_texts_are_previewed_and_templates_and_replies_are_shown(shell: Shell, database: Database) -> None:
    code, out, err = await shell.run("sms", "preview", "It\u2019s " + "x" * 80)
    assert (code, err) == (0, "")
    assert "2 parts, 85 units of UCS-2, 67 fit into a part" in out
    assert 'U+2019 RIGHT SINGLE QUOTATION MARK needs UCS-2; --plain writes "\'"' in out
    assert "with --plain, parts: 1" in out
    dlt = ["--template-id", "1107161234567890123", "--entity-id", "1101234567890123456", "--header", "TSKFLW"]
    assert (await shell.run("sms", "template", "add", "otp", "{#var#} is your code.", *dlt))[0] == 0
    assert (await shell.json("sms", "template", "show", "otp"))["category"] == "transactional"  # type: ignore[index]
    assert "{#var#} is your code." in (await shell.run("sms", "template", "list"))[1]
    filled = await shell.json("sms", "preview", "--template", "otp", "--var", "1234")
    assert filled["text"] == "1234 is your code."  # type: ignore[index]
    code, _, err = await shell.run("sms", "preview", "1234 is my code.", "--template", "otp")
    assert (code, "At character 9 the text has 'my code.'" in err) == (5, True), err
    await database.pool.execute(
        "INSERT INTO sms_replies (reply_id, kind, reference, sender, recipient, body, action, occurred_at)"
        " VALUES ($1, 'twilio', 'SM1', '+491711234567', '+4930123456', 'Stop \x1b[31m', 'stop', now())",
        uuid7(),
    )
    assert await shell.json("suppression", "add", "+491711234567", "--channel", "sms", "--reason", "unsubscribed")
    shown = (await shell.run("sms", "inbound", "--action", "stop"))[1]
    assert "+491711234567" in shown
    assert "\x1b" not in shown
    assert "+491711234567" in (await shell.run("sms", "optouts"))[1]
    assert "No reports." in (await shell.run("sms", "reports"))[2]
    assert "stopp" in (await shell.run("sms", "keywords"))[1]
    assert "/hooks/sms/twilio" in (await shell.run("sms", "hooks"))[1]
    assert (await shell.run("sms", "template", "remove", "otp"))[1] == "Removed.\n"
    assert (await shell.run("sms", "template", "remove", "otp"))[0] == 3


async def test_a_provider_is_switched_off_and_on(shell: Shell) -> None:
    code, out, _ = await shell.run("route", "stop", "sandbox")
    assert (code, out) == (0, "sandbox: forced open\n")
    code, out, _ = await shell.run("route", "list")
    assert (code, "forced open" in out, "sandbox is switched off by hand." in out) == (0, True, True)
    assert (await shell.run("route", "force", "sandbox"))[1] == "sandbox: forced closed\n"
    assert (await shell.run("route", "auto", "sandbox"))[1] == "sandbox: closed\n"
    routes: Any = await shell.json("route", "list")
    assert [(route["name"], route["usable"]) for route in routes] == [("sandbox", True), ("sms-sandbox", True)]
    assert (await shell.run("route", "stop", "a provider/nobody knows"))[0] == 3
    assert (await shell.run("route", "limit", "gmail.com", "--per-minute", "600"))[1] == "limited gmail.com\n"
    code, out, _ = await shell.run("route", "domains")
    assert (code, "600/minute" in out) == (0, True)
    assert (await shell.run("route", "unlimit", "gmail.com"))[1] == "unlimited gmail.com\n"
    assert (await shell.run("route", "unlimit", "gmail.com"))[0] == 3
