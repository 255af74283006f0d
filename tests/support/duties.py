"""What tests of the coordinator's duties share: a term to work in, and rows to work on."""

from collections.abc import Sequence
from uuid import UUID

from support.lives import publish_generation
from taskflow.base.ids import uuid7
from taskflow.broker.redis.broker import RedisBroker
from taskflow.broker.redis.dispatch import Settled
from taskflow.db.pool import Database
from taskflow.engine.coordinator.backlog import sql
from taskflow.engine.coordinator.duty import DutyContext, RuleSource
from taskflow.engine.coordinator.election import Election
from taskflow.engine.coordinator.relay import Relay
from taskflow.settings import Settings


async def lead(
    database: Database, broker: RedisBroker, settings: Settings, *, rule_sources: Sequence[RuleSource] = ()
) -> DutyContext:
    """Win an election whose term outlasts a test."""
    lease = await Election(database, seconds=120).stand()
    assert lease is not None
    return DutyContext(database, broker, settings, lease, rule_sources)


async def open_dispatch(database: Database, broker: RedisBroker, generation: str = "test") -> None:
    """Open the dispatch as the relay's first run does."""
    await database.pool.execute(sql.begin_generation, generation)
    await publish_generation(broker, generation)


async def add_tasks(
    database: Database, count: int = 1, *, key: str = "default", priority: int = 5, status: str = "PENDING"
) -> list[str]:
    """Insert tasks without telling Redis, as a crash between commit and push leaves them; return their ids."""
    ids = [uuid7() for _ in range(count)]
    queue = key.partition("/")[0]
    rows = [(i, "noop", queue, key, priority, status) for i in ids]
    columns = ("task_id", "task_name", "queue", "dispatch_key", "priority", "status")
    await database.pool.copy_records_to_table("tasks", records=rows, columns=columns)
    return [str(i) for i in ids]


async def add_worker(database: Database, *, beat_age: float = 0.0, processes: Sequence[UUID] = ()) -> UUID:
    """Insert a node whose last beat was so many seconds ago."""
    worker_id = uuid7()
    await database.pool.execute(
        "INSERT INTO workers (worker_id, hostname, last_heartbeat, metadata)"
        " VALUES ($1, 'host', now() - $2::float8 * interval '1 second', $3)",
        worker_id,
        beat_age,
        {"processes": [str(process) for process in processes]},
    )
    return worker_id


async def age_claims(database: Database, seconds: float) -> None:
    """Make every claim so much older."""
    for table, column in (("task_claims", "claimed_at"), ("tasks", "started_at")):
        await database.pool.execute(
            f"UPDATE {table} SET {column} = {column} - $1::float8 * interval '1 second'",  # noqa: S608 - ours
            seconds,
        )


async def drain(broker: RedisBroker, *, relay: tuple[Relay, DutyContext] | None = None, limit: int = 50) -> list[str]:
    """Take ids in order until there are none; with a relay, end them in PostgreSQL and let it run between claims."""
    taken: list[str] = []
    while True:
        if relay is not None:
            await relay[0].run_once(relay[1])
        claimed = await broker.dispatch.claim("test", limit=limit, quota=limit, lease=30)
        assert claimed.state != "NOGEN"
        if not claimed.groups:
            return taken
        for key, ids in claimed.groups:
            taken += ids
            if relay is not None:
                await relay[1].database.pool.execute(
                    "UPDATE tasks SET status = 'COMPLETED', completed_at = now() WHERE task_id = ANY($1::uuid[])", ids
                )
            await broker.dispatch.settle(Settled(key, task_id, "") for task_id in ids)
