"""The task that imports. It is a sync one: reading a million rows would hold up whatever shares its process."""

import asyncio
from typing import Any
from uuid import UUID

from taskflow.audience.consent.service import ConsentService
from taskflow.audience.imports.jobs.models import QUEUE, TASK_NAME
from taskflow.audience.imports.jobs.run import ImportRun
from taskflow.audience.suppression.erasure import ErasureKey
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine.context import current_task
from taskflow.engine.definition import task
from taskflow.identity.secret_key import signing_key
from taskflow.settings import Settings

_CONNECTIONS = {"pool_size": 2, "hot_pool_size": 2}


@task(name=TASK_NAME, queue=QUEUE, max_retries=3, timeout=12 * 3600, heartbeat=900, concurrency=4)
def import_contacts(import_id: UUID) -> dict[str, Any]:
    """Read the file of an import and merge its people (task_id = import_id); return how it ended."""
    return asyncio.run(_run(import_id))


async def _run(import_id: UUID) -> dict[str, Any]:
    settings = Settings().attached()
    erasure = ErasureKey(signing_key(settings))
    database_settings = settings.database.model_copy(update=_CONNECTIONS)
    async with (
        Database.open(database_settings, name="taskflow import") as database,
        RedisBroker.open(settings.redis) as broker,
    ):
        consents = ConsentService(database, broker, settings.audience)
        return await ImportRun(database, settings.imports, erasure, consents, current_task()).run(import_id)
