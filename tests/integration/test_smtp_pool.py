"""Connections: how they are opened, secured, kept, dropped and counted."""

import asyncio
import base64
import ssl
from pathlib import Path
from typing import Any

import pytest

from support.certificates import server_context
from support.scripted_smtp import ScriptedSmtp, Session, hang_up, then_hang_up
from support.waiting import eventually
from taskflow.base.errors import ConfigurationError
from taskflow.delivery.outcome import OutcomeKind
from taskflow.delivery.smtp import Envelope, Features, SmtpPool
from taskflow.delivery.smtp.connection import ProviderFaultError, parse_features
from taskflow.delivery.smtp.reply import Reply
from taskflow.settings import SmtpSettings

ENVELOPE = Envelope("news@example.org", "anna@example.com", b"Subject: hello\r\n\r\nHello.\r\n")
AUTH = ("PIPELINING", "STARTTLS", "AUTH PLAIN LOGIN")


def settings(server: ScriptedSmtp, **changes: Any) -> SmtpSettings:
    values: dict[str, Any] = {
        "host": "localhost",
        "port": server.port,
        "security": "none",
        "connect_timeout": 2,
        "command_timeout": 2,
        "data_timeout": 2,
    }
    return SmtpSettings(**(values | changes))


async def send_one(pool: SmtpPool) -> OutcomeKind:
    async with pool.session() as session:
        return (await session.send(ENVELOPE)).kind


async def test_many_mails_use_no_more_connections_than_allowed() -> None:
    async with ScriptedSmtp() as server:
        pool = SmtpPool(settings(server, connections=3))

        async def window() -> None:
            async with pool.session() as session:
                outcomes = await session.send_window([ENVELOPE] * 10)
                assert all(outcome.kind is OutcomeKind.ACCEPTED for outcome in outcomes)

        await asyncio.gather(*(window() for _ in range(20)))
        await pool.close()
        assert len(server.messages) == 200
        assert len(server.sessions) == pool.opened <= 3


async def test_closing_the_pool_says_goodbye() -> None:
    async with ScriptedSmtp() as server:
        pool = SmtpPool(settings(server))
        await send_one(pool)
        await pool.close()
        assert server.commands[-1] == b"QUIT\r\n"


async def test_an_idle_connection_is_closed() -> None:
    async with ScriptedSmtp() as server:
        pool = SmtpPool(settings(server, idle_seconds=0.05))
        await send_one(pool)
        await eventually(lambda: server.commands[-1] == b"QUIT\r\n")
        assert await send_one(pool) is OutcomeKind.ACCEPTED
        assert pool.opened == 2
        await pool.close()


async def test_a_connection_that_died_while_idle_costs_no_attempt() -> None:
    async with ScriptedSmtp() as server:
        pool = SmtpPool(settings(server))
        await send_one(pool)
        await server.sessions[0].say(b"421 4.4.2 idle for too long\r\n")
        server.sessions[0].writer.close()
        assert await send_one(pool) is OutcomeKind.ACCEPTED
        await pool.close()


async def test_a_connection_carries_its_share_and_is_replaced() -> None:
    async with ScriptedSmtp() as server:
        pool = SmtpPool(settings(server, messages_per_connection=2))
        for _ in range(5):
            assert await send_one(pool) is OutcomeKind.ACCEPTED
        await pool.close()
        assert [session.commands.count(b"DATA\r\n") for session in server.sessions] == [2, 2, 1]


async def test_an_unreachable_server_is_left_alone_for_longer_and_longer() -> None:
    async with ScriptedSmtp() as server:
        server.always("CONNECT", hang_up)
        pool = SmtpPool(settings(server))
        waits = []
        for _ in range(3):
            assert await send_one(pool) is OutcomeKind.PROVIDER_FAULT
            tries = len(server.sessions)
            assert await send_one(pool) is OutcomeKind.PROVIDER_FAULT
            assert len(server.sessions) == tries, "it must wait"
            waits.append(pool.retry_after)
            pool._backoff._until = 0.0  # let the time pass
        assert waits == sorted(waits)
        assert waits[0] <= 0.5 < waits[2]
        server.never_mind("CONNECT")
        assert await send_one(pool) is OutcomeKind.ACCEPTED
        assert pool.retry_after == 0
        await pool.close()


