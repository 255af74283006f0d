"""Following a task to its end, in the database."""

from typing import Any
from uuid import UUID

from support.waiting import eventually
from taskflow.db.pool import Database


async def row(database: Database, task_id: UUID) -> dict[str, Any]:
    """Return a task's row."""
    return dict(await database.pool.fetchrow("SELECT * FROM tasks WHERE task_id = $1", task_id) or {})


async def ended(database: Database, task_id: UUID, seconds: float = 15) -> dict[str, Any]:
    """Wait for a task's end; one that waits for its retry needs a scheduler to get there."""

    async def look() -> dict[str, Any] | None:
        found = await row(database, task_id)
        return found if found["completed_at"] else None

    return await eventually(look, seconds=seconds, what=f"the end of {task_id}")


async def result(database: Database, task_id: UUID) -> dict[str, Any]:
    """Return a task's row of results; empty when there is none."""
    return dict(await database.pool.fetchrow("SELECT * FROM task_results WHERE task_id = $1", task_id) or {})


async def progress(database: Database, task_id: UUID) -> dict[str, Any]:
    """Return a task's row of progress; empty when there is none."""
    return dict(await database.pool.fetchrow("SELECT * FROM task_progress WHERE task_id = $1", task_id) or {})
