"""Erasing one person, and proving it.

The order matters. Their hashed address is suppressed first, so that nobody writes to them from then on. Then what
has a meaning of its own goes, in one transaction: contact, ledger, sandbox, uploads. Then their address and number are
taken out of every column that can hold text, a table a transaction, and every place is counted again. What a running
task wrote meanwhile is found by that count, and another pass takes it out.
"""

from collections import Counter
from dataclasses import dataclass

from taskflow.db.deadlocks import repeat_when_deadlocked
from taskflow.db.pool import Connection, Database
from taskflow.db.queries import load
from taskflow.privacy.places import Column, count_statement, places, redact_statement, split_own
from taskflow.privacy.subject import Subject

sql = load(__file__)

_SCAN_SECONDS = 3600.0
_PASSES = 3


@dataclass(frozen=True, slots=True)
class Report:
    """What an erasure did: rows by place, what stays because it is the house's own, and what could not be taken out."""

    erased: dict[str, int]
    kept: dict[str, int]
    left: dict[str, int]


async def must_wait(database: Database, subject: Subject) -> str | None:
    """Return what is under way that would bring the person back or still needs their address; None: nothing."""
    if await database.pool.fetchval(sql.import_under_way):
        return "An import is under way, and may bring the person in."
    if await database.pool.fetchval(sql.on_the_wire, subject.contact_id, subject.email, subject.phone):
        return "A message to the person is on the wire."
    return None


async def erase(database: Database, subject: Subject) -> Report:
    """Take a person out of every table; safe to repeat."""
    erased: Counter[str] = Counter()

    async def by_name() -> Counter[str]:
        async with database.pool.acquire() as connection, connection.transaction():
            return await _erase_by_name(connection, subject)

    erased += await repeat_when_deadlocked(by_name)
    tables = await places(database.pool)
    left: dict[str, int] = {}
    kept: dict[str, int] = {}
    for _ in range(_PASSES):
        left.clear()
        for columns in tables.values():
            cleaned, own = split_own(columns)
            found = await _count(database, [*cleaned, *own], subject)
            kept |= {column.place: found[column.place] for column in own if found[column.place]}
            here = {column.place: found[column.place] for column in cleaned if found[column.place]}
            if here:
                await _redact(database, cleaned, subject)
                erased.update(here)
                left |= here
        if not left:
            break
    return Report(dict(erased), kept, left)


async def _erase_by_name(connection: Connection, subject: Subject) -> Counter[str]:
    """Erase what has a meaning beyond its text."""
    person = (subject.contact_id, subject.email)
    written = (subject.needles, subject.pattern)
    done: Counter[str] = Counter()
    done["email_recipients"] = await connection.fetchval(sql.erase_messages, *person, timeout=_SCAN_SECONDS)
    for place, statement, arguments in (
        ("message_submissions", sql.erase_copies, (subject.email,)),
        ("messages", sql.erase_single_messages, (subject.email, subject.phone)),
        ("message_contents", sql.erase_contents, written),
        ("message_submissions", sql.erase_handed_over, written),
        ("campaign_events", sql.erase_events, (subject.contact_id,)),
        ("inbox_messages", sql.erase_inbox, (subject.email, *written)),
        ("inbox_rules", sql.erase_inbox_rules, (subject.email,)),
        ("import_rejections", sql.erase_rejections, written),
        ("import_chunks", sql.erase_uploads, written),
        ("idempotency_keys", sql.erase_responses, written),
        ("sms_replies", sql.erase_replies, (subject.phone,)),
        ("sms_reports", sql.erase_reports, (subject.phone,)),
        ("suppressions", sql.erase_suppressions, (subject.email, subject.phone)),
        ("subscribers", sql.erase_contact, (*person, subject.phone)),
    ):
        tag = await connection.execute(statement, *arguments, timeout=_SCAN_SECONDS)
        done[place] += int(tag.rpartition(" ")[2])
    return +done


async def _count(database: Database, columns: list[Column], subject: Subject) -> dict[str, int]:
    row = await database.pool.fetchrow(
        count_statement(columns), subject.needles, subject.pattern, timeout=_SCAN_SECONDS
    )
    assert row is not None  # noqa: S101 - an aggregate has one row
    return {column.place: count for column, count in zip(columns, row, strict=True)}


async def _redact(database: Database, columns: list[Column], subject: Subject) -> None:
    async def work() -> None:
        async with database.pool.acquire() as connection, connection.transaction():
            await connection.execute(redact_statement(columns), subject.needles, subject.pattern, timeout=_SCAN_SECONDS)

    await repeat_when_deadlocked(work)
