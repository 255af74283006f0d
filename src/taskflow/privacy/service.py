"""Asked for by people, done by a task: exports and erasures."""

from typing import Any
from uuid import UUID

import asyncpg

from taskflow.audience.contacts.values import InvalidValueError, normalise_email
from taskflow.audience.suppression.erasure import ErasureKey
from taskflow.base.errors import InvalidInputError, NotFoundError
from taskflow.base.ids import uuid7
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.db.queries import load
from taskflow.engine.client import Engine
from taskflow.engine.repository import before, page
from taskflow.engine.requests import Request
from taskflow.identity.secret_key import signing_key
from taskflow.privacy.subject import NobodyNamedError, Subject, TwoPeopleError, UnknownPersonError
from taskflow.settings import Settings

sql = load(__file__)

TASK_NAME = "taskflow.erase_person"
QUEUE = "maintenance"
_WORDS_BYTES = 32 * 1024 * 1024  # of what was sent, in an export: it is made in memory


class ErasureNotFoundError(NotFoundError):
    """There is no such erasure."""

    code = "erasure_not_found"


class PrivacyService:
    """Persons' rights, for code that shares the database."""

    def __init__(self, database: Database, broker: RedisBroker, settings: Settings) -> None:
        """Use the pools and the broker of this process."""
        self._database = database
        self._engine = Engine(database, broker)
        self._settings = settings

    async def find(self, contact_id: UUID | None, email: str | None, phone: str | None) -> Subject:
        """Return whom a request is about: a contact, or somebody who is only an address or a number.

        Raises:
            NobodyNamedError: it names nobody.
            InvalidInputError: the address is none.
            UnknownPersonError: there is no such contact.
            TwoPeopleError: what names them belongs to two contacts.
        """
        if contact_id is None and email is None and phone is None:
            raise NobodyNamedError
        try:
            address = normalise_email(email).lower() if email is not None else None
        except InvalidValueError as error:
            raise InvalidInputError(f"email: {error}", field="email") from error
        rows = await self._database.pool.fetch(sql.contact_of, contact_id, address, phone)
        if len(rows) > 1:
            raise TwoPeopleError
        if not rows:
            if contact_id is not None and address is None and phone is None:
                raise UnknownPersonError(f"There is no contact {contact_id}.", contact_id=str(contact_id))
            return Subject(None, address, phone)
        [row] = rows
        return Subject(row["contact_id"], row["email"] or address, row["phone"] or phone)

    async def ask(
        self,
        subject: Subject,
        *,
        suppress: bool,
        reason: str | None,
        requested_by: UUID | None,
        erasure_id: UUID | None = None,
    ) -> asyncpg.Record:
        """Suppress a person at once, and let a task erase them; return the erasure."""
        erasure_id = erasure_id or uuid7()
        hashes = pseudonyms(self._settings, subject)
        request = Request(
            TASK_NAME, kwargs={"erasure_id": str(erasure_id)}, task_id=erasure_id, created_by=requested_by
        )
        async with self._database.pool.acquire() as connection, connection.transaction():
            tag = await connection.execute(
                sql.insert_erasure, erasure_id, hashes[0][1], subject.contact_id, subject.email, subject.phone,
                suppress, reason, requested_by,
            )  # fmt: skip
            handles = []
            if not tag.endswith(" 0"):  # else the request is repeated
                await connection.executemany(sql.suppress, hashes)
                handles.append(await self._engine.submit_in(connection, request))
        await self._engine.dispatch(handles)
        return await self.get(erasure_id)

    async def get(self, erasure_id: UUID) -> asyncpg.Record:
        """Return an erasure.

        Raises:
            ErasureNotFoundError: there is none.
        """
        row = await self._database.pool.fetchrow(sql.erasure, erasure_id)
        if row is None:
            raise ErasureNotFoundError(f"There is no erasure {erasure_id}.", erasure_id=str(erasure_id))
        return row

    async def page(self, cursor: str | None, limit: int) -> tuple[list[asyncpg.Record], str | None]:
        """Return erasures, newest first."""
        return page(await self._database.pool.fetch(sql.erasures, before(cursor), limit + 1), limit, "erasure_id")

    async def export(self, subject: Subject) -> dict[str, Any]:
        """Return everything that is stored about a person.

        Raises:
            UnknownPersonError: that is nothing.
        """
        pool = self._database.pool
        address = (subject.email, subject.phone)
        contact = await pool.fetchrow(sql.contact, subject.contact_id)
        found: dict[str, Any] = {
            "contact": dict(contact) if contact is not None else None,
            "subscriptions": await _rows(pool, sql.subscriptions, subject.contact_id),
            "consents": await _rows(pool, sql.consents, subject.contact_id),
            "messages": await _rows(pool, sql.messages, subject.contact_id, subject.email),
            "single_messages": [_worded(row) for row in await _rows(pool, sql.single_messages, *address, _WORDS_BYTES)],
            "events": await _rows(pool, sql.events, subject.contact_id),
            "activity": await _rows(pool, sql.activity, subject.contact_id),
            "rejected_rows": await _rows(pool, sql.rejected_rows, subject.needles, subject.pattern),
            "sandbox_mails": await _rows(pool, sql.sandbox_mails, *address),
            "sms_replies": await _rows(pool, sql.sms_replies, subject.phone),
            "sms_reports": await _rows(pool, sql.sms_reports, subject.phone),
            "suppressions": await _rows(pool, sql.suppressions, *address),
        }
        if not any(found.values()):
            raise UnknownPersonError
        return found


def pseudonyms(settings: Settings, subject: Subject) -> list[tuple[str, str]]:
    """Return the channels on which a person was reached, each with what stands in for their address there."""
    key = ErasureKey(signing_key(settings))
    addresses = (("email", subject.email), ("sms", subject.phone))
    return [(channel, key.of(address)) for channel, address in addresses if address is not None]


def _worded(row: dict[str, Any]) -> dict[str, Any]:
    """Return a message with what was sent as text; a byte that is none, as an old program may have sent, as \\xe9."""
    content: bytes | None = row["content"]
    return row | {"content": content.decode(errors="backslashreplace") if content is not None else None}


async def _rows(pool: Any, statement: str, *arguments: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in await pool.fetch(statement, *arguments)]
