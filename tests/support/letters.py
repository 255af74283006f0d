"""Dead letters as tests make them."""

from typing import Any
from uuid import UUID

from taskflow.base.ids import uuid7
from taskflow.db.pool import Database


async def give_up(
    database: Database,
    task_name: str = "noop",
    *,
    reason: str = "ValueError: broken",
    place: str = "app.py:work",
    queue: str = "default",
    kwargs: dict[str, Any] | None = None,
    age: float = 0.0,
) -> tuple[UUID, UUID]:
    """Insert a task that failed for good and its letter, `age` seconds ago; return both ids: letter, task."""
    task_id, dlq_id = uuid7(), uuid7()
    task = await database.pool.fetchval(
        "INSERT INTO tasks AS t (task_id, task_name, queue, dispatch_key, status, completed_at, failed_at, task_kwargs,"
        " lease_epoch) VALUES ($1, $2, $3, $3, 'FAILED', now(), now(), $4, 1) RETURNING to_jsonb(t.*)",
        task_id, task_name, queue, kwargs,
    )  # fmt: skip
    await database.pool.execute(
        "INSERT INTO dead_letter_queue (dlq_id, task_id, lease_epoch, task_name, task_data, failure_reason,"
        " total_attempts, error_class, error_place, moved_at)"
        " VALUES ($1, $2, 1, $3, $4, $5, 6, split_part($5, ':', 1), $6, now() - $7::float8 * interval '1 second')",
        dlq_id, task_id, task_name, task, reason, place, age,
    )  # fmt: skip
    return dlq_id, task_id


async def fail_again(database: Database, task_id: UUID, *, age: float = 0.0) -> UUID:
    """Let a task that was requeued end as a dead letter once more; return the new letter's id."""
    dlq_id = uuid7()
    await database.pool.execute(
        "WITH ended AS (UPDATE tasks AS t SET status = 'FAILED', completed_at = now(), failed_at = now(),"
        " lease_epoch = lease_epoch + 1 WHERE task_id = $1 RETURNING t.*, to_jsonb(t.*) AS task_data)"
        " INSERT INTO dead_letter_queue (dlq_id, task_id, lease_epoch, task_name, task_data, failure_reason,"
        " total_attempts, moved_at) SELECT $2, task_id, lease_epoch, task_name, task_data, 'ValueError: again', 6,"
        " now() - $3::float8 * interval '1 second' FROM ended",
        task_id, dlq_id, age,
    )  # fmt: skip
    return dlq_id