async def test_a_cancelled_session_never_returns_its_connection() -> None:
    async with ScriptedSmtp() as server:
        pool = SmtpPool(settings(server, connections=1))
        server.script("MAIL", _stall)
        task = asyncio.create_task(send_one(pool))
        await eventually(lambda: any(line.startswith(b"MAIL") for line in server.commands))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await send_one(pool) is OutcomeKind.ACCEPTED
        assert len(server.sessions) == 2
        await pool.close()


async def _stall(session: Session) -> None:
    await session.server.closing.wait()


async def test_starttls_is_verified_and_asked_again_what_the_server_can(tmp_path: Path) -> None:
    tls, trusted = server_context(tmp_path)
    async with ScriptedSmtp(AUTH, tls) as server:
        pool = SmtpPool(settings(server, security="starttls", ca_file=trusted, username="anna", password="s3cret"))
        assert await send_one(pool) is OutcomeKind.ACCEPTED
        await pool.close()
        verbs = [line.split()[0] for line in server.commands]
        assert verbs == [b"EHLO", b"STARTTLS", b"EHLO", b"AUTH", b"MAIL", b"RCPT", b"DATA", b"QUIT"]
        assert base64.b64decode(server.commands[3].split()[2]) == b"\0anna\0s3cret"


async def test_tls_from_the_start(tmp_path: Path) -> None:
    tls, trusted = server_context(tmp_path)
    async with ScriptedSmtp() as inner:
        server = await asyncio.start_server(inner._connected, "127.0.0.1", 0, ssl=tls)
        inner.port = server.sockets[0].getsockname()[1]
        pool = SmtpPool(settings(inner, security="tls", ca_file=trusted))
        assert await send_one(pool) is OutcomeKind.ACCEPTED
        await pool.close()
        server.close()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_a_certificate_that_is_not_trusted_or_not_for_the_host_is_refused(tmp_path: Path, host: str) -> None:
    tls, trusted = server_context(tmp_path)
    known = None if host == "localhost" else trusted
    async with ScriptedSmtp(AUTH, tls) as server:
        pool = SmtpPool(settings(server, host=host, security="starttls", ca_file=known))
        async with pool.session() as session:
            outcome = await session.send(ENVELOPE)
        assert (outcome.kind, outcome.verb) == (OutcomeKind.PROVIDER_FAULT, "STARTTLS")
        assert "certificate" in outcome.text.lower()
        await pool.close()


async def test_a_server_without_tls_gets_no_mail_and_no_password() -> None:
    async with ScriptedSmtp(("PIPELINING", "AUTH PLAIN")) as server:
        pool = SmtpPool(settings(server, security="starttls", username="anna", password="s3cret"))
        assert await send_one(pool) is OutcomeKind.PROVIDER_FAULT
        assert [line.split()[0] for line in server.commands] == [b"EHLO"]
        await pool.close()


async def test_plain_text_slipped_in_before_tls_is_refused(tmp_path: Path) -> None:
    tls, trusted = server_context(tmp_path)
    async with ScriptedSmtp(AUTH, tls) as server:
        server.script("STARTTLS", b"220 go ahead\r\n250-evil\r\n250 AUTH PLAIN\r\n")
        pool = SmtpPool(settings(server, security="starttls", ca_file=trusted))
        async with pool.session() as session:
            outcome = await session.send(ENVELOPE)
        assert (outcome.kind, outcome.verb) == (OutcomeKind.PROVIDER_FAULT, "STARTTLS")
        await pool.close()


@pytest.mark.parametrize(
    "fault", ["454 4.7.0 TLS not available", then_hang_up("220 go ahead"), hang_up, then_hang_up(b"220 go\r\nnoise")]
)
async def test_starttls_that_fails_is_a_provider_fault(tmp_path: Path, fault: Any) -> None:
    tls, trusted = server_context(tmp_path)
    async with ScriptedSmtp(AUTH, tls) as server:
        server.script("STARTTLS", fault)
        pool = SmtpPool(settings(server, security="starttls", ca_file=trusted))
        assert await send_one(pool) is OutcomeKind.PROVIDER_FAULT
        await pool.close()


