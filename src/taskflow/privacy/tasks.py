"""The task that erases a person. It waits for what is under way, and may be repeated."""

from dataclasses import asdict
from uuid import UUID

from taskflow.db.queries import load
from taskflow.engine.context import current_task, worker_context
from taskflow.engine.definition import task
from taskflow.engine.retry import NoRetry, Retry
from taskflow.privacy.erasing import erase, must_wait
from taskflow.privacy.service import QUEUE, TASK_NAME, pseudonyms
from taskflow.privacy.subject import Subject

sql = load(__file__)

_WAIT_SECONDS = 5.0
_ATTEMPTS = 1_000


@task(name=TASK_NAME, queue=QUEUE, max_retries=_ATTEMPTS, timeout=4 * 3600)
async def erase_person(erasure_id: UUID) -> None:
    """Erase the person of an erasure, and write down what was found."""
    database = worker_context().database
    row = await database.pool.fetchrow(sql.erasure, erasure_id)
    if row is None:
        raise NoRetry("There is no such erasure.")
    if row["status"] == "COMPLETED":
        return
    subject = Subject(row["contact_id"], row["email"], row["phone"])
    if (obstacle := await must_wait(database, subject)) is not None:
        raise Retry(obstacle, after=_WAIT_SECONDS)
    report = await erase(database, subject)
    if report.left:
        raise Retry(f"Still named in {', '.join(sorted(report.left))}.", after=_WAIT_SECONDS)
    async with database.pool.acquire() as connection, connection.transaction():
        await connection.execute(sql.complete_erasure, erasure_id, asdict(report))
        if not row["suppress"]:
            await connection.executemany(sql.forget_suppression, pseudonyms(worker_context().settings, subject))
    current_task().log(f"erased, and counted again: nothing is left of {sum(report.erased.values())} rows")
