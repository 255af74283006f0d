"""The ledger's statements: what they fence, what they count, and what survives a lost reply."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

import pytest
from pydantic import SecretStr

from support.campaigns import counted, counter_sums, create, ledger, only, people, status_counts
from support.contacts import add_list
from taskflow.audience.suppression.erasure import ErasureKey
from taskflow.base.ids import uuid7
from taskflow.campaigns.group_commit import GroupCommit
from taskflow.campaigns.ledger import Begin, Ledger, Row, Turned
from taskflow.campaigns.models import dispatch_key
from taskflow.campaigns.service import CampaignService
from taskflow.db.pool import Database
from taskflow.delivery.ledgers import End, Settlement
from taskflow.delivery.states import RecipientStatus

ERASURE = ErasureKey(SecretStr("a key of these tests"))


class Stage:
    """A running campaign whose tasks are all claimed under epoch 1."""

    def __init__(self, database: Database, campaign_id: UUID, rows: Sequence[Row]) -> None:
        self.database = database
        self.ledger = Ledger(database.hot, erasure=ERASURE)
        self.campaign_id = campaign_id
        self.rows = rows

    def begins(self, epoch: int = 1) -> list[Begin]:
        return [
            Begin(row.recipient_id, epoch, row.status, row.attempt, row.email, row.list_id, "test") for row in self.rows
        ]

    def ends(self, status: str, epoch: int = 1, **more: object) -> list[End]:
        return [End(row.recipient_id, epoch, status, **more) for row in self.rows]  # type: ignore[arg-type]

    async def begin(self) -> set[UUID]:
        turned = await self.ledger.turn(self.campaign_id, 1, [], self.begins())
        return {key for key, status in turned.begun.items() if status == RecipientStatus.SENDING}

    async def end(self, status: str, epoch: int = 1, **more: object) -> dict[UUID, str]:
        return (await self.ledger.turn(self.campaign_id, 1, self.ends(status, epoch, **more), [])).ended

    async def counts(self) -> dict[str, int]:
        """Return the rows' counts, after comparing them with the counters."""
        counts = await status_counts(self.database, self.campaign_id)
        assert counted(counts) == await counter_sums(self.database, self.campaign_id)
        return counts

    async def reread(self) -> None:
        found = await self.ledger.read(self.campaign_id, [row.recipient_id for row in self.rows])
        self.rows = [found[row.recipient_id] for row in self.rows]


@pytest.fixture
async def stage(service: CampaignService, database: Database) -> Stage:
    """Five recipients."""
    campaign = await create(service, people(5))
    key = campaign.campaign_id
    await database.pool.execute("UPDATE campaigns SET status = 'RUNNING' WHERE campaign_id = $1", key)
    await database.pool.execute(
        "INSERT INTO tasks (task_id, campaign_id, task_name, queue, dispatch_key, status, lease_epoch, claim_id,"
        "                   worker_id)"
        " SELECT recipient_id, campaign_id, 'send_email', 'email', $2, 'RUNNING', 1, $3, $3 FROM email_recipients"
        " WHERE campaign_id = $1",
        key,
        dispatch_key(key),
        uuid7(),
    )
    ids = [row["recipient_id"] for row in (await ledger(database, key)).values()]
    rows = await Ledger(database.hot, erasure=ERASURE).read(key, ids)
    return Stage(database, key, [rows[recipient_id] for recipient_id in sorted(ids)])