async def test_login_is_used_where_plain_is_not_offered() -> None:
    async with ScriptedSmtp(("PIPELINING", "AUTH LOGIN")) as server:
        server.script("AUTH", _login)
        pool = SmtpPool(settings(server, username="anna", password="s3cret"))
        assert await send_one(pool) is OutcomeKind.ACCEPTED
        await pool.close()


async def _login(session: Session) -> None:
    await session.say(b"334 VXNlcm5hbWU6\r\n")
    assert base64.b64decode(await session.line()) == b"anna"
    await session.say(b"334 UGFzc3dvcmQ6\r\n")
    assert base64.b64decode(await session.line()) == b"s3cret"
    await session.say(b"235 2.7.0 welcome\r\n")


@pytest.mark.parametrize("fault", ["535 5.7.8 wrong password", "454 4.7.0 later", hang_up])
async def test_wrong_credentials_are_a_provider_fault(fault: Any) -> None:
    async with ScriptedSmtp(AUTH) as server:
        server.script("AUTH", fault)
        pool = SmtpPool(settings(server, username="anna", password="s3cret"))
        async with pool.session() as session:
            outcome = await session.send(ENVELOPE)
        assert (outcome.kind, outcome.verb) == (OutcomeKind.PROVIDER_FAULT, "AUTH")
        assert "s3cret" not in outcome.text
        await pool.close()


async def test_a_mechanism_we_do_not_speak_is_a_provider_fault() -> None:
    async with ScriptedSmtp(("AUTH GSSAPI",)) as server:
        pool = SmtpPool(settings(server, username="anna", password="s3cret"))
        with pytest.raises(ProviderFaultError, match="neither AUTH PLAIN nor AUTH LOGIN"):
            await pool.features()
        await pool.close()


async def test_the_pool_knows_what_the_server_can() -> None:
    async with ScriptedSmtp() as server:
        pool = SmtpPool(settings(server))
        features = await pool.features()
        assert features == Features(pipelining=True, eight_bit=True, utf8=True, size=True, max_size=10485760)
        assert await pool.features() is features
        await pool.close()
        assert len(server.sessions) == 1


def test_features_survive_strange_greetings() -> None:
    reply = Reply(250, (b"host", b"", b"size abc", b"AUTH=LOGIN", b"auth plain", b"\xff\xfe", b"starttls "))
    assert parse_features(reply) == Features(starttls=True, size=True, auth=frozenset({"LOGIN", "PLAIN"}))


def test_a_password_never_crosses_a_network_in_the_clear() -> None:
    with pytest.raises(ConfigurationError, match="in the clear"):
        SmtpPool(SmtpSettings(host="mail.example.org", security="none", username="anna"))


def test_without_a_host_there_is_no_pool_but_the_sandbox_gives_one() -> None:
    with pytest.raises(ConfigurationError, match="TASKFLOW_SMTP_HOST"):
        SmtpPool(SmtpSettings())
    ours = SmtpSettings().or_sandbox("127.0.0.1", 2525)
    assert (ours.host, ours.port, ours.security) == ("127.0.0.1", 2525, "none")
    theirs = SmtpSettings(host="mail.example.org").or_sandbox("127.0.0.1", 2525)
    assert (theirs.host, theirs.security) == ("mail.example.org", "starttls")


async def test_tls_older_than_1_2_is_not_spoken() -> None:
    async with ScriptedSmtp() as server:
        pool = SmtpPool(settings(server, security="starttls"))
        assert pool._context is not None
        assert pool._context.minimum_version >= ssl.TLSVersion.TLSv1_2
        assert pool._context.verify_mode is ssl.CERT_REQUIRED


async def test_a_dead_host_holds_a_slot_for_its_timeout_once_and_not_once_for_each_who_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("taskflow.delivery.smtp.pool._FIRST_WAIT", 30.0)
    async with ScriptedSmtp() as server, asyncio.timeout(60):
        server.always("CONNECT", _stall)
        others = {"command_timeout": 600, "data_timeout": 600}
        pool = SmtpPool(settings(server, connections=1, connect_timeout=0.2, **others))
        kinds = await asyncio.gather(*(send_one(pool) for _ in range(5)))
        assert set(kinds) == {OutcomeKind.PROVIDER_FAULT}
        assert len(server.sessions) == 1
        await pool.close()
