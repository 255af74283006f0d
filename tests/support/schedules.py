"""What tests of schedules share: time that has passed, tasks that have ended."""

from collections.abc import Sequence
from uuid import UUID

from taskflow.db.pool import Database


async def elapse(database: Database, seconds: float) -> None:
    """Let every schedule be so many seconds older: its instants come closer, or have passed."""
    await database.pool.execute(
        "UPDATE schedules SET next_fire_at = next_fire_at - shift, created_at = created_at - shift,"
        " starts_at = starts_at - shift, ends_at = ends_at - shift, run_at = run_at - shift"
        " FROM (SELECT $1::float8 * interval '1 second' AS shift) AS elapsed",
        seconds,
    )
    far = 10_000_000.0  # in two steps, because rows are moved one by one and must not meet
    for step in (seconds + far, -far):
        await database.pool.execute(
            "UPDATE schedule_fires SET fire_at = fire_at - $1::float8 * interval '1 second'", step
        )


async def complete(database: Database, *task_ids: UUID) -> None:
    """End tasks as a worker would; all of them when none is named."""
    await database.pool.execute(
        "UPDATE tasks SET status = 'COMPLETED', completed_at = now(), due_at = NULL"
        " WHERE ($1::uuid[] IS NULL OR task_id = ANY($1)) AND completed_at IS NULL",
        list(task_ids) or None,
    )


async def run_task(database: Database, task_id: UUID) -> None:
    """Let a worker hold a task."""
    await database.pool.execute(
        "UPDATE tasks SET status = 'RUNNING', claim_id = gen_random_uuid(), worker_id = gen_random_uuid(),"
        " started_at = now(), lease_epoch = 1 WHERE task_id = $1",
        task_id,
    )


async def statuses(database: Database) -> list[str]:
    """Return what became of the instants of every schedule, oldest first."""
    rows = await database.pool.fetch("SELECT status FROM schedule_fires ORDER BY fire_at")
    return [row["status"] for row in rows]


async def task_ids(database: Database) -> Sequence[UUID]:
    """Return the tasks that there are, oldest first."""
    return [row["task_id"] for row in await database.pool.fetch("SELECT task_id FROM tasks ORDER BY task_id")]
