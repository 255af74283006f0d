"""What else a mail server can do: at every verb of the way to a session, at the end of one, and to all of them at once.

The faults of single messages are in `test_smtp_outcomes.py`; here are those of the session.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from support.certificates import server_context
from support.scripted_smtp import (
    FEATURES,
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
from taskflow.delivery.smtp import Envelope, SmtpPool
from taskflow.settings import SmtpSettings

ACCEPTED, REJECTED, DEFERRED = OutcomeKind.ACCEPTED, OutcomeKind.REJECTED, OutcomeKind.DEFERRED
FAULT = OutcomeKind.PROVIDER_FAULT
BODY = b"Subject: hello\r\n\r\nHello.\r\n"
SECURED = (*FEATURES, "STARTTLS", "AUTH PLAIN")
NONSENSE = b"HTTP/1.1 200 OK\r\n"

anyhow = pytest.mark.parametrize(
    "fault",
    [
        hang_up, silence, endless_line, endless_lines, "421 4.3.2 closing", "450 4.3.0 later", "550 5.7.1 no",
        then_hang_up("421 4.7.0 too many"), then_hang_up(b"25"), NONSENSE, b"\xff\xfe\x00\r\n", trickle("250 ok", 0.1),
    ],
    ids=["cut", "silence", "endless line", "endless lines", "421", "450", "550", "421 and gone", "half", "nonsense",
         "eight bits", "trickle"],
)  # fmt: skip


def pool_of(server: ScriptedSmtp, **changes: Any) -> SmtpPool:
    values: dict[str, Any] = {"connect_timeout": 0.3, "command_timeout": 0.3, "data_timeout": 0.3, "connections": 2}
    values |= {"host": "localhost", "port": server.port, "security": "none"}
    return SmtpPool(SmtpSettings.model_validate(values | changes))


def window(count: int, domain: str = "example.com", body: bytes = BODY) -> list[Envelope]:
    return [Envelope("news@example.org", f"user{number}@{domain}", body) for number in range(count)]


async def send(pool: SmtpPool, envelopes: list[Envelope]) -> list[Outcome]:
    async with pool.session() as session:
        return await session.send_window(envelopes)


def kinds(outcomes: list[Outcome]) -> list[OutcomeKind]:
    return [outcome.kind for outcome in outcomes]


def took(server: ScriptedSmtp) -> list[str]:
    return [message.rcpt_to.decode() for message in server.messages]


@anyhow
@pytest.mark.parametrize("verb", ["CONNECT", "EHLO", "STARTTLS", "AUTH"])
async def test_on_the_way_to_a_session_every_fault_is_the_providers_and_says_no_word_of_a_message(
    tmp_path: Path, verb: str, fault: Any
) -> None:
    tls, trusted = server_context(tmp_path)
    async with ScriptedSmtp(SECURED, tls) as server:
        server.always(verb, fault)
        others = {"command_timeout": 600, "data_timeout": 600}
        pool = pool_of(server, security="starttls", ca_file=trusted, username="ada", password="canary", **others)
        async with asyncio.timeout(60):
            outcomes = await send(pool, window(3))
        assert kinds(outcomes) == [FAULT] * 3
        assert {outcome.verb for outcome in outcomes} == {verb}
        assert not any(b"canary" in line for line in server.received)
        assert not any(line.startswith((b"MAIL", b"RCPT", b"DATA")) for line in server.commands)
        assert len(server.sessions) == 1, "the second and the third message do not knock again"
        server.never_mind(verb)
        pool._backoff._until = 0.0  # let the time pass
        pool._settings.connect_timeout = 10
        assert kinds(await send(pool, window(3))) == [ACCEPTED] * 3
        await pool.close()


async def test_a_server_that_leaves_after_its_greeting_is_a_fault() -> None:
    async with ScriptedSmtp() as server:
        server.script("CONNECT", then_hang_up("220 hello and goodbye"))
        pool = pool_of(server)
        assert kinds(await send(pool, window(2))) == [FAULT] * 2
        await pool.close()


async def test_a_handshake_that_does_not_go_on_ends_in_its_time(tmp_path: Path) -> None:
    async def go_ahead_and_say_no_more(session: Session) -> None:
        await session.say(b"220 go ahead\r\n")
        await silence(session)

    _, trusted = server_context(tmp_path)
    async with ScriptedSmtp(SECURED) as server, asyncio.timeout(60):
        server.script("STARTTLS", go_ahead_and_say_no_more)
        pool = pool_of(server, security="starttls", ca_file=trusted, command_timeout=600, data_timeout=600)
        [outcome] = await send(pool, window(1))
        assert (outcome.kind, outcome.verb) == (FAULT, "STARTTLS")
        await pool.close()


@pytest.mark.parametrize("features", [FEATURES, ("8BITMIME",)], ids=["pipelining", "one by one"])
async def test_who_hangs_up_after_250_has_taken_the_message_and_gets_it_no_second_time(
    features: tuple[str, ...],
) -> None:
    async with ScriptedSmtp(features) as server:
        server.script("DOT", None, then_hang_up("250 2.0.0 queued, and goodbye"))
        pool = pool_of(server)
        outcomes = await send(pool, window(4))
        assert kinds(outcomes) == [ACCEPTED] * 4
        assert outcomes[1].text == "250 2.0.0 queued, and goodbye"
        # The script notes no message where it speaks for itself; the second was taken by those words.
        assert took(server) == ["user0@example.com", "user2@example.com", "user3@example.com"]
        assert server.dots == 4
        assert len(server.sessions) == 2
        await pool.close()


@anyhow
async def test_whatever_a_server_says_to_quit_nothing_is_sent_twice_and_closing_ends(
    monkeypatch: pytest.MonkeyPatch, fault: Any
) -> None:
    monkeypatch.setattr("taskflow.delivery.smtp.connection._QUIT_SECONDS", 0.2)
    async with ScriptedSmtp() as server:
        server.always("QUIT", fault)
        pool = pool_of(server)
        assert kinds(await send(pool, window(3))) == [ACCEPTED] * 3
        async with asyncio.timeout(60):
            await pool.close()
        assert took(server) == [f"user{number}@example.com" for number in range(3)]


@anyhow
@pytest.mark.parametrize("features", [FEATURES, ("8BITMIME",)], ids=["pipelining", "one by one"])
async def test_a_reset_that_goes_wrong_costs_at_most_the_message_behind_it(
    features: tuple[str, ...], fault: Any
) -> None:
    async with ScriptedSmtp(features) as server:
        server.script("RCPT", "550 5.1.1 nobody")
        server.script("RSET", fault)
        pool = pool_of(server)
        async with asyncio.timeout(60):
            first, second, *rest = await send(pool, window(5))
        assert first.kind is REJECTED
        assert second.kind in (ACCEPTED, DEFERRED), "it may be tried again, and never be taken for refused"
        assert kinds(rest) == [ACCEPTED] * 3
        expected = [f"user{number}@example.com" for number in range(1, 5)]
        assert took(server) == (expected if second.kind is ACCEPTED else expected[1:])
        assert server.unused == {}
        await pool.close()


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "DOT"])
async def test_a_storm_of_421_defers_what_it_hits_knocks_once_a_message_and_is_over_when_it_is_over(verb: str) -> None:
    async with ScriptedSmtp() as server:
        server.always(verb, then_hang_up("421 4.7.0 too many connections"))
        pool = pool_of(server)
        outcomes = await send(pool, window(10))
        assert kinds(outcomes) == [DEFERRED] * 10
        assert {outcome.code for outcome in outcomes} == {421}
        assert len(server.sessions) == 10
        assert took(server) == []
        server.never_mind(verb)
        assert kinds(await send(pool, window(10))) == [ACCEPTED] * 10
        assert len(set(took(server))) == len(took(server)) == 10
        await pool.close()


async def test_a_storm_of_421_at_the_door_is_waited_out_by_everybody_together() -> None:
    async with ScriptedSmtp() as server:
        server.always("CONNECT", then_hang_up("421 4.3.2 too busy"))
        pool = pool_of(server, connections=1)
        many = await asyncio.gather(*(send(pool, window(10)) for _ in range(10)))
        assert {outcome.kind for outcomes in many for outcome in outcomes} == {FAULT}
        assert len(server.sessions) == 1
        await pool.close()


async def test_a_server_that_does_not_read_a_large_body_holds_its_slot_no_longer_than_data_may_take() -> None:
    async with ScriptedSmtp(("PIPELINING", "8BITMIME", "SIZE 40000000")) as server:
        server.script("BODY", silence)
        pool = pool_of(server, connections=1, command_timeout=10)
        large = b"Subject: large\r\n\r\n" + (b"x" * 76 + b"\r\n") * 400_000
        async with asyncio.timeout(60):
            [outcome] = await send(pool, window(1, body=large))
            assert (outcome.kind, outcome.verb) == (DEFERRED, "DATA")
            assert server.dots == 0, "it cannot have taken what it has not seen the end of"
            assert kinds(await send(pool, window(2))) == [ACCEPTED] * 2
        await pool.close()


def stalling(domain: bytes, how: Callable[[Session], Awaitable[None]]) -> Callable[[Session], Awaitable[None]]:
    """Answer RCPT as usual, but stall for one domain."""

    async def reply(session: Session) -> None:
        line = session.commands[-1]
        if domain in line:
            await how(session)
        session.rcpt_to = line[line.index(b"<") + 1 : line.index(b">")]
        await session.say(b"250 2.1.5 ok\r\n")

    return reply


async def test_a_domain_that_stalls_does_not_hold_up_another_and_frees_its_slot() -> None:
    async with ScriptedSmtp() as server:
        server.always("RCPT", stalling(b"@slow.example", silence))
        pool = pool_of(server, connections=2, command_timeout=3)
        began = asyncio.create_task(send(pool, window(1, "slow.example")))
        await eventually(lambda: any(b"@slow.example" in line for line in server.commands))
        for _ in range(20):
            assert kinds(await send(pool, window(10, "quick.example"))) == [ACCEPTED] * 10
        assert not began.done(), "the quick ones waited for nobody"
        assert kinds(await began) == [DEFERRED]
        server.never_mind("RCPT")
        both = await asyncio.gather(*(send(pool, window(10, "slow.example")) for _ in range(2)))
        assert [kinds(outcomes) for outcomes in both] == [[ACCEPTED] * 10] * 2, "both slots are there"
        await pool.close()


async def test_a_byte_a_moment_is_bounded_by_the_time_of_a_verb_and_not_of_a_byte() -> None:
    async with ScriptedSmtp() as server:
        server.always("MAIL", trickle("250 2.1.0 " + "o" * 500, 0.05))  # 25 s in all
        pool = pool_of(server, command_timeout=0.4)
        async with asyncio.timeout(20):
            assert kinds(await send(pool, window(1))) == [DEFERRED]
        assert sum(line.startswith(b"MAIL") for line in server.commands) == 1
        await pool.close()