async def test_a_row_says_who_had_it_last_and_the_id_it_got_there(stage: Stage) -> None:
    await stage.begin()
    await stage.reread()
    [one, *others] = [row.recipient_id for row in stage.rows]
    assert await stage.ledger.hand_on(stage.campaign_id, "second", [(one, 1), (others[0], 2)]) == {one}
    rows = await ledger(stage.database, stage.campaign_id)
    assert {row["recipient_id"] for row in rows.values() if row["provider"] == "second"} == {one}
    await stage.end("SENT", provider="third", provider_id="4711")
    ended = (await ledger(stage.database, stage.campaign_id)).values()
    assert {(row["provider"], row["provider_message_id"]) for row in ended} == {("third", "4711")}
    log = "SELECT DISTINCT provider_message_id FROM message_log WHERE campaign_id = $1"
    assert await stage.database.pool.fetchval(log, stage.campaign_id) == "4711"
    assert await stage.ledger.hand_on(stage.campaign_id, "second", [(one, 1)]) == set(), "it is over"


async def test_what_is_sent_costs_what_its_provider_takes_and_is_summed_by_currency(
    stage: Stage, service: CampaignService
) -> None:
    add = (
        "INSERT INTO providers (provider_id, name, kind, channel, price, currency)"
        " VALUES ($1, $2, 'sandbox', 'email', $3, $4)"
    )
    for name, price, currency in (("cheap", "0.0001", "USD"), ("dear", "0.02", "EUR")):
        await stage.database.pool.execute(add, uuid7(), name, Decimal(price), currency)
    await stage.begin()
    ends = stage.ends("SENT")
    providers = ("cheap", "cheap", "dear", "free", "dear")
    ends = [end._replace(provider=name) for end, name in zip(ends, providers, strict=True)]
    ends[4] = ends[4]._replace(status="FAILED", cause="address")
    await stage.ledger.turn(stage.campaign_id, 1, ends[:1], [])
    await stage.ledger.turn(stage.campaign_id, 2, ends, [])
    rows = (await ledger(stage.database, stage.campaign_id)).values()
    told = sorted((row["provider"], row["cost"], row["currency"], row["bounce_reason"]) for row in rows if row["cost"])
    assert told == [
        ("cheap", Decimal("0.000100"), "USD", None),
        ("cheap", Decimal("0.000100"), "USD", None),
        ("dear", Decimal("0.020000"), "EUR", None),
    ]
    assert {(row["cost"], row["bounce_reason"]) for row in rows if row["status"] == "FAILED"} == {(None, "address")}
    campaign = await service.repository.get(stage.campaign_id)
    assert campaign.costs == {"EUR": 0.02, "USD": 0.0002}, "what was written twice is summed once"
    log = "SELECT sum(cost) FROM message_log WHERE currency = 'USD'"
    assert await stage.database.pool.fetchval(log) == Decimal("0.0002")


async def test_nobody_else_gets_what_was_refused_once_the_campaign_is_paused(stage: Stage) -> None:
    await stage.begin()
    await stage.database.pool.execute("UPDATE campaigns SET status = 'PAUSED'")
    again = [(row.recipient_id, 1) for row in stage.rows]
    assert await stage.ledger.hand_on(stage.campaign_id, "second", again) == set()


async def test_sending_is_committed_before_and_the_outcome_after(stage: Stage) -> None:
    assert len(await stage.begin()) == 5
    assert await stage.counts() == {"SENDING": 5}
    assert set((await stage.end("SENT", reply="250 ok")).values()) == {"SENT"}
    assert await stage.counts() == {"SENT": 5}
    row = next(iter((await ledger(stage.database, stage.campaign_id)).values()))
    assert (row["attempt"], row["reply"], row["provider"], row["attention"]) == (1, "250 ok", "test", None)


async def test_one_statement_ends_a_window_and_begins_the_next(stage: Stage) -> None:
    first, second = stage.begins()[:2], stage.begins()[2:]
    await stage.ledger.turn(stage.campaign_id, 1, [], first)
    ends = [end for end in stage.ends("SENT") if end.message_id in {begin.recipient_id for begin in first}]
    turned = await stage.ledger.turn(stage.campaign_id, 1, ends, second)
    assert (len(turned.ended), len(turned.begun)) == (2, 3)
    assert await stage.counts() == {"SENT": 2, "SENDING": 3}


