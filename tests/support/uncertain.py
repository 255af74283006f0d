"""Uncertain messages and recipients, and providers that are asked about them."""

from typing import Any
from uuid import UUID

from support.mail_apis import KEY
from support.mail_providers import NEW
from taskflow.base.ids import uuid7
from taskflow.db.pool import Database
from taskflow.delivery.providers.opening import Opener
from taskflow.delivery.providers.registry import Registry
from taskflow.delivery.providers.service import ProviderService
from taskflow.identity.secret_key import vault
from taskflow.settings import Settings


async def add_provider(database: Database, installation: Settings, **told: Any) -> None:
    """Add a provider."""
    registry = Registry()
    async with Opener.open(installation, registry) as opener:
        await ProviderService(database, registry, vault(installation), opener).create(NEW | told)


async def add_mailgun(database: Database, installation: Settings, url: str, **told: Any) -> None:
    """Add a Mailgun that is at an address of this machine."""
    plain = {"domain": "mg.example.org", "endpoint": url}
    mailgun = {"name": "mailgun", "kind": "mailgun", "settings": plain, "secrets": {"api_key": KEY}}
    await add_provider(database, installation, **(mailgun | told))


async def lose(database: Database, table: str, ledger_id: UUID, provider: str, *, age: float = 90.0) -> None:
    """Let a waiting row have become uncertain so many seconds ago, as its task's failure says."""
    key = {"messages": "message_id", "email_recipients": "recipient_id"}[table]
    await database.pool.execute(
        f"UPDATE {table} SET status = 'UNCERTAIN', attention = 'UNCERTAIN', lease_epoch = 1, attempt = 1,"  # noqa: S608 - ours
        f" provider = $2, sending_at = now() - $3 * interval '1 second', error_message = 'Lost.' WHERE {key} = $1",
        ledger_id,
        provider,
        age,
    )
    await database.pool.execute(
        "INSERT INTO tasks (task_id, task_name, queue, dispatch_key, priority) VALUES ($1, 'send', 'email', 'email', 5)"
        " ON CONFLICT DO NOTHING",
        ledger_id,
    )
    await database.pool.execute(
        "UPDATE tasks SET status = 'FAILED', completed_at = now(), failed_at = now(), lease_epoch = 1"
        " WHERE task_id = $1",
        ledger_id,
    )


async def grow_older(database: Database, seconds: float) -> None:
    """Make every uncertain attempt, and what is planned for it, so much older."""
    for table in ("messages", "email_recipients"):
        await database.pool.execute(
            f"UPDATE {table} SET sending_at = sending_at - $1 * interval '1 second' WHERE status = 'UNCERTAIN'",  # noqa: S608 - ours
            seconds,
        )
    await database.pool.execute(
        "UPDATE reconciliations SET next_look_at = next_look_at - $1 * interval '1 second'", seconds
    )


async def searches(database: Database) -> list[dict[str, Any]]:
    """Return what is known of every search."""
    return [dict(row) for row in await database.pool.fetch("SELECT * FROM reconciliations ORDER BY ledger_id")]


async def add_message(database: Database, address: str, *, archive: str = "full", **columns: Any) -> UUID:
    """Add a message of own words that waits; return its id."""
    message_id, submission_id = uuid7(), uuid7()
    await database.pool.execute(
        "INSERT INTO message_submissions (submission_id, source, archive, letter) VALUES ($1, 'api', $2, '{}')",
        submission_id,
        archive,
    )
    row = {"uncertain_policy": "reconcile", "from_address": "shop@sender.example"} | columns
    row |= {"message_id": message_id, "submission_id": submission_id, "channel": "email", "address": address}
    names = ", ".join(row)
    places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    await database.pool.execute(f"INSERT INTO messages ({names}) VALUES ({places})", *row.values())  # noqa: S608 - ours
    return message_id
