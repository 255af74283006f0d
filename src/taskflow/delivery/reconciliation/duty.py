"""The reconciliation duty: asks providers about uncertain messages until somebody knows what became of them.

Under the policy `reconcile` an uncertain attempt gets a row in `reconciliations`. Its provider is asked at growing
ages of the attempt (`rules.LOOKS`), outside of any transaction; what was found is written afterwards, only while this
process leads and the row is UNCERTAIN under the epoch that was asked about. A person who decides meanwhile, or another
leader, was faster. Whoever dies between the question and the write asks again: a question sends nothing.

A message that is sent again starts over as its task's next claim does, under a new epoch; the old attempt ended with
its task, so that there are never two senders.
"""

import asyncio
from collections.abc import Sequence
from typing import ClassVar

import asyncpg

from taskflow.base.failpoints import failpoint
from taskflow.base.logging import get_logger
from taskflow.broker.redis.dispatch import Entry
from taskflow.db.queries import load
from taskflow.delivery.incoming import describe
from taskflow.delivery.message_ids import MessageIds
from taskflow.delivery.messages.models import message_id_of
from taskflow.delivery.providers.contract import Sought
from taskflow.delivery.reconciliation.inquiry import Inquiry
from taskflow.delivery.reconciliation.rules import LOOKS, Finding, next_age, next_step
from taskflow.engine.coordinator.duty import DutyContext
from taskflow.engine.store import sql as engine_sql
from taskflow.identity.secret_key import signing_key
from taskflow.settings import CoordinatorSettings

log = get_logger(__name__)
sql = load(__file__)

_INTERVAL = 5.0
_ADOPTED = 1_000
_ASKED = 20
_TASK_ENDS_SECONDS = 60.0  # after which a task that has not ended is looked at again


class Reconciliation:
    """Asks about a few messages at a time."""

    name: ClassVar[str] = "reconciliation"

    def interval(self, settings: CoordinatorSettings) -> float:  # noqa: ARG002 - not a setting
        """Return five seconds: the first look is a minute after the attempt."""
        return _INTERVAL

    async def run_once(self, context: DutyContext) -> int:
        """Adopt what has become uncertain, and ask about what is due; return how many were settled."""
        pool = context.database.pool
        # Asked first: whoever leads and is stopped inside of a transaction holds up the next leader.
        if await pool.fetchval(sql.is_something_new):
            async with context.leading() as connection:
                await connection.execute(sql.adopt, LOOKS[0], _ADOPTED)
        rows = await pool.fetch(sql.due, _ASKED)
        if not rows:
            return 0
        over = [row["ledger_id"] for row in rows if row["sending_at"] is None]
        if over:
            async with context.leading() as connection:
                await connection.execute(sql.forget, over)
        open_rows = [row for row in rows if row["sending_at"] is not None]
        findings = await _ask(context, open_rows)
        failpoint("asked_before_written")
        for row, finding in zip(open_rows, findings, strict=True):
            await _write(context, row, finding)
        return len(rows)


async def _ask(context: DutyContext, rows: Sequence[asyncpg.Record]) -> list[Finding]:
    """Ask the providers of these messages, side by side."""
    if not rows:
        return []
    secret = signing_key(context.settings).get_secret_value().encode()
    async with Inquiry.open(context.database, context.settings) as inquiry:
        return await asyncio.gather(*(inquiry.ask(row["provider"], _sought(row, secret)) for row in rows))


def _sought(row: asyncpg.Record, secret: bytes) -> Sought:
    """Return what to ask for; a mail that came by SMTP has brought its own Message-ID."""
    if row["head"] is not None:
        header = describe(row["head"])[1] or ""
    elif row["channel"] == "email":
        first = message_id_of(row["copied"], 1) if row["copied"] is not None else row["ledger_id"]
        header = MessageIds(secret, row["from_address"]).of(first)
    else:
        header = ""
    return Sought(row["ledger_id"], header, row["address"], row["sending_at"])


async def _write(context: DutyContext, row: asyncpg.Record, finding: Finding) -> None:
    """Write what follows from a look, unless somebody has decided meanwhile."""
    ledger_id, epoch, campaign_id = row["ledger_id"], row["epoch"], row["of_campaign"]
    step = next_step(finding, row["age"], is_message=campaign_id is None, attempts=row["attempt"])
    log.info("message_looked_for", ledger_id=str(ledger_id), provider=row["provider"], found=finding.text, step=step)
    again: list[Entry] = []
    async with context.leading() as connection:
        match step:
            case "sent":
                found_id = finding.sighting.provider_id if finding.sighting is not None else None
                if campaign_id is None:
                    prices = context.settings.sms.price_list
                    await connection.fetchval(sql.message_found, ledger_id, epoch, found_id, prices)
                else:
                    await connection.fetchval(sql.recipient_found, ledger_id, epoch, campaign_id, found_id)
                await connection.execute(sql.forget, [ledger_id])
            case "resend" if await connection.fetchval(sql.message_not_found, ledger_id, epoch, _sent_again(finding)):
                tasks = await connection.fetch(engine_sql.retry_by_hand, [ledger_id])
                again = [Entry(task["dispatch_key"], task["priority"], str(task["task_id"])) for task in tasks]
                await connection.execute(sql.forget, [ledger_id])
            case "resend":
                age = row["age"] + _TASK_ENDS_SECONDS
                await connection.execute(sql.look_again, ledger_id, epoch, age, finding.text, row["sending_at"])
            case "again":
                age = next_age(row["age"])
                await connection.execute(sql.look_again, ledger_id, epoch, age, finding.text, row["sending_at"])
            case _:
                await connection.execute(sql.hold, ledger_id, epoch, finding.text)
    if again:
        context.check()
        await context.broker.dispatch.push(again)  # what a crash leaves behind, the relay finds


def _sent_again(finding: Finding) -> str:
    return f"{finding.text} It is sent again."