async def test_a_sender_whose_lease_is_gone_begins_nothing(stage: Stage) -> None:
    await stage.database.pool.execute("UPDATE tasks SET lease_epoch = 2")
    assert await stage.begin() == set()
    assert await stage.counts() == {"PENDING": 5}


@pytest.mark.parametrize("status", ["PAUSED", "CANCELLED"])
async def test_nothing_begins_while_the_campaign_does_not_run(stage: Stage, status: str) -> None:
    await stage.database.pool.execute(
        "UPDATE campaigns SET status = $1::text, completed_at = CASE WHEN $1::text = 'CANCELLED' THEN now() END", status
    )
    assert await stage.begin() == set()


async def test_a_row_that_moved_since_it_was_read_is_not_begun(stage: Stage) -> None:
    await stage.begin()
    await stage.end("DEFERRED", error="450 busy")
    assert await stage.begin() == set()
    assert await stage.counts() == {"DEFERRED": 5}
    await stage.reread()
    assert len(await stage.begin()) == 5
    assert await stage.counts() == {"SENDING": 5}


async def test_a_row_remembers_that_nobody_knows_what_became_of_an_attempt(stage: Stage) -> None:
    async def in_doubt() -> set[bool]:
        await stage.reread()
        return {row.in_doubt for row in stage.rows}

    await stage.begin()
    assert await in_doubt() == {False}
    await stage.end("DEFERRED", doubtful=True)
    assert await in_doubt() == {True}
    await stage.begin()
    await stage.end("DEFERRED", cause="mailbox_full")
    assert await in_doubt() == {True}
    rows = (await ledger(stage.database, stage.campaign_id)).values()
    assert {row["bounce_reason"] for row in rows} == {"mailbox_full"}


async def test_who_has_no_mailbox_is_suppressed_with_the_outcome(stage: Stage) -> None:
    pool = stage.database.pool
    gone, full, *_ = stage.rows
    await stage.begin()
    await pool.execute(
        "INSERT INTO suppressions (channel, address, reason) VALUES ('email', lower($1), 'unsubscribed')", gone.email
    )
    ends = [
        End(gone.recipient_id, 1, "FAILED", "550 5.1.1 no such user", cause="address", suppresses="bounced"),
        End(full.recipient_id, 1, "FAILED", "552 5.2.2 full", cause="mailbox_full"),
    ]
    for _ in range(2):  # the second time a reply was lost
        turned = await stage.ledger.turn(stage.campaign_id, 1, ends, [])
        assert set(turned.ended.values()) == {"FAILED"}
    [row] = await pool.fetch("SELECT * FROM suppressions WHERE reason <> 'unsubscribed'")
    assert (row["address"], row["reason"], row["note"]) == (gone.email.lower(), "bounced", "550 5.1.1 no such user")
    assert (row["campaign_id"], row["list_id"], row["source"]) == (stage.campaign_id, None, "refused")
    stale = [End(row.recipient_id, 2, "FAILED", "550 5.1.1", suppresses="bounced") for row in stage.rows]
    await stage.ledger.turn(stage.campaign_id, 1, stale, [])
    assert await pool.fetchval("SELECT count(*) FROM suppressions WHERE reason = 'bounced'") == 1, "not by who is stale"


async def test_a_stale_outcome_changes_nothing(stage: Stage) -> None:
    await stage.begin()
    assert await stage.end("SENT", epoch=2) == {}
    assert stage.ledger.stale == 5
    assert await stage.counts() == {"SENDING": 5}


async def test_a_repeated_turn_whose_reply_was_lost_changes_nothing_twice(stage: Stage) -> None:
    assert len(await stage.begin()) == 5
    assert len(await stage.begin()) == 5
    assert (await stage.end("FAILED", error="550 no")) == (await stage.end("FAILED", error="550 no"))
    assert await stage.counts() == {"FAILED": 5}
    rows = (await ledger(stage.database, stage.campaign_id)).values()
    assert {row["attempt"] for row in rows} == {1}


