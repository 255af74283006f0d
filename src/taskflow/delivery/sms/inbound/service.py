"""What is done with what providers tell: replies are kept and heeded, reports are kept.

Providers tell things twice, late and in any order. Each is one transaction that begins by writing it down under the
provider's id for it; what is there already is done already. STOP and START count in the order in which people wrote
them: a STOP that arrives after a later START changes nothing.
"""

from typing import Final, NamedTuple
from uuid import UUID

from taskflow.audience.channels import Channel
from taskflow.audience.consent.models import ConsentAction, Evidence
from taskflow.audience.consent.repository import sql as consent_sql
from taskflow.audience.consent.suppressing import OWN_WISH, withdraw
from taskflow.audience.contacts.phones import normalise_phone
from taskflow.audience.contacts.repository import sql as contacts_sql
from taskflow.audience.contacts.values import InvalidValueError
from taskflow.base.ids import uuid7
from taskflow.db.pool import Connection, Pool
from taskflow.delivery.providers.sms.hooks import Reply, Report, ReportStatus, Told
from taskflow.delivery.sms.inbound.keywords import Action, normalise
from taskflow.delivery.sms.inbound.repository import sql
from taskflow.delivery.verdict import SUPPRESSING

_SOURCE: Final = "sms"
_NUMBER_CHARS: Final = 50
_CODE_CHARS: Final = 50
_REFERENCE_CHARS: Final = 200
_WORDING_CHARS: Final = 2_000


class Change(NamedTuple):
    """Who is written to has changed: what was asked for, and where it is written down."""

    action: Action
    where: UUID


class Inbound:
    """Takes what providers tell."""

    def __init__(self, pool: Pool) -> None:
        """Use the ordinary pool."""
        self._pool = pool

    async def take(self, kind: str, told: list[Told], provider: str | None = None) -> list[Change]:
        """Write down what a provider of a kind tells, and heed it; return what it has changed for whom we write to.

        `provider`: its name, where it has an address of its own.
        """
        changes = [
            await (self._reply(kind, provider, item) if isinstance(item, Reply) else self._report(kind, provider, item))
            for item in told
        ]
        return [change for change in changes if change is not None]

    async def _reply(self, kind: str, provider: str | None, reply: Reply) -> Change | None:
        number = number_of(reply.sender)
        sender = number or reply.sender[:_NUMBER_CHARS]
        reference = reply.reference[:_REFERENCE_CHARS] or str(uuid7())  # without one it cannot be told twice
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(sql.lock_sender, sender)
            found = await connection.fetchval(sql.action_of, normalise(reply.text))
            recipient = number_of(reply.recipient) or reply.recipient[:_NUMBER_CHARS]
            row = await connection.fetchrow(
                sql.add_reply,
                *(uuid7(), kind, reference, sender, recipient, reply.text, found, reply.occurred_at, provider),
            )
            if row is None or number is None or found not in (Action.STOP, Action.START):
                return None
            if await connection.fetchval(sql.has_changed_mind, sender, row["occurred_at"]):
                return None
            heed = self._stop if found == Action.STOP else self._start
            changed = await heed(connection, number, row["contact_id"], reply.text)
        return Change(Action(found), row["reply_id"]) if changed else None

    @staticmethod
    async def _stop(connection: Connection, number: str, contact_id: UUID | None, text: str) -> bool:
        is_known = await _exists(connection, contact_id)
        is_new = await connection.fetchval(sql.suppress_number, number, OWN_WISH, _SOURCE)
        if is_known and contact_id is not None:
            evidence = Evidence(_SOURCE, wording=text[:_WORDING_CHARS])
            await withdraw(connection, contact_id, None, evidence, Channel.SMS)
            await _note(connection, contact_id, ConsentAction.WITHDRAWN, evidence)
        return is_new is not None

    @staticmethod
    async def _start(connection: Connection, number: str, contact_id: UUID | None, text: str) -> bool:
        is_known = await _exists(connection, contact_id)
        was_there = await connection.fetchval(sql.lift_own_suppression, number)
        if is_known and contact_id is not None:
            evidence = Evidence(_SOURCE, wording=text[:_WORDING_CHARS])
            await _note(connection, contact_id, ConsentAction.GRANTED, evidence)
        return was_there is not None

    async def _report(self, kind: str, provider: str | None, report: Report) -> Change | None:
        number = number_of(report.recipient)
        async with self._pool.acquire() as connection, connection.transaction():
            report_id = await connection.fetchval(
                sql.add_report,
                uuid7(),
                kind,
                report.provider_id[:_REFERENCE_CHARS],
                report.message_id,
                number or report.recipient[:_NUMBER_CHARS] or None,
                report.status,
                report.cause,
                report.code[:_CODE_CHARS],
                report.detail or None,
                provider,
            )
            reason = SUPPRESSING.get(report.cause) if report.cause is not None else None
            if report_id is None or number is None or reason is None or report.status is not ReportStatus.FAILED:
                return None
            is_new = await connection.fetchval(sql.suppress_number, number, reason, "report")
        return Change(Action.STOP, report_id) if is_new is not None else None


def number_of(text: str) -> str | None:
    """Return a number in E.164, also when a provider leaves out the +; None for names and short codes."""
    text = text.strip()
    try:
        return normalise_phone("+" + text if text.isascii() and text.isdecimal() else text)
    except InvalidValueError:
        return None


async def _exists(connection: Connection, contact_id: UUID | None) -> bool:
    """Tell whether the contact is there, and keep it from going."""
    return contact_id is not None and await connection.fetchrow(contacts_sql.lock_contact, contact_id) is not None


async def _note(connection: Connection, contact_id: UUID, action: ConsentAction, evidence: Evidence) -> None:
    await connection.execute(
        consent_sql.add_consent, uuid7(), contact_id, None, "sms", action, evidence.source, *evidence.proof
    )
