"""Imports that are killed, cancelled, taken over or run side by side: nobody is merged twice, nobody half."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import orjson
import pytest

from support.api import Api
from support.duties import lead
from support.imports import SilentReporter, contacts, leftovers, upload, work
from support.processes import running
from support.waiting import eventually
from taskflow.audience.imports.jobs import run as run_module
from taskflow.audience.imports.jobs.duty import ImportsDuty
from taskflow.audience.imports.jobs.run import ImportRun, ImportStoppedError
from taskflow.audience.imports.jobs.staging import Staging, sql
from taskflow.base.errors import TaskFlowError
from taskflow.base.ids import uuid7
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.identity.models import Role
from taskflow.settings import Settings

PEOPLE = 1_050
FILE = (
    "email,phone,city\n"
    + "".join(f"p{n:04}@example.com,+4917110{n:05},City {n % 7}\n" for n in range(PEOPLE))
    + "p0001@example.com,,Twice\nbad,,\n"
)
CONSENT = {"wording": "Yes, please."}


class CrashError(Exception):
    """Stands for the death of a process."""


@pytest.fixture
async def marketer(api: Api, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    settings.imports.slice = 100
    monkeypatch.setattr(run_module, "_READ_ROWS", 200)
    async with await api.as_role(Role.MARKETER) as client:
        yield client


@pytest.fixture
async def list_id(database: Database) -> UUID:
    found = uuid7()
    await database.pool.execute("INSERT INTO mailing_lists (list_id, name) VALUES ($1, 'News')", found)
    return found


async def begun(client: httpx.AsyncClient, list_id: UUID | None = None, content: str = FILE, **fields: Any) -> str:
    """Upload a file and return the import's id."""
    lists = {"lists": [str(list_id)], "consent": CONSENT} if list_id else {}
    answer = await upload(client, content, **lists, **fields)
    assert answer.status_code == 201, answer.text
    import_id: str = answer.json()["import_id"]
    return import_id


async def report_of(client: httpx.AsyncClient, import_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"/api/v1/contacts/imports/{import_id}")).json()
    return found


async def counts_of(database: Database) -> dict[str, int]:
    row = await database.pool.fetchrow(
        """SELECT (SELECT count(*) FROM subscribers) AS subscribers,
           (SELECT count(*) FROM subscriptions) AS subscriptions,
           (SELECT count(*) FROM consents) AS consents"""
    )
    return dict(row)


async def assert_complete(client: httpx.AsyncClient, database: Database, import_id: str) -> None:
    """Everybody is there once, on the list once, with one consent; the report says the same; no file is left."""
    report = await report_of(client, import_id)
    assert report["status"] == "COMPLETED", report
    counts = (report["rows"], report["created"], report["updated"], report["skipped"], report["rejected"])
    assert counts == (PEOPLE + 2, PEOPLE, 0, 0, 2)
    assert await counts_of(database) == {"subscribers": PEOPLE, "subscriptions": PEOPLE, "consents": PEOPLE}
    assert await database.pool.fetchval("SELECT count(*) FROM import_rejections") == 2
    assert await leftovers(database) == (0, 0)


def deadly(monkeypatch: pytest.MonkeyPatch, name: str, hit: int) -> None:
    """Let the `hit`-th passage of a failpoint end the attempt, once."""
    hits = 0

    def reached(passed: str) -> None:
        nonlocal hits
        hits += passed == name
        if hits == hit and passed == name:
            raise CrashError

    monkeypatch.setattr(run_module, "failpoint", reached)


@pytest.mark.parametrize(
    ("name", "hit"),
    [
        ("import_batch_read", 1),
        ("import_batch_read", 5),
        ("import_staged", 1),
        ("import_slice_before_commit", 1),
        ("import_slice_before_commit", 6),
        ("import_slice_merged", 1),
        ("import_slice_merged", 10),
    ],
)
async def test_an_attempt_that_dies_is_repeated_without_a_trace(
    marketer: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    list_id: UUID,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    hit: int,
) -> None:
    import_id = await begun(marketer, list_id)
    deadly(monkeypatch, name, hit)
    with pytest.raises(CrashError):
        await work(database, settings, import_id, epoch=1)
    assert (await report_of(marketer, import_id))["status"] == "RUNNING"
    await work(database, settings, import_id, epoch=2)
    await assert_complete(marketer, database, import_id)