async def test_an_attempt_that_never_began_does_not_count(stage: Stage) -> None:
    await stage.begin()
    await stage.end("PENDING", counts=False)
    rows = (await ledger(stage.database, stage.campaign_id)).values()
    assert {(row["status"], row["attempt"]) for row in rows} == {("PENDING", 0)}
    assert await stage.counts() == {"PENDING": 5}


async def test_what_comes_back_unsent_to_a_cancelled_campaign_is_cancelled(stage: Stage) -> None:
    await stage.begin()
    await stage.database.pool.execute("UPDATE campaigns SET status = 'CANCELLED', completed_at = now()")
    assert set((await stage.end("PENDING", counts=False)).values()) == {"CANCELLED"}
    assert await stage.counts() == {"CANCELLED": 5}


async def test_a_suppressed_address_is_never_begun(stage: Stage) -> None:
    await stage.database.pool.execute(
        "INSERT INTO suppressions (channel, address, reason) VALUES ('email', 'p2@example.com', 'unsubscribed')"
    )
    assert len(await stage.begin()) == 4
    assert await stage.counts() == {"SENDING": 4, "SUPPRESSED": 1}


@pytest.mark.parametrize(
    "address", ["P2@Example.com", "@example.com", ERASURE.of("p2@EXAMPLE.com")], ids=["address", "domain", "erased"]
)
async def test_a_message_is_not_begun_once_its_address_its_domain_or_its_erasure_is_suppressed(
    stage: Stage, address: str
) -> None:
    await stage.database.pool.execute(
        "INSERT INTO suppressions (channel, address, reason) VALUES ('email', lower($1), 'manual')", address
    )
    await stage.begin()
    suppressed = 5 if address.startswith("@") else 1
    assert only(await stage.counts(), "SUPPRESSED") == {"SUPPRESSED": suppressed}
    row = (await ledger(stage.database, stage.campaign_id))["p2@example.com"]
    assert row["error_message"].startswith("Suppressed: manual, "), "why is told"
    assert row["provider"] is None


async def test_what_is_suppressed_elsewhere_is_sent(stage: Stage) -> None:
    others = [
        ("sms", "p1@example.com"),
        *(("email", other) for other in ("@ample.com", "example.com", "@a.example.com")),
    ]
    await stage.database.pool.executemany(
        "INSERT INTO suppressions (channel, address, reason) VALUES ($1, $2, 'manual')", others
    )
    assert len(await stage.begin()) == 5


async def test_a_list_suppresses_only_those_whom_it_brought(stage: Stage) -> None:
    ours, other = await add_list(stage.database, "Ours"), await add_list(stage.database, "Other")
    await stage.database.pool.executemany(
        "INSERT INTO suppressions (channel, address, reason, list_id) VALUES ('email', $1, 'unsubscribed', $2)",
        [("p1@example.com", ours), ("p2@example.com", other), ("p3@example.com", ours), ("p3@example.com", other)],
    )
    await stage.database.pool.execute("UPDATE email_recipients SET list_id = $1 WHERE email <> 'p5@example.com'", ours)
    await stage.reread()
    await stage.begin()
    rows = await ledger(stage.database, stage.campaign_id)
    assert sorted(email for email, row in rows.items() if row["status"] == "SUPPRESSED") == [
        "p1@example.com",
        "p3@example.com",
    ]


async def test_a_message_of_a_dead_sender_becomes_uncertain_once(stage: Stage) -> None:
    await stage.begin()
    await stage.database.pool.execute("UPDATE tasks SET lease_epoch = 2")
    await stage.reread()
    lost = [
        Settlement(row.recipient_id, 2, row.status, row.lease_epoch, RecipientStatus.UNCERTAIN, "lost")
        for row in stage.rows
    ]
    assert len(await stage.ledger.settle(stage.campaign_id, 0, lost)) == 5
    assert await stage.ledger.settle(stage.campaign_id, 0, lost) == set()
    assert await stage.counts() == {"UNCERTAIN": 5}
    assert await stage.end("SENT", reply="250 late") == {}
    assert await stage.counts() == {"UNCERTAIN": 5}


