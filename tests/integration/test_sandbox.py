"""The sandbox inbox: keeps every message before it says so, shows it, and fails where it is told to."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import asyncpg
import pytest

from support.relay import Line
from support.waiting import eventually
from taskflow.base.pagination import InvalidCursorError
from taskflow.db.pool import Database
from taskflow.delivery.addresses import NULL_PATH
from taskflow.delivery.incoming import describe
from taskflow.delivery.mime import Skeleton
from taskflow.delivery.outcome import Outcome, OutcomeKind
from taskflow.delivery.sandbox import Inbox, SandboxServer
from taskflow.delivery.sandbox.repository import InboxRepository, Received
from taskflow.delivery.sandbox.schemas import InboxRule
from taskflow.delivery.sandbox.service import DuplicateRuleError, MailNotFoundError
from taskflow.delivery.sandbox.writer import GroupWriter
from taskflow.delivery.smtp import Envelope, SmtpPool
from taskflow.settings import Settings, SmtpSettings

SKELETON = Skeleton(from_email="news@example.org", from_name="Änne", eight_bit=True)


@pytest.fixture
async def sandbox(settings: Settings, database: Database) -> AsyncIterator[SandboxServer]:
    async with SandboxServer.running(database.pool, settings.sandbox) as server:
        yield server


@pytest.fixture
async def pool(sandbox: SandboxServer) -> AsyncIterator[SmtpPool]:
    opened = SmtpPool(SmtpSettings(connections=4).or_sandbox("127.0.0.1", sandbox.port))
    yield opened
    await opened.close()


@pytest.fixture
def inbox(database: Database) -> Inbox:
    return Inbox(database.pool)


def letter(to: str, subject: str = "Grüße", **parts: str) -> Envelope:
    parts = parts or {"html": "<p>Grüße</p>\n", "text": "Grüße\n.\n..\n"}
    body = SKELETON.build(to=to, subject=subject, message_id=f"<{uuid4().hex}@example.org>", **parts)  # type: ignore[arg-type]
    return Envelope("news@example.org", to, body)


async def send(pool: SmtpPool, *envelopes: Envelope) -> list[Outcome]:
    async with pool.session() as session:
        return await session.send_window(envelopes)


async def rule(inbox: Inbox, sandbox: SandboxServer, pattern: str, action: str, times: int | None = None) -> None:
    await inbox.replace_rules([InboxRule.model_validate({"pattern": pattern, "action": action, "times": times})])
    sandbox._rules_at = 0.0


async def test_a_bounce_has_no_sender_and_nobody_is_no_recipient(
    sandbox: SandboxServer, pool: SmtpPool, inbox: Inbox
) -> None:
    (outcome,) = await send(pool, replace(letter("bob@example.com"), mail_from=NULL_PATH))
    assert outcome.kind is OutcomeKind.ACCEPTED
    (mail,) = (await inbox.list_mails(None, None, 10)).items
    assert mail.mail_from == NULL_PATH
    reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.port)
    client = Line(reader, writer)
    await client.reply()
    await client.say("EHLO client.example")
    assert (await client.say("MAIL FROM:<>")).startswith(b"250 ")
    assert (await client.say("RCPT TO:<>")).startswith(b"501 ")
    writer.close()


async def test_a_message_comes_out_as_it_went_in(pool: SmtpPool, inbox: Inbox) -> None:
    envelope = letter("bob@example.com")
    (outcome,) = await send(pool, envelope)
    assert outcome.kind is OutcomeKind.ACCEPTED
    (mail,) = (await inbox.list_mails(None, None, 10)).items
    assert (mail.mail_from, mail.rcpt_to, mail.subject) == ("news@example.org", "bob@example.com", "Grüße")
    assert str(mail.message_id) in outcome.text
    assert await inbox.raw(mail.message_id) == envelope.body
    detail = await inbox.mail(mail.message_id)
    assert detail.text == "Grüße\r\n.\r\n..\r\n" or detail.text == "Grüße\n.\n..\n"
    assert (detail.html or "").strip() == "<p>Grüße</p>"
    assert detail.raw_size == detail.size == len(envelope.body)
    assert ("From", "Änne <news@example.org>") in [(header.name, header.value) for header in detail.headers]


async def test_the_server_offers_what_the_sender_can_use(pool: SmtpPool) -> None:
    features = await pool.features()
    assert features.pipelining
    assert features.eight_bit
    assert features.utf8
    assert features.max_size == 10 * 1024**2


async def test_a_pipelined_window_is_answered_in_order(pool: SmtpPool, inbox: Inbox, sandbox: SandboxServer) -> None:
    await rule(inbox, sandbox, "user3@example.com", "reject")
    envelopes = [letter(f"user{number}@example.com", f"number {number}") for number in range(10)]
    outcomes = await send(pool, *envelopes)
    assert [outcome.kind for outcome in outcomes].count(OutcomeKind.ACCEPTED) == 9
    assert outcomes[3].kind is OutcomeKind.REJECTED
    mails = (await inbox.list_mails(None, None, 50)).items
    kept = {str(mail.message_id): (mail.rcpt_to, mail.subject) for mail in mails}
    for number, outcome in enumerate(outcomes):
        if number != 3:
            message_id = outcome.text.rpartition(" ")[2]
            assert kept[message_id] == (f"user{number}@example.com", f"number {number}")


async def test_replies_to_one_packet_come_in_order_also_after_a_final_dot(sandbox: SandboxServer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.port)
    writer.write(
        b"EHLO me\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nBOGUS\r\nDATA\r\n"
        b"Subject: one\r\n\r\n..\r\nQUIT\r\n.\r\nNOOP\r\nMAIL FROM:<c@example.org>\r\nRCPT TO:<d@example.org>\r\n"
        b"DATA\r\nSubject: two\r\n\r\n.\r\nQUIT\r\n"
    )
    codes = [line[:3] for line in (await reader.read()).splitlines() if line[3:4] == b" "]
    writer.close()
    assert b" ".join(codes) == b"220 250 250 250 500 354 250 250 250 250 354 250 221"


@pytest.mark.parametrize(("action", "kind"), [("reject", OutcomeKind.REJECTED), ("defer", OutcomeKind.DEFERRED)])
@pytest.mark.parametrize("pattern", ["bob@example.com", "*@example.com", "BOB@Example.com"])
async def test_a_rule_answers_its_addresses(
    pool: SmtpPool, inbox: Inbox, sandbox: SandboxServer, pattern: str, action: str, kind: OutcomeKind
) -> None:
    await rule(inbox, sandbox, pattern, action)
    outcomes = await send(pool, letter("Bob@example.com"), letter("ann@example.net"))
    assert [outcome.kind for outcome in outcomes] == [kind, OutcomeKind.ACCEPTED]
    assert outcomes[0].verb == "RCPT"
    assert len((await inbox.list_mails(None, None, 10)).items) == 1


async def test_a_dropped_connection_is_proved_not_to_have_taken_the_message(
    pool: SmtpPool, inbox: Inbox, sandbox: SandboxServer
) -> None:
    await rule(inbox, sandbox, "bob@example.com", "drop", times=1)
    outcomes = await send(pool, letter("ann@example.com"), letter("bob@example.com"), letter("cid@example.com"))
    assert [outcome.kind for outcome in outcomes] == [
        OutcomeKind.ACCEPTED, OutcomeKind.DEFERRED, OutcomeKind.ACCEPTED,
    ]  # fmt: skip
    assert (await send(pool, letter("bob@example.com")))[0].kind is OutcomeKind.ACCEPTED
    assert len((await inbox.list_mails(None, None, 10)).items) == 3


async def test_a_rule_wears_out_for_each_address_by_itself(
    pool: SmtpPool, inbox: Inbox, sandbox: SandboxServer, database: Database
) -> None:
    await rule(inbox, sandbox, "*@example.com", "defer", times=2)
    deferred, accepted = OutcomeKind.DEFERRED, OutcomeKind.ACCEPTED
    kinds = [[o.kind for o in await send(pool, letter("bob@example.com"), letter("Ann@example.com"))] for _ in range(4)]
    assert kinds == [[deferred] * 2, [deferred] * 2, [accepted] * 2, [accepted] * 2]
    assert (await send(pool, letter("late@example.com")))[0].kind is deferred, "those before have used up nothing of it"
    assert await database.pool.fetchval("SELECT hits FROM inbox_rules") == 5


async def test_a_changed_rule_starts_anew_and_one_beside_it_does_not(
    pool: SmtpPool, inbox: Inbox, sandbox: SandboxServer
) -> None:
    async def kinds(*rules: tuple[str, int]) -> list[OutcomeKind]:
        await inbox.replace_rules([InboxRule(pattern=p, action="defer", times=times) for p, times in rules])
        sandbox._rules_at = 0.0
        return [o.kind for o in await send(pool, letter("bob@example.com"), letter("ann@example.net"))]

    deferred, accepted = OutcomeKind.DEFERRED, OutcomeKind.ACCEPTED
    assert await kinds(("*@example.com", 1), ("*@example.net", 1)) == [deferred, deferred]
    assert await kinds(("*@example.com", 2), ("*@example.net", 1)) == [deferred, accepted]
    assert await kinds(("*@example.net", 1)) == [accepted, accepted]
    assert await kinds(("*@example.com", 2), ("*@example.net", 1)) == [deferred, accepted]


async def test_an_address_goes_before_its_domain(pool: SmtpPool, inbox: Inbox, sandbox: SandboxServer) -> None:
    await inbox.replace_rules(
        [
            InboxRule(pattern="*@example.com", action="reject", times=None),
            InboxRule(pattern="bob@example.com", action="defer", times=None),
        ]
    )
    sandbox._rules_at = 0.0
    outcomes = await send(pool, letter("bob@example.com"), letter("ann@example.com"))
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.DEFERRED, OutcomeKind.REJECTED]


async def test_rules_that_are_being_read_hold_for_whoever_comes_meanwhile(
    pool: SmtpPool, inbox: Inbox, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, begun, go_on = sandbox._repository.rules, asyncio.Event(), asyncio.Event()

    async def slowly() -> object:
        begun.set()
        await go_on.wait()
        return await read()

    monkeypatch.setattr(sandbox._repository, "rules", slowly)
    await rule(inbox, sandbox, "*@example.com", "reject")
    first = asyncio.create_task(send(pool, letter("ada@example.com")))
    await begun.wait()
    second = asyncio.create_task(send(pool, letter("bob@example.com")))
    await eventually(lambda: len(sandbox._connections) == 2, seconds=60, what="a second connection")
    await asyncio.wait([second], timeout=0.2)  # time to be taken by mistake
    go_on.set()
    outcomes = [*await first, *await second]
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.REJECTED] * 2


async def test_a_rule_set_elsewhere_is_followed_soon(pool: SmtpPool, inbox: Inbox) -> None:
    await send(pool, letter("bob@example.com"))
    await inbox.replace_rules([InboxRule(pattern="bob@example.com", action="reject", times=None)])

    async def rejected() -> bool:
        return (await send(pool, letter("bob@example.com")))[0].kind is OutcomeKind.REJECTED

    await eventually(rejected, seconds=60)


async def test_rules_are_replaced_as_a_whole_and_keep_their_hits_when_unchanged(
    inbox: Inbox, database: Database
) -> None:
    same = InboxRule(pattern="a@x.org", action="defer", times=3)
    await inbox.replace_rules([same, InboxRule(pattern="b@x.org", action="drop", times=1)])
    await database.pool.execute("UPDATE inbox_rules SET hits = 2")
    assert await inbox.replace_rules([same, InboxRule(pattern="c@x.org", action="reject", times=None)]) == [
        same, InboxRule(pattern="c@x.org", action="reject", times=None),
    ]  # fmt: skip
    assert await database.pool.fetchval("SELECT hits FROM inbox_rules WHERE pattern = 'a@x.org'") == 2
    with pytest.raises(DuplicateRuleError):
        await inbox.replace_rules([same, same])
    assert await inbox.replace_rules([]) == []


async def test_the_inbox_is_searched_and_paged(pool: SmtpPool, inbox: Inbox) -> None:
    for number in range(5):
        await send(pool, letter(f"user{number}@example.com", f"100% Äpfel {number}"))
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = await inbox.list_mails("EXAMPLE.COM", cursor, 2)
        seen += [mail.rcpt_to for mail in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [f"user{number}@example.com" for number in (4, 3, 2, 1, 0)]
    assert len((await inbox.list_mails("100% äpfel 3", None, 10)).items) == 1
    assert (await inbox.list_mails("no%such_thing", None, 10)).items == []
    with pytest.raises(InvalidCursorError):
        await inbox.list_mails(None, "nonsense", 10)


async def test_the_inbox_is_emptied(pool: SmtpPool, inbox: Inbox) -> None:
    await send(pool, letter("bob@example.com"))
    (mail,) = (await inbox.list_mails(None, None, 10)).items
    await inbox.clear()
    assert (await inbox.list_mails(None, None, 10)).items == []
    with pytest.raises(MailNotFoundError):
        await inbox.mail(mail.message_id)
    with pytest.raises(MailNotFoundError):
        await inbox.raw(mail.message_id)


async def test_only_the_newest_are_kept(pool: SmtpPool, inbox: Inbox, database: Database) -> None:
    await send(pool, *(letter(f"user{number}@example.com") for number in range(8)))
    await InboxRepository(database.pool).trim(3)
    kept = [mail.rcpt_to for mail in (await inbox.list_mails(None, None, 10)).items]
    assert kept == ["user7@example.com", "user6@example.com", "user5@example.com"]
    await InboxRepository(database.pool).trim(3)
    assert len((await inbox.list_mails(None, None, 10)).items) == 3


async def test_an_international_address_arrives(pool: SmtpPool, inbox: Inbox) -> None:
    (outcome,) = await send(pool, letter("jürgen@bücher.example"))
    assert outcome.kind is OutcomeKind.ACCEPTED
    assert (await inbox.list_mails("jürgen", None, 10)).items[0].rcpt_to == "jürgen@xn--bcher-kva.example"


async def test_a_hostile_message_is_kept_and_shown_as_well_as_it_can_be(pool: SmtpPool, inbox: Inbox) -> None:
    bodies = [
        b"",
        b"no headers at all",
        b"Subject: =?bogus?q?x?=\r\nContent-Type: text/html; charset=klingon\r\n\r\n\xff\xfe",
        b"Subject: a\r\n folded\r\n\r\nbody",
        b"Content-Type: multipart/alternative\r\n\r\nno boundary",
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!",
        b"From: \xff\xfe\r\nSubject: \xff\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\xff",
    ]
    smtp = await asyncio.open_connection("127.0.0.1", pool._settings.port)
    smtp[1].write(b"EHLO me\r\n")
    for body in bodies:
        smtp[1].write(b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n" + body + b"\r\n.\r\n")
    smtp[1].write(b"QUIT\r\n")
    replies = await smtp[0].read()
    smtp[1].close()
    assert replies.count(b"kept as") == len(bodies)
    mails = (await inbox.list_mails(None, None, 10)).items
    assert len([await inbox.mail(mail.message_id) for mail in mails]) == len(bodies)


def test_a_subject_is_read_without_parsing_the_message() -> None:
    assert describe(b"subject: =?utf-8?b?R3LDvMOfZQ==?=\r\nMessage-Id: <a@b>\r\n\r\nSubject: no\r\n") == (
        "Grüße",
        "<a@b>",
    )
    assert describe(b"Subject: one\r\n two\r\n\r\n") == ("one two", None)
    assert describe(b"\r\nSubject: in the body\r\n") == (None, None)
    assert describe(b"Subject: " + b"\r\n " * 100_000) != (None, None)


def received(number: int) -> Received:
    return Received(uuid4(), "a@example.org", f"user{number}@example.org", None, None, b"x")


async def test_messages_share_a_commit() -> None:
    batches: list[int] = []
    gate = asyncio.Event()

    async def write(rows: object) -> None:
        batches.append(len(rows))  # type: ignore[arg-type]
        await gate.wait()

    writer = GroupWriter(write)
    waiting = [asyncio.create_task(writer.keep([received(number)])) for number in range(20)]
    await eventually(lambda: batches)
    assert not any(task.done() for task in waiting)
    gate.set()
    await asyncio.gather(*waiting)
    assert batches == [20] or (sum(batches) == 20 and len(batches) == 2)


async def test_a_commit_whose_answer_was_lost_is_repeated_with_the_same_rows() -> None:
    seen: list[list[object]] = []

    async def write(rows: object) -> None:
        seen.append([row.message_id for row in rows])  # type: ignore[attr-defined]
        if len(seen) == 1:
            raise asyncpg.ConnectionDoesNotExistError("gone in the middle")

    await GroupWriter(write).keep([received(1)])
    assert seen[0] == seen[1]


async def test_a_row_that_is_there_already_is_not_doubled(database: Database) -> None:
    repository = InboxRepository(database.pool)
    row = received(1)
    await repository.add([row])
    await repository.add([row, received(2)])
    assert await database.pool.fetchval("SELECT count(*) FROM inbox_messages") == 2
