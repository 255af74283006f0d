"""The task of a bulk action on all contacts that a filter means: thin."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from taskflow.audience.consent.service import ConsentService
from taskflow.audience.contacts.bulk import BULK_QUEUE, BULK_TASK, BulkService, Change
from taskflow.audience.contacts.filters import ContactFilter
from taskflow.engine import current_task, task, worker_context
from taskflow.engine.context import WorkerContext


@asynccontextmanager
async def _open_bulk(context: WorkerContext) -> AsyncIterator[BulkService]:
    consents = ConsentService(context.database, context.broker, context.settings.audience)
    yield BulkService(context.database, consents)


@task(name=BULK_TASK, queue=BULK_QUEUE, timeout=6 * 3_600)
async def change_contacts(wanted: dict[str, Any], change: dict[str, Any], until: UUID) -> dict[str, int]:
    """Change the contacts that a filter means, up to the id `until`; return how many there were, and were changed."""
    bulk = await worker_context().resource(_open_bulk)
    chosen, wish = ContactFilter.from_json(wanted), Change.from_json(change)
    matched = changed = 0
    after: UUID | None = None
    while ids := await bulk.batch(chosen, after, until):
        changed += await bulk.apply(wish, ids)
        matched, after = matched + len(ids), ids[-1]
        current_task().progress(message=f"{matched:,} contacts")
    return {"matched": matched, "changed": changed}