async def test_a_worker_that_is_killed_in_the_middle_leaves_nothing_half(
    marketer: httpx.AsyncClient, database: Database, environment: dict[str, str], list_id: UUID, tmp_path: Path
) -> None:
    killed = environment | {
        "TASKFLOW_FAILPOINTS": "import_slice_before_commit=kill@4",
        "TASKFLOW_FAILPOINTS_ONCE": str(tmp_path),
        "TASKFLOW_IMPORTS_SLICE": "100",
    }
    import_id = await begun(marketer, list_id)
    async with running(environment, "coordinator"), running(killed, "worker"):

        async def ended() -> bool:
            return (await report_of(marketer, import_id))["completed_at"] is not None

        await eventually(ended, seconds=60, every=0.2, what="the import to end")
    assert (tmp_path / "import_slice_before_commit").exists()
    assert await database.pool.fetchval("SELECT crash_count FROM tasks WHERE task_id = $1", UUID(import_id)) == 1
    await assert_complete(marketer, database, import_id)


async def test_rows_that_a_crash_of_the_server_has_emptied_are_read_again(
    marketer: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    list_id: UUID,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import_id = await begun(marketer, list_id)
    deadly(monkeypatch, "import_slice_merged", 3)
    with pytest.raises(CrashError):
        await work(database, settings, import_id, epoch=1)
    [table] = await database.pool.fetch(sql.staging_tables, "contact\\_import\\_%")
    await database.pool.execute(f"TRUNCATE {table['relname']}")
    await work(database, settings, import_id, epoch=2)
    await assert_complete(marketer, database, import_id)


async def test_rejections_of_a_merge_are_counted_once_when_rows_are_read_again(
    marketer: httpx.AsyncClient, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await database.pool.execute(
        "INSERT INTO suppressions (channel, address, reason) SELECT 'email', format('p%s@example.com', n), 'bounced'"
        " FROM unnest(ARRAY['0000', '0001', '1048', '1049']) AS n"
    )
    import_id = await begun(marketer)
    deadly(monkeypatch, "import_slice_merged", 3)
    with pytest.raises(CrashError):
        await work(database, settings, import_id, epoch=1)
    [table] = await database.pool.fetch(sql.staging_tables, "contact\\_import\\_%")
    await database.pool.execute(f"TRUNCATE {table['relname']}")
    await work(database, settings, import_id, epoch=2)
    report = await report_of(marketer, import_id)
    assert (report["rows"], report["created"], report["rejected"]) == (PEOPLE + 2, PEOPLE - 4, 6)
    assert await database.pool.fetchval("SELECT count(*) FROM import_rejections") == 6


async def test_an_attempt_that_was_given_up_writes_nothing_more(
    marketer: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    list_id: UUID,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import_id = await begun(marketer, list_id)
    merge_slice, slices = ImportRun._merge_slice, 0

    async def taken_over(run: ImportRun, *arguments: Any) -> Any:
        nonlocal slices
        slices += 1
        if slices == 3:
            await database.pool.execute("UPDATE contact_imports SET lease_epoch = 2")
        return await merge_slice(run, *arguments)

    monkeypatch.setattr(ImportRun, "_merge_slice", taken_over)
    assert await work(database, settings, import_id, epoch=1) == {"status": "TAKEN_OVER"}
    assert len(await contacts(database)) in (100, 200)  # the other lane may have been under way
    assert await work(database, settings, import_id, epoch=2) == {"status": "ENDED"}  # an epoch begins once
    await work(database, settings, import_id, epoch=3)
    await assert_complete(marketer, database, import_id)


async def test_an_import_that_waits_is_cancelled_at_once(
    marketer: httpx.AsyncClient, database: Database, settings: Settings
) -> None:
    import_id = await begun(marketer)
    answer = await marketer.post(f"/api/v1/contacts/imports/{import_id}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")
    assert await leftovers(database) == (0, 0)
    assert await work(database, settings, import_id) == {"status": "ENDED"}
    again = await marketer.post(f"/api/v1/contacts/imports/{import_id}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "import_ended")
    unknown = await marketer.post(f"/api/v1/contacts/imports/{uuid7()}/cancel")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "import_not_found")


def cancelling(
    monkeypatch: pytest.MonkeyPatch, place: type[Any], name: str, database: Database, import_id: str
) -> None:
    """Cancel an import just before the second call of a method."""
    method: Callable[..., Any] = getattr(place, name)
    calls = 0

    async def cancelled(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            await database.pool.execute(sql.request_cancel, UUID(import_id))
        return await method(*arguments)

    monkeypatch.setattr(place, name, cancelled)


async def test_a_cancel_while_the_file_is_read_changes_nothing(
    marketer: httpx.AsyncClient, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_id = await begun(marketer)
    cancelling(monkeypatch, Staging, "copy", database, import_id)
    await work(database, settings, import_id)
    assert (await report_of(marketer, import_id))["status"] == "CANCELLED"
    assert await contacts(database) == []
    assert await leftovers(database) == (0, 0)


async def test_a_cancel_while_people_are_merged_says_how_far_it_came(
    marketer: httpx.AsyncClient, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_id = await begun(marketer)
    cancelling(monkeypatch, ImportRun, "_merge_slice", database, import_id)
    await work(database, settings, import_id)
    report = await report_of(marketer, import_id)
    assert report["status"] == "CANCELLED"
    assert report["created"] == len(await contacts(database)) <= 100
    assert await leftovers(database) == (0, 0)


async def test_a_running_import_is_cancelled_over_http(
    marketer: httpx.AsyncClient, database: Database, environment: dict[str, str]
) -> None:
    file = "email\n" + "".join(f"p{n}@example.com\n" for n in range(300_000))
    import_id = await begun(marketer, content=file)
    async with running(environment, "coordinator"), running(environment, "worker"):

        async def reading() -> bool:
            return (await report_of(marketer, import_id))["phase"] == "reading"

        await eventually(reading, seconds=60, what="the import to begin")
        answer = await marketer.post(f"/api/v1/contacts/imports/{import_id}/cancel")
        assert answer.status_code == 200

        async def ended() -> dict[str, Any] | None:
            report = await report_of(marketer, import_id)
            return report if report["completed_at"] else None

        report = await eventually(ended, seconds=30, what="the import to end")
    assert report is not None
    assert report["status"] == "CANCELLED"
    assert await leftovers(database) == (0, 0)


async def test_a_worker_that_drains_leaves_the_import_to_another(
    marketer: httpx.AsyncClient, database: Database, settings: Settings, list_id: UUID
) -> None:
    import_id = await begun(marketer, list_id)
    reporter = SilentReporter()
    reporter.stopped = True
    with pytest.raises(ImportStoppedError):
        await work(database, settings, import_id, epoch=1, reporter=reporter)
    assert (await report_of(marketer, import_id))["status"] == "RUNNING"
    await work(database, settings, import_id, epoch=2)
    await assert_complete(marketer, database, import_id)


async def test_progress_goes_one_way_to_the_end(
    marketer: httpx.AsyncClient, database: Database, settings: Settings
) -> None:
    import_id = await begun(marketer)
    reporter = SilentReporter()
    await work(database, settings, import_id, reporter=reporter)
    told = [progress.percent for progress in reporter.progressed]
    assert told == sorted(told, key=float)
    assert told[-1] == 100.0
    assert {progress.message for progress in reporter.progressed} == {"reading", "merging"}


async def test_several_imports_of_the_same_people_run_at_once(
    marketer: httpx.AsyncClient, database: Database, settings: Settings, list_id: UUID
) -> None:
    ids = [await begun(marketer, list_id) for _ in range(3)]
    await asyncio.gather(*(work(database, settings, import_id) for import_id in ids))
    reports = [await report_of(marketer, import_id) for import_id in ids]
    assert [report["status"] for report in reports] == ["COMPLETED"] * 3
    assert sum(report["created"] for report in reports) == PEOPLE
    assert sum(report["created"] + report["skipped"] for report in reports) == 3 * PEOPLE
    assert await counts_of(database) == {"subscribers": PEOPLE, "subscriptions": PEOPLE, "consents": PEOPLE}
    assert await leftovers(database) == (0, 0)


@pytest.mark.parametrize(("task", "status"), [("FAILED", "FAILED"), ("CANCELLED", "CANCELLED")])
async def test_an_import_whose_task_has_ended_without_it_is_ended(
    marketer: httpx.AsyncClient, database: Database, broker: RedisBroker, settings: Settings, task: str, status: str
) -> None:
    import_id = await begun(marketer)
    context = await lead(database, broker, settings)
    duty = ImportsDuty()
    assert await duty.run_once(context) == 0
    await database.pool.execute(
        """UPDATE tasks SET status = $2::text, completed_at = now(),
                  failed_at = CASE $2::text WHEN 'FAILED' THEN now() END WHERE task_id = $1""",
        UUID(import_id),
        task,
    )
    assert await duty.run_once(context) == 1
    report = await report_of(marketer, import_id)
    assert report["status"] == status
    assert report["error_code"] == ("import_abandoned" if status == "FAILED" else None)
    assert await leftovers(database) == (0, 0)


async def test_a_table_that_nobody_needs_is_dropped(
    marketer: httpx.AsyncClient, database: Database, broker: RedisBroker, settings: Settings
) -> None:
    import_id = await begun(marketer)
    needed, orphan = (Staging(f"contact_import_{one.hex}_1") for one in (UUID(import_id), uuid7()))
    for table in (needed, orphan):
        await database.pool.execute(table._of(sql.create_staging))
    assert await ImportsDuty().run_once(await lead(database, broker, settings)) == 1
    assert await database.pool.fetchval("SELECT to_regclass($1) IS NOT NULL", needed.name)
    assert not await database.pool.fetchval("SELECT to_regclass($1) IS NOT NULL", orphan.name)


async def test_rejected_rows_are_forgotten_after_a_while(
    marketer: httpx.AsyncClient, database: Database, broker: RedisBroker, settings: Settings
) -> None:
    import_id = await begun(marketer, content="email\nnobody\n")
    await work(database, settings, import_id)
    context = await lead(database, broker, settings)
    assert await ImportsDuty().run_once(context) == 0
    await database.pool.execute("UPDATE contact_imports SET completed_at = now() - interval '31 days'")
    assert await ImportsDuty().run_once(context) == 1
    assert await database.pool.fetchval("SELECT count(*) FROM import_rejections") == 0
    assert (await report_of(marketer, import_id))["rejected"] == 1


async def test_an_error_that_nobody_expects_is_the_tasks_own(
    marketer: httpx.AsyncClient, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_id = await begun(marketer)

    async def broken(*_: Any) -> Any:
        raise TaskFlowError("The disk is full.")

    monkeypatch.setattr(Staging, "sift", broken)
    with pytest.raises(TaskFlowError, match="The disk is full"):
        await work(database, settings, import_id)
    assert await contacts(database) == []


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", []) for node in nodes(child))]


async def test_a_merge_prepared_on_empty_tables_looks_everybody_up_by_an_index(database: Database) -> None:
    table = Staging(f"contact_import_{uuid7().hex}_1")
    async with database.hot.acquire() as connection:
        await connection.execute(table._of(sql.create_staging))
        await connection.execute(table._of(sql.index_staging))
        statement = table._of(sql.merge_slice)
        count = len((await connection.prepare(statement)).get_parameters())
        await connection.execute(f"PREPARE hot AS {statement}")
        explained = await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE hot ({', '.join(['NULL'] * count)})")
        await connection.execute("DEALLOCATE hot")
    read = [
        node
        for node in nodes(orjson.loads(explained)[0]["Plan"])
        if node.get("Relation Name") in {"subscribers", "subscriptions", "suppressions"}
        and node["Node Type"] != "ModifyTable"
    ]
    assert len(read) == 8
    for node in read:
        condition = node.get("Index Cond", "")
        assert node["Node Type"] in {"Index Scan", "Index Only Scan"}, node
        assert any(name in condition for name in ("lower(", "phone", "contact_id", "address")), node
