"""A person is erased everywhere, and a neighbour whose address holds theirs is not touched."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
import redis.asyncio as redis_asyncio

from support.campaigns import counter_sums, create, ledger
from taskflow.base.ids import uuid7
from taskflow.broker.redis.broker import RedisBroker
from taskflow.campaigns.service import CampaignService
from taskflow.content.rendering import RenderPool
from taskflow.db.pool import Database
from taskflow.engine import Engine
from taskflow.engine.requests import Request
from taskflow.privacy.erasing import erase, must_wait
from taskflow.privacy.places import BINARY, places
from taskflow.privacy.service import PrivacyService, pseudonyms
from taskflow.privacy.subject import Subject
from taskflow.settings import Settings

EMAIL, PHONE = "ann@example.com", "+4915112345678"
NEIGHBOURS = ("joann@example.com", "ann@example.com.au", "x-ann@example.com", "ann@example.community")
HASHES = {
    ("api_keys", "secret_hash"),
    ("dkim_keys", "private_key"),
    ("idempotency_keys", "request_hash"),
    ("media", "sha256"),
    ("providers", "secrets"),
    ("task_keys", "fingerprint"),
}


@pytest.fixture
async def campaigns(database: Database, broker: RedisBroker, settings: Settings) -> AsyncIterator[CampaignService]:
    async with RenderPool(settings.campaign) as rendering:
        yield CampaignService(database, broker, rendering)


@pytest.fixture
def privacy(database: Database, broker: RedisBroker, settings: Settings) -> PrivacyService:
    return PrivacyService(database, broker, settings)


async def whole_database(database: Database) -> str:
    """Return every row of every table as text, bytes too."""
    tables = await database.pool.fetch(
        "SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind = 'r'"
        " AND c.relnamespace = current_schema()::regnamespace"
    )
    found = []
    for (table,) in tables:
        for (row,) in await database.pool.fetch(f"SELECT to_jsonb(t)::text FROM {table} t"):  # noqa: S608
            found.append(f"{table}: {row}")
        columns = await database.pool.fetch(
            "SELECT attname::text FROM pg_attribute WHERE attrelid = $1::text::regclass"
            " AND atttypid = 'bytea'::regtype",
            table,
        )
        for (column,) in columns:
            statement = f'SELECT "{column}" FROM {table} WHERE "{column}" IS NOT NULL'  # noqa: S608
            for (raw,) in await database.pool.fetch(statement):
                found.append(f"{table}: {raw.decode(errors='replace')}")
    return "\n".join(found)


async def mention_everywhere(database: Database, email: str, phone: str | None) -> UUID:
    """Write a person into every column that can hold text, as far as it lets us, and return their contact."""
    contact_id = uuid7()
    pool = database.pool
    await pool.execute(
        "INSERT INTO subscribers (contact_id, email, phone, attributes, tags) VALUES ($1, $2, $3, $4, $5)",
        contact_id, email, phone, {"partner": email}, [email],
    )  # fmt: skip
    task_id = uuid7()
    await pool.execute(
        "INSERT INTO tasks (task_id, task_name, task_args, task_kwargs, tags) VALUES ($1, 'mail', $2, $3, $4)",
        task_id, [f"To: <{email.upper()}>\n{email}"], {email: {"to": [email, phone]}}, [email],
    )  # fmt: skip
    await pool.execute(
        "INSERT INTO task_results (task_id, result_data, error_message, stack_trace) VALUES ($1, $2, $3, $4)",
        task_id, {"sent_to": email}, f"550 no {email}.", f"call({email!r}, {phone!r})",
    )  # fmt: skip
    await pool.execute(
        "INSERT INTO task_logs (log_id, task_id, level, message, metadata) VALUES ($1, $2, 'INFO', $3, $4)",
        uuid7(), task_id, f"mailed {email}; {phone}", {"url": f"https://x.test/?to%3D{email.replace('@', '%40')}"},
    )  # fmt: skip
    await pool.execute(
        "INSERT INTO dead_letter_queue (dlq_id, task_id, lease_epoch, task_name, task_data, failure_reason,"
        " total_attempts, error_class, error_place) VALUES ($1, $2, 1, 'mail', $3, $4, 1, 'SmtpError', 'send')",
        uuid7(), task_id, {"kwargs": {"to": email}}, f"refused: {email}",
    )  # fmt: skip
    await pool.execute(
        "INSERT INTO task_keys (scope, key, task_id, expires_at) VALUES ('unique:mail', $1, $2, now())", email, task_id
    )
    await pool.execute(
        "INSERT INTO task_keys (scope, key, task_id, expires_at) VALUES ('unique:mail', $1, $2, now())",
        f"welcome:{email}", task_id,
    )  # fmt: skip
    await pool.execute(
        "INSERT INTO audit_log (audit_id, actor, action, target_id, detail)"
        " VALUES ($1, 'someone', 'contact.add', $2, $3)",
        uuid7(), email, {"email": email},
    )  # fmt: skip
    await pool.execute(
        "INSERT INTO idempotency_keys (scope, key, request_hash, reserved_id, locked_until, response_status,"
        " response_body, expires_at) VALUES ($1, 'k', '', $2, now(), 201, $3, now())",
        f"scope {email}", uuid7(), f'{{"email": "{email}"}}'.encode(),
    )  # fmt: skip
    await pool.execute(
        "INSERT INTO inbox_messages (message_id, mail_from, rcpt_to, subject, size, raw)"
        " VALUES ($1, 'a@b.test', $2, $3, 9, $4)",
        uuid7(), email, f"Dear {email}", f"To: {email}\r\n".encode(),
    )  # fmt: skip
    await pool.execute("INSERT INTO inbox_rules (pattern, action) VALUES ($1, 'reject')", email)
    await pool.execute(
        "INSERT INTO suppressions (channel, address, reason, source) VALUES ('email', $1, 'manual', $2)", email, email
    )
    await pool.execute(
        "INSERT INTO import_rejections (import_id, row_number, code, reason, raw) VALUES ($1, 1, 'x', 'x', $2)",
        uuid7(), f"Ann;{email};{phone}",
    )  # fmt: skip
    await pool.execute(
        "INSERT INTO campaign_events (event_id, event_type, contact_id, detail) VALUES ($1, 'opened', $2, $3)",
        uuid7(), contact_id, {"user_agent": f"Mailer of {email}"},
    )  # fmt: skip
    submission_id, message_id = uuid7(), uuid7()
    await pool.execute(
        "INSERT INTO message_submissions (submission_id, source, archive, letter, raw)"
        " VALUES ($1, 'smtp', 'full', $2, $3)",
        submission_id, {"text": f"for {email}"}, f"To: {email}\r\n\r\n".encode(),
    )  # fmt: skip
    await pool.execute(
        "INSERT INTO messages (message_id, submission_id, channel, address, from_address, subject, tags,"
        " personalization) VALUES ($1, $2, 'email', $3, 'shop@sender.example', $4, $5, $6)",
        message_id, submission_id, email, f"Dear {email}", [email], {"to": email},
    )  # fmt: skip
    await pool.execute(
        "INSERT INTO message_contents (message_id, content) VALUES ($1, $2)", message_id, f"To: {email}".encode()
    )
    if phone is not None:
        await pool.execute(
            "INSERT INTO sms_replies (reply_id, kind, reference, sender, recipient, body, occurred_at)"
            " VALUES ($1, 'twilio', $2, $3, '+4930123456', 'I am Ann', now())",
            uuid7(), f"SM of {email}", phone,
        )  # fmt: skip
        await pool.execute(
            "INSERT INTO sms_reports (report_id, kind, provider_id, recipient, status, code, detail)"
            " VALUES ($1, 'twilio', $2, $3::text, 'delivered', 'x', $3::text)",
            uuid7(), f"SM of {email}", phone,
        )  # fmt: skip
    await pool.execute(
        "INSERT INTO consents (consent_id, contact_id, channel, action, source, wording) VALUES"
        " ($1, $2, 'email', 'granted', 'form', $3)",
        uuid7(), contact_id, f"I am {email}",
    )  # fmt: skip
    return contact_id


async def test_nothing_of_a_person_is_left_and_nothing_of_a_neighbour_is_lost(
    database: Database, campaigns: CampaignService
) -> None:
    contact_id = await mention_everywhere(database, EMAIL, PHONE)
    for number, neighbour in enumerate(NEIGHBOURS):
        await mention_everywhere(database, neighbour, f"+491511234567{number}9")
    recipients = [{"email": address, "first_name": address} for address in (EMAIL, *NEIGHBOURS)]
    campaign = await create(campaigns, recipients)
    before = await whole_database(database)
    assert before.count(EMAIL) > 20
    mentions = {neighbour: before.count(neighbour) for neighbour in NEIGHBOURS}

    report = await erase(database, Subject(contact_id, EMAIL, PHONE))

    assert report.left == {}
    after = await whole_database(database)
    assert {neighbour: after.count(neighbour) for neighbour in NEIGHBOURS} == mentions
    for neighbour in NEIGHBOURS:
        after = after.replace(neighbour, "")
        after = after.replace(neighbour.replace("@", "%40"), "").replace(neighbour.upper(), "")
    assert EMAIL not in after.lower()
    assert EMAIL.replace("@", "%40") not in after.lower()
    assert PHONE not in after
    assert {
        "subscribers",
        "email_recipients",
        "messages",
        "inbox_messages",
        "tasks.task_kwargs",
        "task_keys.key",
    } <= set(report.erased)
    assert "I am Ann" in after  # of neighbours only
    assert after.count("I am Ann") == len(NEIGHBOURS)
    assert (report.erased["sms_replies"], report.erased["sms_reports"]) == (1, 1)
    rows = await ledger(database, campaign.campaign_id)
    [name] = rows.keys() - set(NEIGHBOURS)
    assert name == f"erased-{rows[name]['recipient_id']}@erased.invalid"
    assert (rows[name]["status"], rows[name]["personalization"]) == ("SUPPRESSED", {})
    assert await counter_sums(database, campaign.campaign_id) == {"SUPPRESSED": 1}


async def test_a_letter_with_copies_is_still_sent_to_the_others_or_to_nobody(database: Database) -> None:
    kept, lost = uuid7(), uuid7()
    bob, cid = {"address": "bob@example.com", "name": "Bob"}, {"address": "cid@example.com", "name": None}
    ann = {"address": "Ann@example.com", "name": "Ann Lee"}
    for submission_id, addressee, copies in ((kept, bob, [ann, cid]), (lost, ann, [bob, cid])):
        await database.pool.execute(
            "INSERT INTO message_submissions (submission_id, source, archive, letter) VALUES ($1, 'api', 'full', $2)",
            submission_id, {"text": "Hello", "addressee": addressee, "cc": copies},
        )  # fmt: skip
        for one in (addressee, *copies):
            await database.pool.execute(
                "INSERT INTO messages (message_id, submission_id, channel, address, from_address, personalization)"
                " VALUES ($1, $2, 'email', $3, 'shop@sender.example', '{}')",
                uuid7(), submission_id, one["address"],
            )  # fmt: skip
    report = await erase(database, Subject(None, EMAIL, None))
    assert (report.erased["messages"], report.left) == (2, {})
    rows = await database.pool.fetch("SELECT submission_id, letter FROM message_submissions")
    assert [tuple(row) for row in rows] == [(kept, {"text": "Hello", "addressee": bob, "cc": [cid]})]


async def test_erasing_twice_finds_nothing(database: Database) -> None:
    subject = Subject(await mention_everywhere(database, EMAIL, PHONE), EMAIL, PHONE)
    await erase(database, subject)
    again = await erase(database, subject)
    assert (again.erased, again.left) == ({}, {})


async def test_a_sender_and_a_user_of_the_same_address_stay_and_are_told(
    database: Database, campaigns: CampaignService
) -> None:
    await create(campaigns, [{"email": "bob@example.com", "first_name": "Bob"}], from_email=EMAIL)
    report = await erase(database, Subject(None, EMAIL, None))
    assert (report.kept, report.left) == ({"campaigns.from_email": 1}, {})
    assert await database.pool.fetchval("SELECT from_email FROM campaigns") == EMAIL


async def test_it_waits_for_imports_and_for_what_is_on_the_wire(database: Database, campaigns: CampaignService) -> None:
    subject = Subject(None, EMAIL, None)
    assert await must_wait(database, subject) is None
    campaign = await create(campaigns, [{"email": EMAIL, "first_name": "Ann"}])
    await database.pool.execute(
        "UPDATE email_recipients SET status = 'SENDING', sending_at = now() WHERE campaign_id = $1",
        campaign.campaign_id,
    )
    assert "on the wire" in str(await must_wait(database, subject))
    await database.pool.execute("UPDATE email_recipients SET status = 'SENT', sent_at = now()")
    assert await must_wait(database, subject) is None
    message = await database.pool.fetchval(
        "INSERT INTO messages (message_id, submission_id, channel, address, from_address, status, sending_at)"
        " VALUES ($1, $1, 'email', $2, 'a@b.example', 'SENDING', now()) RETURNING message_id",
        uuid7(), EMAIL,
    )  # fmt: skip
    assert "on the wire" in str(await must_wait(database, subject))
    await database.pool.execute("DELETE FROM messages WHERE message_id = $1", message)
    await database.pool.execute(
        "INSERT INTO contact_imports (import_id, mode, size, mapping) VALUES ($1, 'upsert', 1, '{}')", uuid7()
    )
    assert "import" in str(await must_wait(database, subject))


async def test_asking_suppresses_by_hash_at_once_and_keeps_no_address_in_redis(
    database: Database,
    engine: Engine,
    privacy: PrivacyService,
    settings: Settings,
    redis: redis_asyncio.Redis,
) -> None:
    await engine.submit(Request("mail", kwargs={"to": EMAIL}, tags=[EMAIL]))
    subject = await privacy.find(None, "Ann@Example.com", PHONE)
    row = await privacy.ask(subject, suppress=True, reason="asked by letter", requested_by=None)
    again = await privacy.ask(
        subject, suppress=True, reason="asked by letter", requested_by=None, erasure_id=row["erasure_id"]
    )
    assert again == row
    found = await database.pool.fetch("SELECT channel, address FROM suppressions WHERE reason = 'erased' ORDER BY 1")
    assert [tuple(item) for item in found] == pseudonyms(settings, subject)
    assert EMAIL not in str(found)
    task = await database.pool.fetchrow("SELECT * FROM tasks WHERE task_id = $1", row["erasure_id"])
    assert EMAIL not in str(dict(task))
    assert EMAIL not in await everything_in(redis)


async def everything_in(redis: redis_asyncio.Redis) -> str:
    """Return every key of Redis and what it holds."""
    found: list[Any] = []
    async for key in redis.scan_iter():
        found += [key, await redis.dump(key)]
    return str(found).lower()


async def test_every_column_of_bytes_is_either_looked_into_or_a_hash(database: Database) -> None:
    rows = await database.pool.fetch(
        "SELECT table_name::text, column_name::text FROM information_schema.columns c"
        " JOIN pg_class p ON p.relname = c.table_name AND NOT p.relispartition"
        " WHERE table_schema = current_schema() AND data_type = 'bytea'"
    )
    assert {tuple(row) for row in rows} == BINARY | HASHES


async def test_every_table_with_text_is_looked_through(database: Database) -> None:
    found = await places(database.pool)
    assert {"tasks", "task_logs", "email_recipients", "subscribers", "audit_log", "webhook_deliveries"} <= set(found)
    assert not any(table.endswith("_default") for table in found)
