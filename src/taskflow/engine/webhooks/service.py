"""Makes and steers webhooks.

While an enabled webhook exists, a trigger on `tasks` notes every end that somebody wants to hear of, in the transaction
that ends the task, together with the task that delivers it. So nothing is missed, whoever ends the task and whatever
dies after; and without a webhook there is no trigger to pay for. Putting it on takes a lock on `tasks` for a moment. A
trigger on `messages` does the same for single messages, and one on `sms_reports` for what becomes of texts, while a
webhook wants to hear of them.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from taskflow.base.errors import ConflictError, InvalidInputError, UnavailableError
from taskflow.base.ids import uuid7
from taskflow.base.outbound import RefusedUrlError, Target
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Connection, Database
from taskflow.engine.client import Engine
from taskflow.engine.requests import Request
from taskflow.engine.states import RETRIABLE, TaskStatus
from taskflow.engine.webhooks.events import QUEUE, TASK_NAME, TEST
from taskflow.engine.webhooks.repository import WebhookReader, found, sql
from taskflow.engine.webhooks.sender import guard_of
from taskflow.engine.webhooks.signatures import secret_of, written
from taskflow.identity.secret_key import signing_key
from taskflow.settings import Settings

_LOCK_TIMEOUT = "SET LOCAL lock_timeout = '5s'"
_BY_HAND = "Disabled by hand."


class InvalidWebhookUrlError(InvalidInputError):
    """A webhook cannot go to this address."""

    code = "invalid_webhook_url"


class DeliveryUnderWayError(ConflictError):
    """This delivery is under way: it goes on by itself."""

    code = "delivery_under_way"


class WebhookDisabledError(ConflictError):
    """This webhook is disabled: enable it first."""

    code = "webhook_disabled"


class WithSecret(NamedTuple):
    """A webhook, and the secret that nobody can read again."""

    row: asyncpg.Record
    secret: str


class WebhookService:
    """Webhooks for code that shares the database."""

    def __init__(self, database: Database, broker: RedisBroker, settings: Settings) -> None:
        """Use the pools and the broker of this process."""
        self._pool = database.pool
        self._engine = Engine(database, broker)
        self._settings = settings
        self._guard = guard_of(settings.webhook)
        self.reader = WebhookReader(database.pool)

    async def create(self, columns: Mapping[str, Any], *, created_by: UUID | None = None) -> WithSecret:
        """Make a webhook of url, description, events, task_names and queues.

        Raises:
            InvalidWebhookUrlError: it cannot go there.
            UnavailableError: the table of tasks is locked.
        """
        await self._check_url(columns["url"])
        values = [columns[name] for name in _COLUMNS]
        async with self._pool.acquire() as connection, connection.transaction():
            row = found(await connection.fetchrow(sql.insert_webhook, uuid7(), *values, created_by), UUID(int=0))
            await _watch(connection)
        return self._with_secret(row)

    async def update(self, webhook_id: UUID, changes: Mapping[str, Any]) -> asyncpg.Record:
        """Change a webhook; `enabled` false takes it out, true lets it begin anew.

        Raises:
            WebhookNotFoundError: there is none.
            InvalidWebhookUrlError, UnavailableError: as in `create`.
        """
        if "url" in changes:
            await self._check_url(changes["url"])
        async with self._pool.acquire() as connection, connection.transaction():
            row = found(await connection.fetchrow(sql.lock_webhook, webhook_id), webhook_id)
            merged = {**row, **changes}
            since, reason, failures = row["disabled_at"], row["disabled_reason"], row["failures"]
            if changes.get("enabled") is True:
                since, reason, failures = None, None, 0
            elif changes.get("enabled") is False and since is None:
                since, reason = await connection.fetchval("SELECT now()"), _BY_HAND
            values = [merged[name] for name in _COLUMNS]
            changed = await connection.fetchrow(sql.update_webhook, webhook_id, *values, since, reason, failures)
            await _watch(connection)
        return found(changed, webhook_id)

    async def delete(self, webhook_id: UUID) -> str:
        """Delete a webhook and what it delivered; return its address.

        Raises:
            WebhookNotFoundError: there is none.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            url: str = found(await connection.fetchrow(sql.delete_webhook, webhook_id), webhook_id)["url"]
            await _watch(connection)
        return url

    async def rotate(self, webhook_id: UUID) -> WithSecret:
        """Give a webhook a new secret; the old one signs beside it for `rotation_hours`.

        Raises:
            WebhookNotFoundError: there is none.
        """
        hours = self._settings.webhook.rotation_hours
        return self._with_secret(found(await self._pool.fetchrow(sql.rotate, webhook_id, hours), webhook_id))

    async def test(self, webhook_id: UUID) -> asyncpg.Record:
        """Send a message of type `webhook.test`; return the delivery.

        Raises:
            WebhookNotFoundError, WebhookDisabledError: as they say.
        """
        delivery_id = uuid7()
        async with self._pool.acquire() as connection, connection.transaction():
            row = found(await connection.fetchrow(sql.lock_webhook, webhook_id), webhook_id)
            if row["disabled_at"] is not None:
                raise WebhookDisabledError(f"It is disabled: {row['disabled_reason']}")
            await connection.execute(sql.insert_test, delivery_id, webhook_id, TEST, {"webhook_id": str(webhook_id)})
            handle = await self._engine.submit_in(connection, _request(delivery_id)._replace(task_id=delivery_id))
        await self._engine.dispatch([handle])
        return await self.reader.delivery(webhook_id, delivery_id)

    async def replay(self, webhook_id: UUID, delivery_id: UUID) -> asyncpg.Record:
        """Deliver a message again, under its old id; return the delivery.

        Raises:
            DeliveryNotFoundError: there is none.
            DeliveryUnderWayError: its task has not ended.
        """
        delivery = await self.reader.delivery(webhook_id, delivery_id)
        status = TaskStatus(delivery["task_status"]) if delivery["task_status"] else None
        if status in RETRIABLE:
            await self._engine.retry(delivery["task_id"])
        elif status in (TaskStatus.COMPLETED, None):
            async with self._pool.acquire() as connection, connection.transaction():
                handle = await self._engine.submit_in(connection, _request(delivery_id))
                await connection.execute(sql.deliver_by, delivery_id, handle.task_id)
            await self._engine.dispatch([handle])
        else:
            raise DeliveryUnderWayError(f"Its task {delivery['task_id']} is {status}.", status=status)
        return await self.reader.delivery(webhook_id, delivery_id)

    async def _check_url(self, url: str) -> None:
        try:
            await self._guard.find(Target(url))
        except RefusedUrlError as error:
            raise InvalidWebhookUrlError(str(error), field="url") from error

    def _with_secret(self, row: asyncpg.Record) -> WithSecret:
        key = signing_key(self._settings).get_secret_value()
        return WithSecret(row, written(secret_of(key, row["webhook_id"], row["secret_version"])))


_COLUMNS = ("url", "description", "events", "task_names", "queues")


def _request(delivery_id: UUID) -> Request:
    return Request(TASK_NAME, kwargs={"delivery_id": str(delivery_id)}, queue=QUEUE, max_retries=9, timeout_seconds=60)


async def _watch(connection: Connection) -> None:
    """Put the triggers on or take them off.

    Raises:
        UnavailableError: somebody holds `tasks` or `messages` for longer than five seconds.
    """
    await connection.execute(_LOCK_TIMEOUT)
    try:
        await connection.execute(sql.watch)
    except asyncpg.LockNotAvailableError as error:
        raise UnavailableError("The table of tasks or of messages is locked by a long statement: try again.") from error
