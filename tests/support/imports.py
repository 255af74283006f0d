"""What tests of imports share: a file goes in over HTTP, the task's work is done here, contacts are looked at."""

import asyncio
import json
from typing import Any
from uuid import UUID

import httpx

from taskflow.audience.consent.service import ConsentService
from taskflow.audience.imports.jobs.run import ImportRun
from taskflow.audience.suppression.erasure import ErasureKey
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine.context import Progress, TaskContext
from taskflow.identity.secret_key import signing_key
from taskflow.settings import Settings


class SilentReporter:
    """Takes what a task says, and remembers how far it said it was."""

    def __init__(self) -> None:
        self.progressed: list[Progress] = []
        self.stopped = False

    def log(self, level: object, message: str, metadata: object) -> None:
        """Forget it."""

    def progress(self, progress: Progress) -> None:
        """Keep it."""
        self.progressed.append(progress)

    def heartbeat(self) -> None:
        """Forget it."""

    def is_cancelled(self) -> bool:
        """Tell whether the test drains the worker."""
        return self.stopped


def erasure_of(settings: Settings) -> ErasureKey:
    """Return the erasure key of the test's installation."""
    return ErasureKey(signing_key(settings))


async def upload(
    client: httpx.AsyncClient, content: bytes | str, filename: str = "people.csv", *, path: str = "", **fields: Any
) -> httpx.Response:
    """Send a file as the dashboard would."""
    data = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
    raw = content.encode() if isinstance(content, str) else content
    return await client.post(
        f"/api/v1/contacts/imports{path}", data=data, files={"file": (filename, raw, "application/octet-stream")}
    )


async def work(
    database: Database, settings: Settings, import_id: str | UUID, *, epoch: int = 1, reporter: Any = None
) -> dict[str, Any]:
    """Do what the task does, under an epoch."""
    import_id = UUID(str(import_id))
    context = TaskContext(import_id, "import_contacts", epoch, 1, reporter or SilentReporter())
    async with RedisBroker.open(settings.redis) as broker:
        consents = ConsentService(database, broker, settings.audience)
        return await ImportRun(database, settings.imports, erasure_of(settings), consents, context).run(import_id)


async def imported(
    client: httpx.AsyncClient, database: Database, settings: Settings, content: bytes | str, **fields: Any
) -> dict[str, Any]:
    """Import a file to the end and return the report."""
    answer = await upload(client, content, **fields)
    assert answer.status_code == 201, answer.text
    import_id = answer.json()["import_id"]
    await work(database, settings, import_id)
    report: dict[str, Any] = (await client.get(f"/api/v1/contacts/imports/{import_id}")).json()
    return report


async def contacts(database: Database) -> list[dict[str, Any]]:
    """Return every contact in the order of the address."""
    rows = await database.pool.fetch("SELECT * FROM subscribers ORDER BY lower(email) NULLS LAST, phone")
    return [dict(row) for row in rows]


async def leftovers(database: Database) -> tuple[int, int]:
    """Return how many chunks of files and how many staging tables there are."""
    chunks, tables = await asyncio.gather(
        database.pool.fetchval("SELECT count(*) FROM import_chunks"),
        database.pool.fetchval(
            "SELECT count(*) FROM pg_class WHERE relname LIKE 'contact\\_import\\_%' AND relkind = 'r'"
        ),
    )
    return chunks, tables
