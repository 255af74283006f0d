"""The outcome of a message, whatever the server does to it: every verb, every way to fail."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from unittest.mock import Mock

import pytest

from support.scripted_smtp import (
    ScriptedSmtp,
    Session,
    endless_line,
    endless_lines,
    hang_up,
    silence,
    then_hang_up,
    trickle,
)
from support.waiting import eventually
from taskflow.delivery.outcome import Outcome, OutcomeKind
from taskflow.delivery.smtp import Envelope, Reply, SmtpPool
from taskflow.settings import SmtpSettings

ACCEPTED, REJECTED, DEFERRED = OutcomeKind.ACCEPTED, OutcomeKind.REJECTED, OutcomeKind.DEFERRED
FAULT, UNCERTAIN, NOT_STARTED = OutcomeKind.PROVIDER_FAULT, OutcomeKind.UNCERTAIN, OutcomeKind.NOT_STARTED
BODY = b"Subject: hello\r\n\r\nHello.\r\n"
PLAIN = ("8BITMIME",)  # a server without PIPELINING


@pytest.fixture(params=["pipelining", "one by one"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[ScriptedSmtp]:
    async with ScriptedSmtp() if request.param == "pipelining" else ScriptedSmtp(PLAIN) as running:
        yield running


def settings(server: ScriptedSmtp, **changes: Any) -> SmtpSettings:
    values: dict[str, Any] = {"connect_timeout": 0.3, "command_timeout": 0.3, "data_timeout": 0.3, "connections": 2}
    return SmtpSettings(host="127.0.0.1", port=server.port, security="none", **(values | changes))


def window(count: int) -> list[Envelope]:
    return [Envelope("news@example.org", f"user{number}@example.com", BODY) for number in range(count)]


async def send(server: ScriptedSmtp, count: int = 3, deadline: float | None = None, **changes: Any) -> list[Outcome]:
    pool = SmtpPool(settings(server, **changes))
    async with pool.session() as session:
        outcomes = await session.send_window(window(count), deadline or time.monotonic() + 30)
    await pool.close()
    assert len(outcomes) == count
    return outcomes


def kinds(outcomes: list[Outcome]) -> list[OutcomeKind]:
    return [outcome.kind for outcome in outcomes]


def check_sink(server: ScriptedSmtp, outcomes: list[Outcome]) -> None:
    """What the server has is what was accepted, plus at most what is uncertain; nothing twice."""
    took = [message.rcpt_to.decode() for message in server.messages]
    accepted = {f"user{i}@example.com" for i, outcome in enumerate(outcomes) if outcome.kind is ACCEPTED}
    perhaps = {f"user{i}@example.com" for i, outcome in enumerate(outcomes) if outcome.kind is UNCERTAIN}
    assert len(took) == len(set(took))
    assert accepted <= set(took) <= accepted | perhaps
    assert server.unused == {}


async def test_a_window_is_accepted_in_order_with_the_servers_words(server: ScriptedSmtp) -> None:
    server.script("DOT", "250 2.0.0 queued as A", None, "250 2.0.0 queued as C")
    outcomes = await send(server)
    assert kinds(outcomes) == [ACCEPTED] * 3
    assert [outcome.text for outcome in outcomes] == [
        "250 2.0.0 queued as A", "250 2.0.0 queued", "250 2.0.0 queued as C",
    ]  # fmt: skip
    assert [message.rcpt_to for message in server.messages] == [
        b"user0@example.com",
        b"user1@example.com",
        b"user2@example.com",
    ]
    assert len(server.sessions) == 1
    check_sink(server, outcomes)


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "DOT"])
@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("550 5.1.1 no such user", REJECTED),
        ("552 5.2.2 mailbox full", REJECTED),
        ("554 5.7.1 blocked", REJECTED),
        ("450 4.2.0 greylisted", DEFERRED),
        ("451 4.3.0 try later", DEFERRED),
        ("452 4.5.3 quota", DEFERRED),
        (b"450-4.2.0 you\r\n450-are\r\n450 4.2.0 greylisted\r\n", DEFERRED),
        (b"550 5.1.1 caf\xc3\xa9 \xff\x00\r\n", REJECTED),
        ("530 5.7.0 authenticate first", FAULT),
    ],
)
async def test_a_refusal_belongs_to_its_message_alone(
    server: ScriptedSmtp, verb: str, reply: str | bytes, kind: OutcomeKind
) -> None:
    server.script(verb, None, reply)
    outcomes = await send(server)
    assert kinds(outcomes) == [ACCEPTED, kind, ACCEPTED]
    assert outcomes[1].verb == verb
    assert outcomes[1].code == int(reply[:3])
    assert len(server.sessions) == 1, "a refusal must not cost the connection"
    check_sink(server, outcomes)


async def test_every_message_of_a_window_may_be_refused(server: ScriptedSmtp) -> None:
    server.always("RCPT", "550 5.1.1 no such user")
    outcomes = await send(server)
    assert kinds(outcomes) == [REJECTED] * 3
    assert server.bodies_begun == 0


async def test_a_greylisted_address_is_taken_the_second_time(server: ScriptedSmtp) -> None:
    server.script("RCPT", "450 4.2.0 greylisted")
    pool = SmtpPool(settings(server))
    async with pool.session() as session:
        assert (await session.send(window(1)[0])).kind is DEFERRED
        assert (await session.send(window(1)[0])).kind is ACCEPTED
    await pool.close()
    assert server.commands.count(b"RSET\r\n") == 1
    assert len(server.sessions) == 1


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
async def test_a_connection_cut_before_the_body_defers_one_message(server: ScriptedSmtp, verb: str) -> None:
    server.script(verb, hang_up)  # on a fresh connection: it is the message
    outcomes = await send(server)
    assert kinds(outcomes) == [DEFERRED, ACCEPTED, ACCEPTED]
    check_sink(server, outcomes)


async def test_a_connection_cut_at_rcpt_in_the_middle_defers_one_message(server: ScriptedSmtp) -> None:
    server.script("RCPT", None, hang_up)
    outcomes = await send(server)
    assert kinds(outcomes) == [ACCEPTED, DEFERRED, ACCEPTED]
    check_sink(server, outcomes)


@pytest.mark.parametrize("ending", [hang_up, "421 4.3.2 enough for one connection"])
async def test_a_server_that_ends_an_old_session_costs_no_attempt(server: ScriptedSmtp, ending: Any) -> None:
    server.script("MAIL", None, ending)
    outcomes = await send(server)
    assert kinds(outcomes) == [ACCEPTED, ACCEPTED, ACCEPTED]
    assert len(server.sessions) == 2
    check_sink(server, outcomes)


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
async def test_421_on_a_fresh_connection_defers_the_message(server: ScriptedSmtp, verb: str) -> None:
    server.script(verb, then_hang_up("421 4.3.2 closing"))
    outcomes = await send(server)
    assert kinds(outcomes) == [DEFERRED, ACCEPTED, ACCEPTED]
    check_sink(server, outcomes)


async def test_421_to_the_final_dot_is_an_answer(server: ScriptedSmtp) -> None:
    server.script("DOT", then_hang_up("421 4.3.2 closing"))
    outcomes = await send(server)
    assert kinds(outcomes) == [DEFERRED, ACCEPTED, ACCEPTED]
    check_sink(server, outcomes)


@pytest.mark.parametrize(
    "fault",
    [
        hang_up,
        silence,
        endless_line,
        endless_lines,
        then_hang_up(b"25"),
        then_hang_up(b"250-half\r\n"),
        "HTTP/1.1 200 OK",
        "354 what?",
        trickle("250 2.0.0 queued as very long id", 0.1),
    ],
    ids=["cut", "silence", "endless line", "endless lines", "half code", "half reply", "nonsense", "354", "trickle"],
)
async def test_no_answer_to_the_final_dot_is_uncertain(server: ScriptedSmtp, fault: Any) -> None:
    server.script("DOT", None, fault)
    outcomes = await send(server)
    assert kinds(outcomes) == [ACCEPTED, UNCERTAIN, ACCEPTED]
    assert outcomes[1].text
    check_sink(server, outcomes)


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize(
    "fault", [silence, endless_line, endless_lines, "220-", "xyz", trickle("250 ok, in my own good time", 0.1)],
    ids=["silence", "endless line", "endless lines", "unfinished", "nonsense", "trickle"],
)  # fmt: skip
async def test_no_sense_before_the_body_defers_the_message(server: ScriptedSmtp, verb: str, fault: Any) -> None:
    server.script(verb, None, fault)
    async with asyncio.timeout(60):
        outcomes = await send(server, connect_timeout=600, data_timeout=600)
    assert kinds(outcomes) == [ACCEPTED, DEFERRED, ACCEPTED]
    check_sink(server, outcomes)


async def test_a_reply_too_many_is_never_taken_for_a_messages_own(server: ScriptedSmtp) -> None:
    server.script("MAIL", b"250 ok\r\n250 ok\r\n")
    outcomes = await send(server)
    assert outcomes[0].kind is DEFERRED
    assert kinds(outcomes[1:]) == [ACCEPTED, ACCEPTED]
    check_sink(server, outcomes)


async def test_a_lone_dot_ends_the_message_of_a_server_that_wants_data_for_nobody() -> None:
    async with ScriptedSmtp() as server:
        server.script("RCPT", "550 5.1.1 no such user")
        server.script("DATA", "354 go ahead all the same")
        server.script("DOT", "554 5.5.1 no recipients")
        outcomes = await send(server)
        assert kinds(outcomes) == [REJECTED, ACCEPTED, ACCEPTED]
        assert server.bodies_begun == 2
        assert len(server.sessions) == 1
        check_sink(server, outcomes)


async def test_a_connection_cut_in_a_large_body_proves_that_it_was_not_accepted(server: ScriptedSmtp) -> None:
    server.script("BODY", hang_up)
    large = Envelope(
        "news@example.org", "user0@example.com", b"Subject: large\r\n\r\n" + b"x" * 76 + b"\r\n" * 4_000_000
    )
    pool = SmtpPool(settings(server, data_timeout=5))
    async with pool.session() as session:
        outcome = await session.send(large)
    await pool.close()
    assert outcome.kind is DEFERRED
    assert outcome.verb == "DATA"
    assert server.dots == 0


@pytest.mark.parametrize(
    ("verb", "fault"),
    [
        ("CONNECT", hang_up),
        ("CONNECT", silence),
        ("CONNECT", "554 5.7.1 go away"),
        ("CONNECT", "421 4.3.2 too busy"),
        ("CONNECT", endless_line),
        ("CONNECT", "HTTP/1.1 400 Bad Request"),
        ("CONNECT", trickle("220 slow and steady", 0.1)),
        ("EHLO", hang_up),
        ("EHLO", silence),
        ("EHLO", endless_lines),
        ("EHLO", "502 5.5.1 what?"),
    ],
)
async def test_a_server_that_cannot_be_talked_to_is_a_provider_fault(
    server: ScriptedSmtp, verb: str, fault: Any
) -> None:
    server.always(verb, fault)
    async with asyncio.timeout(60):
        outcomes = await send(server, command_timeout=600, data_timeout=600)
    assert kinds(outcomes) == [FAULT] * 3
    assert outcomes[0].verb == verb
    assert 0 < (outcomes[0].retry_after or 0) <= 0.5
    assert server.bodies_begun == 0


async def test_nobody_listening_is_a_provider_fault() -> None:
    async with ScriptedSmtp() as server:
        pass
    outcomes = await send(server)
    assert kinds(outcomes) == [FAULT] * 3
    assert outcomes[0].verb == "CONNECT"


async def test_the_deadline_is_looked_at_before_each_message(server: ScriptedSmtp) -> None:
    pool = SmtpPool(settings(server))
    async with pool.session() as session:
        await session.connect()
        assert kinds(await session.send_window(window(3), time.monotonic() - 1)) == [NOT_STARTED] * 3
    await pool.close()
    assert b"DATA\r\n" not in server.commands


async def test_a_deadline_that_passes_in_the_window_stops_before_the_next_body(
    server: ScriptedSmtp, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Mock(**{"monotonic.return_value": 100.0})
    for module in ("pool", "transaction"):
        monkeypatch.setattr(f"taskflow.delivery.smtp.{module}.time", clock)

    async def late(session: Session) -> None:
        clock.monotonic.return_value = 200.0
        await session.say(b"250 2.0.0 slow\r\n")

    server.script("DOT", None, late)
    outcomes = await send(server, 4, deadline=150.0)
    assert kinds(outcomes) == [ACCEPTED, ACCEPTED, NOT_STARTED, NOT_STARTED]
    await eventually(lambda: server.dots == 2)
    assert server.bodies_begun == 2


async def test_a_cancelled_sender_knows_what_became_of_each_message(server: ScriptedSmtp) -> None:
    server.script("DOT", None, silence)
    pool = SmtpPool(settings(server, data_timeout=30))
    outcomes: list[Outcome] = []

    async def work() -> None:
        async with pool.session() as session:
            await session.send_window(window(4), time.monotonic() + 30, outcomes)

    task = asyncio.create_task(work())
    await eventually(lambda: server.dots == 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert kinds(outcomes) == [ACCEPTED, UNCERTAIN, NOT_STARTED, NOT_STARTED]
    await pool.close()


async def test_the_hook_sees_the_reply_before_anybody_acts_on_it(server: ScriptedSmtp) -> None:
    seen: list[tuple[str, int]] = []

    def hook(envelope: Envelope, reply: Reply) -> None:
        seen.append((envelope.rcpt_to, reply.code))

    pool = SmtpPool(settings(server), on_reply=hook)
    async with pool.session() as session:
        await session.send_window(window(2))
    await pool.close()
    assert seen == [("user0@example.com", 250), ("user1@example.com", 250)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda e: Envelope(e.mail_from, "a@x\r\nRCPT TO:<b@y>", e.body), "no plain mail address"),
        (lambda e: Envelope("-oX@example.org", e.rcpt_to, e.body), "no plain mail address"),
        (lambda e: Envelope(e.mail_from, e.rcpt_to, b"x" * 20_000_000), "larger"),
        (lambda e: Envelope(e.mail_from, e.rcpt_to, b"a: b\r\n\r\n\0"), "NUL"),
    ],
)
async def test_what_must_not_be_said_is_refused_before_a_byte_is_sent(
    change: Callable[[Envelope], Envelope], reason: str
) -> None:
    async with ScriptedSmtp() as server:
        pool = SmtpPool(settings(server))
        first, second, third = window(3)
        async with pool.session() as session:
            outcomes = await session.send_window([first, change(second), third])
        await pool.close()
        assert kinds(outcomes) == [ACCEPTED, REJECTED, ACCEPTED]
        assert reason in outcomes[1].text
        assert b"".join(server.commands).count(b"RCPT TO") == 2


async def test_an_international_address_needs_a_server_that_takes_it() -> None:
    envelope = Envelope("news@example.org", "jürgen@bücher.example", BODY)
    async with ScriptedSmtp() as able, ScriptedSmtp(PLAIN) as unable:
        for server, kind in ((able, ACCEPTED), (unable, REJECTED)):
            pool = SmtpPool(settings(server))
            async with pool.session() as session:
                assert (await session.send(envelope)).kind is kind
            await pool.close()
        assert b"MAIL FROM:<news@example.org> SIZE=26 SMTPUTF8\r\n" in able.commands
        assert "RCPT TO:<jürgen@xn--bcher-kva.example>\r\n".encode() in able.commands
        assert len(unable.commands) == 2  # EHLO and QUIT


async def test_an_eight_bit_message_waits_for_a_server_that_takes_it() -> None:
    envelope = Envelope("news@example.org", "user0@example.com", "Subject: x\n\ncafé".encode())
    async with ScriptedSmtp() as able, ScriptedSmtp(("PIPELINING",)) as unable:
        for server, kind in ((able, ACCEPTED), (unable, DEFERRED)):
            pool = SmtpPool(settings(server))
            async with pool.session() as session:
                assert (await session.send(envelope)).kind is kind
            await pool.close()
        assert able.messages[0].body == "Subject: x\r\n\r\ncafé\r\n".encode()
        assert any(b"BODY=8BITMIME" in line for line in able.commands)
