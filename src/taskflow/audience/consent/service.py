"""People onto lists and off them, each step with its evidence. Each call is one transaction.

A confirmation of a double opt-in is asked for by a task, enqueued in the transaction that makes the request: no mail
without the row, none lost after it. The task knows the id of the request only: no address stands in its arguments.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple
from uuid import UUID

import asyncpg

from taskflow.audience.channels import Channel
from taskflow.audience.consent.models import ConsentAction, Evidence, SubscriptionStatus
from taskflow.audience.consent.repository import sql
from taskflow.audience.consent.suppressing import withdraw
from taskflow.audience.contacts.models import unknown
from taskflow.audience.contacts.repository import sql as contacts_sql
from taskflow.audience.lists.models import OptIn
from taskflow.audience.lists.repository import found as found_list
from taskflow.audience.lists.repository import open_list, wording_of
from taskflow.audience.lists.repository import sql as lists_sql
from taskflow.base.errors import ConflictError, InvalidInputError, RateLimitedError
from taskflow.base.ids import uuid7
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Connection, Database
from taskflow.engine.client import Engine
from taskflow.engine.handles import TaskHandle
from taskflow.engine.requests import Request
from taskflow.engine.states import Priority
from taskflow.settings import AudienceSettings

CONFIRMATION_TASK = "send_confirmation"
CONFIRMATION_QUEUE = "confirmations"
_ALL_LISTS = 5  # a person is asked about all lists together so many times as about one


class WordingRequiredError(InvalidInputError):
    """Who is on a list with double opt-in without a confirmation has agreed to something: say to what in `wording`."""

    code = "wording_required"


class NotPendingError(ConflictError):
    """This subscription does not wait for a confirmation."""

    code = "not_pending"


class ConfirmationLimitError(RateLimitedError):
    """This person was asked often enough today."""

    code = "confirmation_limit"


class Added(NamedTuple):
    """What adding people did."""

    confirmed: int
    pending: int
    unchanged: int


class ConsentService:
    """Subscriptions and consents for code that shares the database."""

    def __init__(self, database: Database, broker: RedisBroker, settings: AudienceSettings) -> None:
        """Use the pools and the broker of this process."""
        self._pool = database.pool
        self._engine = Engine(database, broker)
        self._settings = settings

    async def add(
        self, list_id: UUID, contact_ids: Sequence[UUID], evidence: Evidence, *, confirmed: bool = False
    ) -> Added:
        """Put people on a list; a double opt-in asks them first, unless they are `confirmed`.

        Raises:
            ListNotFoundError, ListArchivedError: as they say.
            WordingRequiredError: they are `confirmed`, and nobody says to which wording.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            added, handles = await self.add_in(connection, list_id, contact_ids, evidence, confirmed=confirmed)
        await self._engine.dispatch(handles)
        return added

    async def add_in(
        self,
        connection: Connection,
        list_id: UUID,
        contact_ids: Sequence[UUID],
        evidence: Evidence,
        *,
        confirmed: bool = False,
    ) -> tuple[Added, list[TaskHandle[None]]]:
        """Do the same in the caller's transaction; `dispatch` the handles once it has committed."""
        chosen = await open_list(connection, list_id)
        asks = chosen["opt_in"] == OptIn.DOUBLE and not confirmed
        if confirmed and chosen["opt_in"] == OptIn.DOUBLE and not (evidence.wording or "").strip():
            raise WordingRequiredError(field="wording")
        status = SubscriptionStatus.PENDING if asks else SubscriptionStatus.CONFIRMED
        if asks:
            evidence = replace(evidence, wording=wording_of(chosen))
        rows = await self.subscribe(connection, list_id, contact_ids, status, evidence)
        requests = [row["consent_id"] for row in rows if asks and row["channel"] == "email"]
        handles = await self.ask(connection, requests)
        changed, others = len(rows), len(set(contact_ids)) - len(rows)
        return Added(0 if asks else changed, changed if asks else 0, others), handles

    async def subscribe(
        self,
        connection: Connection,
        list_id: UUID,
        contact_ids: Sequence[UUID],
        status: SubscriptionStatus,
        evidence: Evidence,
        *,
        again: bool = False,
    ) -> list[asyncpg.Record]:
        """Write subscriptions and their consents; return the consents' ids and channels.

        `again`: also of those who are on the list or have unsubscribed, because they came by themselves.
        """
        return await connection.fetch(
            sql.subscribe, list_id, contact_ids, status, again, evidence.source, *evidence.proof
        )

    async def ask(self, connection: Connection, requests: Iterable[UUID]) -> list[TaskHandle[None]]:
        """Enqueue the mails of requests; `dispatch` the handles once the transaction has committed."""
        mail = Request(CONFIRMATION_TASK, queue=CONFIRMATION_QUEUE, priority=Priority.HIGH)
        mails = [mail._replace(kwargs={"request_id": str(request_id)}) for request_id in requests]
        return await self._engine.submit_many_in(connection, mails) if mails else []

    async def dispatch(self, handles: Iterable[TaskHandle[None]]) -> None:
        """Put committed mails in line."""
        await self._engine.dispatch(handles)

    async def remove(self, list_id: UUID, contact_ids: Sequence[UUID], evidence: Evidence) -> int:
        """Take people off a list; return how many were on it. Who unsubscribed is kept as such."""
        async with self._pool.acquire() as connection:
            return await self.remove_in(connection, list_id, contact_ids, evidence)

    async def remove_in(
        self, connection: Connection, list_id: UUID, contact_ids: Sequence[UUID], evidence: Evidence
    ) -> int:
        """Do the same in the caller's transaction."""
        rows = await connection.fetch(sql.remove, list_id, contact_ids, evidence.source, *evidence.proof)
        return len(rows)

    async def record(
        self,
        contact_id: UUID,
        action: ConsentAction,
        channel: Channel,
        list_id: UUID | None,
        evidence: Evidence,
        *,
        consent_id: UUID | None = None,
    ) -> asyncpg.Record:
        """Write down what a person said to somebody else, and do what it means.

        `withdrawn` ends the subscription to the list, or without a list everything; `granted` is proof and does nothing
        more. `consent_id`: given by a caller that may repeat itself.

        Raises:
            ContactNotFoundError, ListNotFoundError: as they say.
        """
        consent_id = consent_id or uuid7()
        async with self._pool.acquire() as connection, connection.transaction():
            if await connection.fetchrow(contacts_sql.lock_contact, contact_id) is None:
                raise unknown(contact_id)
            if list_id is not None:  # an archived one, too: a wish is heeded
                found_list(await connection.fetchrow(lists_sql.share_list, list_id), list_id)
            row = await connection.fetchrow(sql.get_consent, consent_id, contact_id)
            if row is not None:
                return row
            if action is ConsentAction.WITHDRAWN:
                consent_id = await withdraw(connection, contact_id, list_id, evidence, channel) or consent_id
            await connection.execute(
                sql.add_consent, consent_id, contact_id, list_id, channel, action, evidence.source, *evidence.proof
            )
            row = await connection.fetchrow(sql.get_consent, consent_id, contact_id)
        assert row is not None  # noqa: S101 - written above
        return row

    async def ask_again(self, contact_id: UUID, list_id: UUID, evidence: Evidence) -> None:
        """Send the mail of a pending subscription once more.

        Raises:
            NotPendingError: there is none, or it is confirmed or ended.
            ConfirmationLimitError: enough of them were sent today.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            if (row := await connection.fetchrow(contacts_sql.lock_contact, contact_id)) is None:
                raise unknown(contact_id)
            chosen = await open_list(connection, list_id)
            subscriptions = await connection.fetch(sql.subscriptions_of, contact_id)
            if row["email"] is None or not any(
                found["list_id"] == list_id and found["status"] == SubscriptionStatus.PENDING for found in subscriptions
            ):
                raise NotPendingError
            if not await self.may_ask(connection, contact_id, list_id):
                raise ConfirmationLimitError(
                    f"At most {self._settings.confirmations_per_day} mails a day ask one person about one list.",
                    retry_after=3600,
                )
            evidence = replace(evidence, wording=wording_of(chosen))
            handles = await self.request_again(connection, contact_id, list_id, evidence)
        await self._engine.dispatch(handles)

    async def request_again(
        self, connection: Connection, contact_id: UUID, list_id: UUID, evidence: Evidence
    ) -> list[TaskHandle[None]]:
        """Note another request of a pending subscription, and enqueue its mail."""
        request_id = uuid7()
        await connection.execute(
            sql.add_consent, request_id, contact_id, list_id, "email", ConsentAction.REQUESTED, evidence.source,
            *evidence.proof,
        )  # fmt: skip
        return await self.ask(connection, [request_id])

    async def may_ask(self, connection: Connection, contact_id: UUID, list_id: UUID) -> bool:
        """Tell whether a person may be asked once more today; the contact's row must be locked."""
        row = await connection.fetchrow(sql.requests_of_a_day, contact_id, list_id)
        most = self._settings.confirmations_per_day
        return row is not None and row["of_list"] < most and row["of_all"] < _ALL_LISTS * most