async def test_uncertain_messages_are_resolved_by_hand(stage: Stage, service: CampaignService) -> None:
    await stage.begin()
    await stage.end("UNCERTAIN", error="cut")
    await stage.database.pool.execute("UPDATE tasks SET status = 'FAILED', completed_at = now(), failed_at = now()")
    ids = [row.recipient_id for row in stage.rows]
    assert await service.resolve(stage.campaign_id, ids[:1], "sent") == 1
    assert await service.resolve(stage.campaign_id, ids[1:2], "failed") == 1
    assert await service.resolve(stage.campaign_id, None, "resend") == 3
    assert await service.resolve(stage.campaign_id, None, "resend") == 0
    assert await stage.counts() == {"SENT": 1, "FAILED": 1, "PENDING": 3}
    tasks = dict(await stage.database.pool.fetch("SELECT status, count(*) FROM tasks GROUP BY status"))
    assert tasks == {"FAILED": 2, "PENDING": 3}


async def test_a_message_whose_task_is_still_ending_stays_listed_until_it_can_be_sent_again(
    stage: Stage, service: CampaignService
) -> None:
    await stage.begin()
    await stage.end("UNCERTAIN", error="cut")
    assert await service.resolve(stage.campaign_id, None, "resend") == 0
    assert await stage.counts() == {"UNCERTAIN": 5}
    await stage.database.pool.execute("UPDATE tasks SET status = 'FAILED', completed_at = now(), failed_at = now()")
    assert await service.resolve(stage.campaign_id, None, "resend") == 5


async def test_the_hot_plans_walk_indexes_even_when_made_on_empty_tables(database: Database) -> None:
    from taskflow.campaigns.ledger import sql

    nothing: list[object] = []
    arguments = [uuid7(), 1, *[nothing] * 18]
    async with database.hot.acquire() as connection:
        statement = await connection.prepare("EXPLAIN " + sql.turn)
        plan = "\n".join(row[0] for row in await statement.fetch(*arguments))
    assert "Seq Scan" not in plan
    assert "Hash" not in plan


async def test_turns_that_wait_for_a_commit_share_the_next_one(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, plain = [], stage.ledger.turn

    async def watched(key: UUID, slot: int, ends: Sequence[End], begins: Sequence[Begin]) -> Turned:
        sizes.append(len(begins))
        return await plain(key, slot, ends, begins)

    monkeypatch.setattr(stage.ledger, "turn", watched)
    commits = GroupCommit(stage.ledger, slot=1)
    turned = await asyncio.gather(*(commits.turn(stage.campaign_id, [], [begin]) for begin in stage.begins()))
    assert sizes == [5]
    for begin, answer in zip(stage.begins(), turned, strict=True):
        assert answer.begun[begin.recipient_id] == RecipientStatus.SENDING
    assert await stage.counts() == {"SENDING": 5}

    first, *others = (asyncio.create_task(commits.turn(stage.campaign_id, [end], [])) for end in stage.ends("SENT"))
    await first
    await asyncio.gather(*others)
    assert await stage.counts() == {"SENT": 5}


async def test_a_turn_that_postgresql_refuses_does_not_take_the_others_with_it(stage: Stage) -> None:
    await stage.begin()
    commits = GroupCommit(stage.ledger, slot=1)
    ends = [*stage.ends("SENT", reply="250 ok")[:4], stage.ends("SENT", reply="250 \0")[4]]
    outcomes = await asyncio.gather(
        *(commits.turn(stage.campaign_id, [end], []) for end in ends), return_exceptions=True
    )
    assert [isinstance(outcome, Turned) for outcome in outcomes] == [True] * 4 + [False]
    assert await stage.counts() == {"SENT": 4, "SENDING": 1}
