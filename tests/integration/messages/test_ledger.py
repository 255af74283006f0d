"""The statements of the ledger of messages: fenced, repeatable, and on indexes."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from support.waiting import eventually
from taskflow.audience.suppression.erasure import ErasureKey
from taskflow.base.ids import uuid7
from taskflow.db.pool import Database
from taskflow.delivery.ledgers import End, Settlement
from taskflow.delivery.messages.ledger import Begin, MessageLedger, sql
from taskflow.delivery.states import RecipientStatus
from taskflow.identity.secret_key import signing_key
from taskflow.settings import Settings

_S = RecipientStatus


@pytest.fixture
def messages(database: Database, settings: Settings) -> MessageLedger:
    return MessageLedger(database.hot, ErasureKey(signing_key(settings)), settings.sms.price_list)


async def waiting(
    database: Database, epoch: int = 1, *, channel: str = "email", address: str = "ann@example.com"
) -> UUID:
    """Insert a message whose task is RUNNING under `epoch`."""
    message_id = uuid7()
    await database.pool.execute(
        "INSERT INTO messages (message_id, submission_id, channel, address, from_address, personalization)"
        " VALUES ($1, $1, $2, $3, 'a@b.example', '{\"code\": 4711}')",
        message_id, channel, address,
    )  # fmt: skip
    await database.pool.execute(
        "INSERT INTO tasks (task_id, task_name, queue, dispatch_key, status, lease_epoch, started_at,"
        " worker_id, claim_id)"
        " VALUES ($1, 'send_message', 'messages', 'messages', 'RUNNING', $2, now(), $1, $1)",
        message_id, epoch,
    )  # fmt: skip
    return message_id


def begin(message_id: UUID, epoch: int = 1, was: str = "PENDING", attempt: int = 0) -> Begin:
    return Begin(message_id, epoch, was, attempt, "email", "ann@example.com", "hmac:x", "Hello", 5, b"words")


def end(message_id: UUID, status: str = "SENT", epoch: int = 1) -> End:
    return End(message_id, epoch, status, "250 ok", None, True, "test", "p-1")


async def test_a_message_goes_from_sending_to_sent_with_what_the_provider_said(
    messages: MessageLedger, database: Database
) -> None:
    message_id = await waiting(database)
    assert await messages.begin("test", [begin(message_id)]) == {message_id: _S.SENDING}
    assert await messages.begin("test", [begin(message_id)]) == {message_id: _S.SENDING}, "a reply was lost"
    assert await messages.end([end(message_id)], forget={message_id}) == {message_id: _S.SENT}
    assert await messages.end([end(message_id)], forget={message_id}) == {message_id: _S.SENT}, "a reply was lost"
    row = await database.pool.fetchrow("SELECT * FROM messages")
    assert row is not None
    assert (row["attempt"], row["provider"], row["provider_message_id"], row["reply"]) == (1, "test", "p-1", "250 ok")
    assert (row["subject"], row["size_bytes"], row["attention"], row["personalization"]) == ("Hello", 5, None, {})
    assert await database.pool.fetchval("SELECT content FROM message_contents") == b"words"
    assert messages.stale == 0


async def test_a_stale_sender_changes_nothing(messages: MessageLedger, database: Database) -> None:
    message_id = await waiting(database, epoch=2)
    assert await messages.begin("test", [begin(message_id, epoch=1)]) == {}, "the task is somebody else's by now"
    assert await messages.begin("test", [begin(message_id, epoch=2)]) == {message_id: _S.SENDING}
    assert await messages.end([end(message_id, "FAILED", epoch=1)]) == {}
    assert messages.stale == 1
    assert await messages.end([end(message_id, epoch=2)]) == {message_id: _S.SENT}
    lost = Settlement(message_id, 2, _S.SENDING, 2, _S.UNCERTAIN, "lost")
    assert await messages.settle([lost]) == set(), "it is no longer as it was read"


@pytest.mark.parametrize(("archive", "kept"), [("none", {}), ("full", {"code": 4711})])
async def test_who_is_suppressed_is_forgotten_unless_the_archive_is_full(
    messages: MessageLedger, database: Database, archive: str, kept: dict[str, int]
) -> None:
    message_id = await waiting(database)
    await database.pool.execute(
        "INSERT INTO message_submissions (submission_id, source, archive, letter) VALUES ($1, 'api', $2, '{}')",
        message_id, archive,
    )  # fmt: skip
    await database.pool.execute(
        "INSERT INTO suppressions (suppression_id, channel, address, reason)"
        " VALUES (gen_random_uuid(), 'email', 'ann@example.com', 'bounced')"
    )
    assert await messages.begin("test", [begin(message_id)]) == {message_id: _S.SUPPRESSED}
    row = await database.pool.fetchrow("SELECT * FROM messages")
    assert row["personalization"] == kept
    assert row["provider"] is None, "nobody had it"


async def test_what_has_expired_is_not_begun(messages: MessageLedger, database: Database) -> None:
    message_id = await waiting(database)
    await database.pool.execute("UPDATE messages SET expires_at = now() + interval '1 hour'")
    assert not (await messages.read([message_id]))[message_id].is_expired
    await database.pool.execute("UPDATE messages SET expires_at = now() - interval '1 second'")
    assert (await messages.read([message_id]))[message_id].is_expired
    assert await messages.begin("test", [begin(message_id)]) == {}


async def test_what_was_cancelled_meanwhile_is_not_begun(messages: MessageLedger, database: Database) -> None:
    message_id = await waiting(database)
    await database.pool.execute("UPDATE messages SET status = 'CANCELLED', attention = 'CANCELLED'")
    assert await messages.begin("test", [begin(message_id)]) == {}
    assert await database.pool.fetchval("SELECT count(*) FROM message_contents") == 0


async def test_a_row_remembers_that_nobody_knows_what_became_of_an_attempt(
    messages: MessageLedger, database: Database
) -> None:
    repeated, lost = await waiting(database), await waiting(database)

    async def in_doubt() -> dict[UUID, bool]:
        return {row.message_id: row.in_doubt for row in (await messages.read([repeated, lost])).values()}

    await messages.begin("test", [begin(repeated), begin(lost)])
    assert await in_doubt() == {repeated: False, lost: False}
    await messages.end([end(repeated, "DEFERRED")._replace(doubtful=True)])
    await messages.begin("test", [begin(repeated, was="DEFERRED", attempt=1)])
    await messages.end([end(repeated, "DEFERRED")])
    await database.pool.execute("UPDATE tasks SET lease_epoch = 2 WHERE task_id = $1", lost)
    await messages.begin("test", [begin(lost, epoch=2, was="SENDING", attempt=1)])
    assert await in_doubt() == {repeated: True, lost: True}


async def test_who_has_no_mailbox_is_suppressed_with_the_outcome(messages: MessageLedger, database: Database) -> None:
    gone, next_one = await waiting(database), await waiting(database)
    await messages.begin("test", [begin(gone)])
    refused = end(gone, "FAILED")._replace(reply="550 5.1.1 no such user", cause="address", suppresses="bounced")
    for _ in range(2):  # the second time a reply was lost
        assert await messages.end([refused]) == {gone: _S.FAILED}
    [row] = await database.pool.fetch("SELECT * FROM suppressions")
    assert (row["channel"], row["address"], row["reason"]) == ("email", "ann@example.com", "bounced")
    assert (row["source"], row["note"]) == ("refused", "550 5.1.1 no such user")
    assert await messages.begin("test", [begin(next_one)]) == {next_one: _S.SUPPRESSED}


async def test_who_wants_nothing_as_its_provider_knows_is_suppressed_too(
    messages: MessageLedger, database: Database
) -> None:
    text = await waiting(database, channel="sms", address="+491711234567")
    opted_out = begin(text)._replace(channel="sms", address="+491711234567")
    await messages.begin("test", [opted_out])
    await messages.end([end(text, "FAILED")._replace(reply="HTTP 400: 21610", suppresses="unsubscribed")])
    [row] = await database.pool.fetch("SELECT * FROM suppressions")
    assert (row["channel"], row["address"], row["reason"], row["source"]) == (
        "sms", "+491711234567", "unsubscribed", "refused",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "reasons", "wanted"),
    [
        ("email", ("unsubscribed",), _S.SENDING),
        ("promotional", ("unsubscribed",), _S.SUPPRESSED),
        ("email", ("unsubscribed", "complained"), _S.SUPPRESSED),
        ("email", ("bounced",), _S.SUPPRESSED),
        ("sms", ("unsubscribed",), _S.SUPPRESSED),
    ],
)
async def test_a_receipt_goes_to_who_left_the_newsletter_and_nothing_to_who_bounced_complained_or_said_stop(
    messages: MessageLedger, database: Database, kind: str, reasons: tuple[str, ...], wanted: str
) -> None:
    channel, is_promotional = ("email", True) if kind == "promotional" else (kind, False)
    message_id = await waiting(database)
    for reason in reasons:
        await database.pool.execute(
            "INSERT INTO suppressions (channel, address, reason, source) VALUES ($1, 'ann@example.com', $2, 'page')",
            channel, reason,
        )  # fmt: skip
    begun = begin(message_id)._replace(channel=channel, promotional=is_promotional)
    assert await messages.begin("test", [begun]) == {message_id: wanted}
    why = await database.pool.fetchval("SELECT error_message FROM messages")
    today = await database.pool.fetchval("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD')")
    told = f"Suppressed: {reasons[-1]}, page, since {today}."
    assert why == (told if wanted == _S.SUPPRESSED else None)


@pytest.mark.parametrize(
    "name", ["read", "submissions", "begin", "hand_on", "end", "suppress_refused", "settle", "wait"]
)
async def test_the_hot_plans_walk_indexes_even_when_made_on_empty_tables(database: Database, name: str) -> None:
    counts = {
        "read": 1, "submissions": 1, "begin": 11, "hand_on": 2, "end": 11, "suppress_refused": 3, "settle": 6,
        "wait": 3,
    }  # fmt: skip
    columns = counts[name]
    first = ["test"] if name in ("begin", "hand_on") else []
    last: list[Any] = [{}] if name == "end" else []
    async with database.hot.acquire() as connection:
        statement = await connection.prepare("EXPLAIN " + getattr(sql, name))
        plan = "\n".join(row[0] for row in await statement.fetch(*first, *[[]] * columns, *last))
    assert "Seq Scan" not in plan
    assert "Hash" not in plan


async def priced(database: Database, name: str, price: str, currency: str) -> None:
    """Add a provider with a price."""
    await database.pool.execute(
        "INSERT INTO providers (provider_id, name, kind, channel, price, currency)"
        " VALUES ($1, $2, 'sandbox', 'email', $3, $4)",
        uuid7(), name, Decimal(price), currency,
    )  # fmt: skip


async def test_what_is_sent_costs_what_its_provider_takes_and_a_text_for_each_part(
    messages: MessageLedger, database: Database
) -> None:
    await priced(database, "test", "0.000125", "USD")
    sent, long, failed = [await waiting(database) for _ in range(3)]
    await database.pool.execute("UPDATE messages SET segments = 3 WHERE message_id = $1", long)
    await messages.begin("test", [begin(one) for one in (sent, long, failed)])
    await messages.end([end(sent), end(long), end(failed, "FAILED")])
    rows = {row["message_id"]: row for row in await database.pool.fetch("SELECT * FROM messages")}
    assert (rows[sent]["cost"], rows[sent]["currency"]) == (Decimal("0.000125"), "USD")
    assert rows[long]["cost"] == Decimal("0.000375")
    assert (rows[failed]["cost"], rows[failed]["currency"]) == (None, None)


async def test_a_text_costs_what_its_number_does_over_its_provider_or_by_the_settings(
    database: Database, settings: Settings
) -> None:
    settings.sms.prices = {"+49": Decimal("0.075")}
    ledger = MessageLedger(database.hot, ErasureKey(signing_key(settings)), settings.sms.price_list)
    await database.pool.executemany(
        "INSERT INTO providers (provider_id, name, kind, channel, price, prices, currency)"
        " VALUES ($1, $2, $3, 'sms', $4, $5, $6)",
        [
            (uuid7(), "own", "twilio", Decimal("0.1"), {"+91": 0.002, "+919": 0.003}, "INR"),
            (uuid7(), "plain", "twilio", None, {}, None),
            (uuid7(), "box", "sms-sandbox", None, {}, None),
        ],
    )
    for number, provider, cost, currency in (
        ("+919876543210", "own", "0.006", "INR"),  # the longest beginning
        ("+911234567890", "own", "0.004", "INR"),
        ("+491711234567", "own", "0.2", "INR"),  # its price for all others
        ("+491711234567", "plain", "0.15", "EUR"),  # it has none: that of the settings
        ("+15005550006", "plain", None, None),
        ("+491711234567", "box", None, None),
    ):
        text = await waiting(database, channel="sms", address=number)
        await database.pool.execute("UPDATE messages SET segments = 2 WHERE message_id = $1", text)
        await ledger.begin(provider, [begin(text)])
        await ledger.end([end(text)._replace(provider=provider)])
        row = await database.pool.fetchrow("SELECT cost, currency FROM messages WHERE message_id = $1", text)
        assert tuple(row or ()) == (Decimal(cost) if cost else None, currency), (number, provider)


async def test_a_refusal_keeps_its_cause_until_the_next_attempt(messages: MessageLedger, database: Database) -> None:
    message_id = await waiting(database)
    await messages.begin("test", [begin(message_id)])
    full = end(message_id, "DEFERRED")._replace(cause="mailbox_full")
    assert await messages.end([full]) == {message_id: _S.DEFERRED}
    assert await database.pool.fetchval("SELECT bounce_reason FROM messages") == "mailbox_full"
    again = begin(message_id, was="DEFERRED", attempt=1)
    assert await messages.begin("test", [again]) == {message_id: _S.SENDING}
    assert await database.pool.fetchval("SELECT bounce_reason FROM messages") is None


async def test_sending_a_message_updates_its_row_in_place(messages: MessageLedger, database: Database) -> None:
    ids = [await waiting(database) for _ in range(5)]
    await messages.begin("test", [begin(one) for one in ids])
    await messages.end([end(one) for one in ids])

    async def updates() -> tuple[int, int] | None:
        await database.hot.execute("SELECT pg_stat_force_next_flush()")
        found = await database.pool.fetchrow(
            "SELECT sum(n_tup_upd)::int, sum(n_tup_hot_upd)::int FROM pg_stat_user_tables WHERE relname ~ '^messages_'"
        )
        return tuple(found) if found and found[0] >= 10 else None

    updated, in_place = await eventually(updates, what="the statistics of ten updates")
    assert in_place == updated, "nothing that is written while a message is sent is indexed"
