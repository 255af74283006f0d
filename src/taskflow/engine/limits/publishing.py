"""What definitions say of limits becomes rows, and then Redis knows it: before a worker claims its first task."""

import asyncio
from collections.abc import Iterable
from typing import Any

from redis.exceptions import RedisError

from taskflow.base.logging import get_logger
from taskflow.broker.limits import EVERY_KEY
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.outages import DATABASE_AWAY
from taskflow.db.pool import Database
from taskflow.engine.definition import Task
from taskflow.engine.limits.models import task_subject
from taskflow.engine.limits.repository import limits_in_force, sql

log = get_logger(__name__)

_PAUSE = 0.5


async def publish_limits(database: Database, broker: RedisBroker, tasks: Iterable[Task[..., Any]]) -> None:
    """Write the limits of definitions into rows and tell Redis; wait for either while it is away.

    A definition that has none takes back what an earlier version of it said. What an operator said stays in force.
    """
    limits = {task.limits.subject: task.limits for task in tasks if task.limits is not None}
    subjects = {subject for task in tasks for own in [task_subject(task.name)] for subject in (own, own + EVERY_KEY)}
    columns = [
        (
            subject,
            limit.concurrency,
            limit.rate.starts if limit.rate else None,
            limit.rate.seconds if limit.rate else None,
        )
        for subject, limit in limits.items()
    ]
    while True:
        try:
            async with database.pool.acquire() as connection, connection.transaction():
                await connection.execute(sql.retract, sorted(subjects - limits.keys()))
                if columns:
                    await connection.execute(sql.publish, *zip(*columns, strict=True))
            if columns:
                in_force = await limits_in_force(database)
                await broker.dispatch.set_limits({subject: in_force[subject] for subject in limits})
        except (*DATABASE_AWAY, RedisError, OSError) as error:
            log.warning("limits_not_published_yet", error=repr(error))
            await asyncio.sleep(_PAUSE)
        else:
            return
