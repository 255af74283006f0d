"""Retention: what ended long ago goes, with its history; what lives or may be wanted again stays."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from support.duties import lead
from support.processes import running
from support.waiting import eventually
from taskflow.base.ids import uuid7, uuid7_floor
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db import partitions
from taskflow.db.pool import Database
from taskflow.engine.coordinator import retention as retention_module
from taskflow.engine.coordinator.duty import DutyContext
from taskflow.engine.coordinator.pruner import Pruner
from taskflow.settings import RetentionSettings, Settings

HISTORY = partitions.HISTORY_TABLES


@pytest.fixture
async def context(database: Database, broker: RedisBroker, settings: Settings) -> DutyContext:
    return await lead(database, broker, settings.model_copy(update={"retention": RetentionSettings(task_days=30)}))


async def run_dry(context: DutyContext) -> None:
    """Let the pruner go on until it finds nothing more, as the daemon does."""
    pruner = Pruner()
    while await pruner.run_once(context):
        pass


async def add(
    database: Database, *, born: float, ended: float | None, status: str = "COMPLETED", **columns: object
) -> UUID:
    """Insert a task with history that was made `born` and ended `ended` days ago."""
    now = datetime.now(UTC)
    at = now - timedelta(days=born)
    task_id = UUID(int=uuid7_floor(int(at.timestamp() * 1000)).int | (uuid7().int & ((1 << 62) - 1)))
    end = None if ended is None else now - timedelta(days=ended)
    due = now + timedelta(days=1) if status == "SCHEDULED" else None
    failed = end if status in ("FAILED", "TIMEOUT") else None
    row = {"task_id": task_id, "task_name": "noop", "status": status, "created_at": at, "completed_at": end,
           "due_at": due, "failed_at": failed, "pending_parents": int(status == "BLOCKED"), **columns}  # fmt: skip
    await database.pool.copy_records_to_table("tasks", records=[tuple(row.values())], columns=list(row))
    await database.pool.execute(
        "INSERT INTO task_executions (task_id, lease_epoch, attempt_number, status) VALUES ($1, 1, 1, 'COMPLETED')",
        task_id,
    )
    await database.pool.execute("INSERT INTO task_results (task_id, result_data) VALUES ($1, '5')", task_id)
    await database.pool.execute(
        "INSERT INTO task_logs (log_id, task_id, level, message) VALUES ($1, $2, 'INFO', 'x')", uuid7(), task_id
    )
    await database.pool.execute("INSERT INTO task_progress (task_id, lease_epoch, percent) VALUES ($1, 1, 50)", task_id)
    return task_id


async def weeks(database: Database, *days: float) -> None:
    """Make the partitions of the weeks so many days ago, as they were made when those weeks came."""
    for back in days:
        for span in partitions.coming_spans(datetime.now(UTC) - timedelta(days=back)):
            await database.pool.execute(span.ddl())


async def left(database: Database) -> set[UUID]:
    return {row[0] for row in await database.pool.fetch("SELECT task_id FROM tasks")}


async def history_of(database: Database, task_id: UUID) -> list[int]:
    return [await database.pool.fetchval(f"SELECT count(*) FROM {t} WHERE task_id = $1", task_id) for t in HISTORY]  # noqa: S608


async def test_tasks_that_ended_long_ago_go_with_their_weeks(context: DutyContext, database: Database) -> None:
    await weeks(database, 100, 60)
    old = [await add(database, born=100, ended=99), await add(database, born=100, ended=99, status="CANCELLED")]
    young = await add(database, born=3, ended=2)
    count = "SELECT count(*) FROM pg_class WHERE relispartition AND relname LIKE 'task\\_%w%'"
    before = await database.pool.fetchval(count)
    await run_dry(context)
    assert await left(database) == {young}
    assert await history_of(database, old[0]) == [0, 0, 0, 0]
    assert await history_of(database, young) == [1, 1, 1, 1]
    assert await database.pool.fetchval(count) < before
    assert not await partitions.weeks_before(database.pool, datetime.now(UTC) - timedelta(days=37))
    await run_dry(context)  # and again, with nothing to do


@pytest.mark.parametrize("status", ["PENDING", "SCHEDULED", "BLOCKED"])
async def test_what_lives_stays_with_its_history_however_old(
    context: DutyContext, database: Database, status: str
) -> None:
    await weeks(database, 400)
    gone, alive = await add(database, born=400, ended=399), await add(database, born=400, ended=None, status=status)
    await run_dry(context)
    assert await left(database) == {alive}
    assert await history_of(database, alive) == [1, 1, 1, 1]
    await database.pool.execute("UPDATE tasks SET status = 'CANCELLED', due_at = NULL, completed_at = now()")
    await run_dry(context)
    assert await left(database) == {alive}  # it ended just now
    await database.pool.execute("UPDATE tasks SET completed_at = now() - interval '31 days'")
    await run_dry(context)
    assert (await left(database), await history_of(database, gone)) == (set(), [0, 0, 0, 0])


async def test_what_may_be_started_over_stays(context: DutyContext, database: Database) -> None:
    failed = await add(database, born=90, ended=89, status="FAILED")
    await database.pool.execute(
        "INSERT INTO dead_letter_queue"
        " (dlq_id, task_id, lease_epoch, task_name, task_data, failure_reason, total_attempts)"
        " VALUES ($1, $2, 1, 'noop', '{}', 'x', 1)",
        *(uuid7(), failed),
    )
    campaign = uuid7()
    uncertain = await add(database, born=90, ended=89, status="FAILED", campaign_id=campaign)
    await add(database, born=90, ended=89, campaign_id=campaign)
    await run_dry(context)
    assert await left(database) == {failed, uncertain}
    await database.pool.execute("DELETE FROM dead_letter_queue")
    await run_dry(context)
    assert await left(database) == {uncertain}


async def edge(database: Database, parent: UUID, child: UUID) -> None:
    await database.pool.execute(
        "INSERT INTO task_dependencies (parent_id, child_id, arguments, satisfied_at) VALUES ($1, $2, $3, now())",
        *(parent, child, [["left", None]]),
    )


async def test_parents_stay_while_a_child_may_take_their_results(context: DutyContext, database: Database) -> None:
    parent, idle, member = [await add(database, born=90, ended=89, has_children=True) for _ in range(3)]
    group = await add(database, born=90, ended=89, has_children=True, task_name="taskflow.group")
    ended = await add(database, born=90, ended=89)
    child = await add(database, born=89, ended=None, status="SCHEDULED")
    summary = await add(database, born=89, ended=None, status="SCHEDULED")
    for above, below in ((parent, child), (parent, ended), (idle, ended), (member, group), (group, summary)):
        await edge(database, above, below)
    await run_dry(context)
    assert await left(database) == {parent, member, group, child, summary}
    edges = await database.pool.fetch("SELECT parent_id, child_id FROM task_dependencies")
    assert {tuple(row) for row in edges} == {(parent, child), (member, group), (group, summary)}
    await database.pool.execute(
        "UPDATE tasks SET status = 'COMPLETED', due_at = NULL, completed_at = now() - interval '31 days'"
        " WHERE completed_at IS NULL"
    )
    await run_dry(context)
    assert await left(database) == set()
    assert await database.pool.fetchval("SELECT count(*) FROM task_dependencies") == 0


async def test_many_go_batch_by_batch_and_the_walk_passes_what_lives(
    context: DutyContext, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention_module, "BATCH", 10)
    kept = [await add(database, born=90 + n, ended=None, status="SCHEDULED") for n in range(12)]
    for number in range(25):
        await add(database, born=60 + number, ended=59)
    pruner, runs = Pruner(), 0
    while await pruner.run_once(context):
        runs += 1
    assert runs >= 3
    assert await left(database) == set(kept)
    assert await database.pool.fetchval("SELECT count(*) FROM task_logs_default") == 12  # their weeks never were made


async def test_history_may_go_before_its_tasks(database: Database, broker: RedisBroker, settings: Settings) -> None:
    await weeks(database, 60)
    task_id = await add(database, born=60, ended=59)
    keep = RetentionSettings(task_days=0, history_days=14)
    await run_dry(await lead(database, broker, settings.model_copy(update={"retention": keep})))
    assert (await left(database), await history_of(database, task_id)) == ({task_id}, [0, 0, 0, 0])


async def test_for_ever_is_for_ever(database: Database, broker: RedisBroker, settings: Settings) -> None:
    task_id = await add(database, born=4000, ended=3999)
    keep = RetentionSettings(task_days=0)
    await run_dry(await lead(database, broker, settings.model_copy(update={"retention": keep})))
    assert await left(database) == {task_id}


async def test_a_week_that_somebody_holds_is_dropped_another_time(context: DutyContext, database: Database) -> None:
    await weeks(database, 60)
    task_id = await add(database, born=60, ended=59)
    async with database.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM task_logs LIMIT 1")  # holds the parent's lock for a while
        await run_dry(context)
        assert (await history_of(database, task_id))[2] == 1
    await run_dry(context)
    assert await history_of(database, task_id) == [0, 0, 0, 0]


async def test_a_coordinator_does_it_by_itself(
    database: Database, broker: RedisBroker, environment: dict[str, str]
) -> None:
    await weeks(database, 60)
    task_id, alive = await add(database, born=60, ended=59), await add(database, born=60, ended=None, status="BLOCKED")
    async with running({**environment, "TASKFLOW_RETENTION_TASK_DAYS": "30"}, "coordinator", "--duties", "pruner"):

        async def gone() -> bool:
            return await left(database) == {alive}

        await eventually(gone, seconds=30, what=f"task {task_id} is deleted")
