"""The end of a double opt-in: what a request stands for, and the person's yes.

A request (`consents`, action `requested`) is good once, for some days, and only while the subscription that it was made
for is PENDING: nobody comes back on a list by the link of an earlier time. A second click changes nothing.
"""

import hashlib
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from taskflow.audience.consent.models import ConsentAction, Evidence
from taskflow.audience.consent.repository import sql
from taskflow.audience.consent.suppressing import OWN_WISH, suppressed
from taskflow.audience.suppression.erasure import ErasureKey
from taskflow.base.errors import NotFoundError
from taskflow.base.ids import uuid7
from taskflow.db.pool import Connection, Pool
from taskflow.settings import AudienceSettings

_TAG_BYTES = 8


class ConfirmationGoneError(NotFoundError):
    """This confirmation is no longer asked for: it is too old, or the address has changed."""

    code = "confirmation_gone"


@dataclass(frozen=True, slots=True)
class ConfirmationRequest:
    """What a person is asked to confirm."""

    request_id: UUID
    contact_id: UUID
    list_id: UUID
    email: str
    list_name: str
    confirm_from: str | None
    wording: str
    is_open: bool
    is_done: bool
    is_refused: bool
    """The contact bounced, complained or is disabled."""

    @property
    def tag(self) -> bytes:
        """What a link carries of the address: a link proves the one that it was sent to, and no other."""
        return hashlib.sha256(self.email.lower().encode()).digest()[:_TAG_BYTES]

    @classmethod
    def of(cls, row: Any) -> Self:
        """Read a row of the statement `request`."""
        return cls(
            request_id=row["consent_id"],
            contact_id=row["contact_id"],
            list_id=row["list_id"],
            email=row["email"],
            list_name=row["list_name"],
            confirm_from=row["confirm_from"],
            wording=row["wording"] or "",
            is_open=row["is_open"],
            is_done=row["is_done"],
            is_refused=row["is_refused"],
        )


class Confirmations:
    """Reads requests and takes answers."""

    def __init__(self, pool: Pool, settings: AudienceSettings, erasure: ErasureKey) -> None:
        """Use the ordinary pool; `erasure` recognises who was erased."""
        self._pool = pool
        self._erasure = erasure
        self._days = settings.confirm_days

    async def find(self, request_id: UUID, connection: Connection | None = None) -> ConfirmationRequest:
        """Return a request as things are now.

        Raises:
            ConfirmationGoneError: the person, the list or the subscription is gone.
        """
        row = await (connection or self._pool).fetchrow(sql.request, request_id, self._days)
        if row is None:
            raise ConfirmationGoneError
        return ConfirmationRequest.of(row)

    async def is_refused(self, request: ConfirmationRequest, connection: Connection | None = None) -> bool:
        """Tell whether the person is not to be written to, for another reason than that they once wished so."""
        reasons = await suppressed(connection or self._pool, request.email, request.list_id, self._erasure)
        return request.is_refused or bool(reasons - {OWN_WISH})

    async def of_link(self, request_id: UUID, tag: bytes, connection: Connection | None = None) -> ConfirmationRequest:
        """Return the request behind a link.

        Raises:
            ConfirmationGoneError: it is too old, was made for an earlier subscription, or went to another address.
        """
        request = await self.find(request_id, connection)
        if request.tag != tag or not (request.is_open or request.is_done):
            raise ConfirmationGoneError
        return request

    async def confirm(self, request_id: UUID, tag: bytes, evidence: Evidence) -> ConfirmationRequest:
        """Take the person's yes; return the request as it was before. Once is enough: a repetition changes nothing.

        Raises:
            ConfirmationGoneError: as in `of_link`.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(sql.lock_request, request_id)
            request = await self.of_link(request_id, tag, connection)
            if request.is_open:
                await connection.execute(sql.confirm, request.list_id, request.contact_id)
                await connection.execute(sql.welcome, request.contact_id)
                await connection.execute(sql.lift_own_suppression, request.email, request.list_id)
                await connection.execute(
                    sql.add_consent, uuid7(), request.contact_id, request.list_id, "email", ConsentAction.CONFIRMED,
                    evidence.source, request.wording, evidence.address, (evidence.user_agent or "")[:500] or None, None,
                )  # fmt: skip
        return request
